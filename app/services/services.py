"""Every live object by name. It makes none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.accounts.accounts import Accounts
from app.accounts.part import AccountServices
from app.accounts.secrets import Secrets
from app.accounts.sign_ins import SignIns
from app.alerts.monitoring import Monitoring
from app.assist.part import AssistServices
from app.budget.part import BudgetServices
from app.embeddings import Bulk, CachedEmbedder
from app.embeddings.part import EmbeddingServices
from app.idempotency.keys import IdempotencyKeys
from app.inference.part import InferenceServices
from app.knowledge.part import KnowledgeServices
from app.openid.sign_in import OpenIdSignIn
from app.part import Cache, Part, Role
from app.queue.jobs import Queue
from app.queue.messages import MessageExchange
from app.queue.outbox import Outbox
from app.queue.part import QueueServices
from app.rate_limits.limits import RateLimits
from app.services.composition import caches_of
from app.sessions.journal import Journal
from app.sessions.part import SessionServices
from app.sessions.uploads import Uploads
from app.settings import Settings
from app.storage.database import Database
from app.storage.folder import DataFolder
from app.storage.part import StorageServices
from app.storage.vectors.store import VectorStore
from app.trajectory.part import TrajectoryServices

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["Role", "Services"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The live objects of all rooms. Routes and commands take from it what they need; rooms never see it.

    parts     What iterates over all rooms iterates over these: readiness, gauges, caches, jobs, maintenance.
    openid    Sign-in with a provider; None: none is set, or the dashboard is off.
    """

    settings: Settings
    secrets: Secrets
    parts: Sequence[Part]
    storage: StorageServices
    account_services: AccountServices
    queue_services: QueueServices
    idempotency: IdempotencyKeys
    embeddings: EmbeddingServices
    budget: BudgetServices
    limits: RateLimits
    inference: InferenceServices
    sessions: SessionServices
    trajectory: TrajectoryServices
    knowledge: KnowledgeServices
    assist: AssistServices
    monitoring: Monitoring
    openid: OpenIdSignIn | None

    @property
    def caches(self) -> Mapping[str, Cache]:
        """Every cache by its name."""
        return caches_of(self.parts)

    @property
    def folder(self) -> DataFolder:
        return self.storage.folder

    @property
    def database(self) -> Database:
        return self.storage.database

    @property
    def redis(self) -> Redis | None:
        return self.storage.redis

    @property
    def vectors(self) -> VectorStore:
        return self.storage.vectors

    @property
    def accounts(self) -> Accounts:
        return self.account_services.accounts

    @property
    def sign_ins(self) -> SignIns:
        return self.account_services.sign_ins

    @property
    def queue(self) -> Queue:
        return self.queue_services.queue

    @property
    def messages(self) -> MessageExchange:
        return self.queue_services.messages

    @property
    def outbox(self) -> Outbox:
        return self.queue_services.outbox

    @property
    def embedder(self) -> CachedEmbedder:
        return self.embeddings.embedder

    @property
    def bulk(self) -> Bulk:
        """Batches of other programs: they never wait in a question's way."""
        return self.embeddings.bulk

    @property
    def uploads(self) -> Uploads:
        return self.sessions.uploads

    @property
    def journal(self) -> Journal:
        return self.sessions.journal
