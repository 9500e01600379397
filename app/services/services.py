"""Every live object by name. It makes none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.accounts.accounts import Accounts
from app.accounts.secrets import Secrets
from app.accounts.sign_ins import SignIns
from app.alerts.watch import Watch
from app.budget.budgets import Budgets
from app.budget.ledger import Ledger
from app.budget.prices import Prices
from app.budget.requests import RequestLog
from app.budget.spending import Spending
from app.cache.tiers import Tiers
from app.embeddings import Bulk, CachedEmbedder
from app.inference.cached import CachedEngine
from app.inference.catalog import Catalog
from app.knowledge.answer import Asks
from app.knowledge.answering.answering import Answering
from app.knowledge.authoring import Authoring
from app.knowledge.browsing import Browsing
from app.knowledge.history import History
from app.knowledge.index import Index
from app.knowledge.items_projection import ItemsProjection
from app.knowledge.judging import Judging
from app.knowledge.overview import Overview
from app.knowledge.passage_store import PassageStore
from app.knowledge.passages_projection import PassagesProjection
from app.knowledge.prefetch import PrefetchingSearch
from app.knowledge.reader import KnowledgeReader
from app.knowledge.store import KnowledgeStore
from app.knowledge.tails import Tails
from app.knowledge.unanswered import Unanswered
from app.knowledge.writer import KnowledgeWriter
from app.limits.limits import RateLimits
from app.queue.jobs import Queue
from app.queue.messages.exchange import Exchange
from app.queue.outbox import Outbox
from app.sessions.backfill import Backfill
from app.sessions.browsing import Browsing as SessionBrowsing
from app.sessions.catch_up import CatchUp
from app.sessions.checkpoints import Checkpoints
from app.sessions.intake import Intake
from app.sessions.journal import Journal
from app.sessions.live import LiveIntake
from app.sessions.merging import ProjectMerge
from app.sessions.projections import Projections
from app.sessions.purge import Purge
from app.sessions.reader import SessionReader
from app.sessions.uploads import Uploads
from app.settings import Settings
from app.storage.child import Child
from app.storage.database import Database
from app.storage.folder import DataFolder
from app.storage.vectors.store import VectorStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

Role = Literal["serve", "worker"]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The room's doors, by what they do."""

    passages: PassagesProjection
    items: ItemsProjection
    store: KnowledgeStore
    said: PassageStore
    index: Index
    search: Asks
    answering: Answering
    caches: Mapping[str, Tiers]
    prefetch: PrefetchingSearch | None
    """Where it is switched on: then it is `search`."""
    overview: Overview
    authoring: Authoring
    judging: Judging
    browsing: Browsing
    history: History
    unanswered: Unanswered
    tails: Tails
    reader: KnowledgeReader
    writer: KnowledgeWriter


@dataclass(frozen=True, slots=True)
class Sessions:
    """How sessions come in, what is derived from them, and how they go."""

    intake: Intake
    live: LiveIntake
    browsing: SessionBrowsing
    purge: Purge
    merging: ProjectMerge
    projections: Projections
    checkpoints: Checkpoints
    catch_up: CatchUp
    backfill: Backfill
    reader: SessionReader


@dataclass(frozen=True, slots=True)
class Money:
    """The ledger's doors: who takes holds, who looks at budgets, what a call may cost, what was asked, where it went."""

    ledger: Ledger
    budgets: Budgets
    prices: Prices
    requests: RequestLog
    spending: Spending


@dataclass(frozen=True, slots=True)
class Inference:
    """The one door to models, and who stands behind it."""

    engine: CachedEngine
    catalog: Catalog
    caches: Mapping[str, Tiers]


@dataclass(frozen=True, slots=True)
class Services:
    """Every live object. Routes and commands take from it what they need; rooms never see it."""

    settings: Settings
    folder: DataFolder
    secrets: Secrets
    database: Database
    accounts: Accounts
    sign_ins: SignIns
    queue: Queue
    uploads: Uploads
    journal: Journal
    vectors: VectorStore
    embedder: CachedEmbedder
    bulk: Bulk
    """Batches of other programs: they never wait in a question's way."""
    knowledge: Knowledge
    sessions: Sessions
    budget: Money
    inference: Inference
    limits: RateLimits
    redis: Redis | None
    messages: Exchange
    small_caches: Mapping[str, Tiers]
    """Of rooms below the two hallways: embeddings, keys."""
    outbox: Outbox
    watch: Watch
    worker: Child | None = None

    @property
    def caches(self) -> Mapping[str, Tiers]:
        """Every cache by its name."""
        return {**self.inference.caches, **self.knowledge.caches, **self.small_caches}
