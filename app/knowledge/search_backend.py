"""The services that the searches of items and of passages share: where they read, and their limits."""

from __future__ import annotations

from dataclasses import dataclass

from app.accounts.accounts import Accounts
from app.knowledge.index import Index
from app.knowledge.reads import Reads
from app.settings import KnowledgeSettings
from app.storage.vectors.store import VectorStore


@dataclass(frozen=True, slots=True)
class SearchBackend:
    """The database (through `reads`), the vector store with its index's state, the projects' names, and the limits of a search."""

    reads: Reads
    accounts: Accounts
    index: Index
    vectors: VectorStore
    limits: KnowledgeSettings
