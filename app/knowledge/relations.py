"""Derives an item's relations from its words: what it is about, the items that it replaces or that replace it, and those it contradicts."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.contradiction_rows import refresh_contradictions
from app.knowledge.subject_rows import refresh_subjects
from app.knowledge.supersession_rows import refresh_links


async def refresh_relations(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Find the subjects, links and contradictions of these items anew, in the transaction that changed their words or evidence.

    The caller holds their projects. Items that are gone are ignored.
    """
    await refresh_subjects(connection, items)
    await refresh_links(connection, items)
    await refresh_contradictions(connection, items)
