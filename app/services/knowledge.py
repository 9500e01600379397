"""Opens the room of knowledge: stores, index, the projections of passages and items; and search with what is kept around it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from app.accounts.accounts import Accounts
from app.embeddings import CachedEmbedder, LongForm, late_interaction
from app.knowledge.answering.answering import Answering
from app.knowledge.authoring import Authoring, Gate
from app.knowledge.browsing import Browsing
from app.knowledge.cached import CachedSearch
from app.knowledge.copier import Copier
from app.knowledge.history import History
from app.knowledge.index import Index
from app.knowledge.items_projection import ItemsProjection
from app.knowledge.judging import Judging
from app.knowledge.overview import Overview
from app.knowledge.passage_store import PassageStore
from app.knowledge.passages import abstention
from app.knowledge.passages_projection import PassagesProjection
from app.knowledge.prefetch import PrefetchingSearch
from app.knowledge.reader import KnowledgeReader
from app.knowledge.search import Search
from app.knowledge.store import KnowledgeStore
from app.knowledge.tails import Tails
from app.knowledge.unanswered import Unanswered
from app.knowledge.versions import Versions
from app.knowledge.writer import KnowledgeWriter
from app.services.caches import tiers
from app.services.services import Knowledge, Role
from app.services.tasks import owned
from app.sessions.journal import Journal
from app.settings import Settings
from app.storage.database import Database
from app.storage.direct import Direct
from app.storage.invalidations import Invalidations
from app.storage.vectors.store import VectorStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

VERSION_SECONDS = 1.0
"""A version that takes longer to read isn't waited for: the question is searched."""


async def open_knowledge(
    stack: AsyncExitStack,
    settings: Settings,
    role: Role,
    *,
    url: str,
    database: Database,
    accounts: Accounts,
    journal: Journal,
    vectors: VectorStore,
    embedder: CachedEmbedder,
    long_form: LongForm,
    copier: Copier | None,
    redis: Redis | None,
    invalidations: Invalidations,
) -> Knowledge:
    """Versions are read over a connection of their own, made when the first question comes."""
    store = KnowledgeStore(database, vectors, journal, merge_threshold=settings.knowledge.merge_threshold)
    said = PassageStore(database, journal)
    index = Index(database, vectors, copy=copier)
    unanswered = Unanswered(database)
    search = Search(
        database=database,
        accounts=accounts,
        journal=journal,
        index=index,
        vectors=vectors,
        embedder=embedder,
        limits=settings.knowledge,
        unanswered=unanswered,
    )
    direct = Direct(settings.database, url, name="cairn versions", timeout_seconds=VERSION_SECONDS)
    stack.push_async_callback(direct.close)
    queries = tiers("queries", settings.cache.queries, settings, redis=redis, invalidations=invalidations)
    stack.push_async_callback(queries.close)
    cached = CachedSearch(
        search,
        queries,
        Versions(direct),
        accounts=accounts,
        index=index,
        options=settings.cache.queries,
        tuned=f"{embedder.model} {settings.knowledge!r} {late_interaction.VERSION} {abstention.coefficients()}",
    )
    prefetch: PrefetchingSearch | None = None
    if settings.cache.prefetch.enabled and settings.cache.queries.enabled and role == "serve":
        prefetch = PrefetchingSearch(cached, settings.cache.prefetch, knows=embedder.knows, ttl_seconds=settings.cache.queries.ttl_seconds)
        await stack.enter_async_context(owned(prefetch.run(), name="prefetch"))
    gate = Gate()
    authoring = Authoring(database, accounts, embedder=embedder, long_form=long_form, gate=gate)
    judging, browsing, history = Judging(database, gate=gate), Browsing(database), History(database)
    reader = KnowledgeReader(accounts=accounts, search=prefetch or cached, store=store, said=said, browsing=browsing, history=history)
    return Knowledge(
        passages=PassagesProjection(journal=journal, embedder=embedder, store=said, index=index),
        said=said,
        items=ItemsProjection(journal=journal, embedder=embedder, long_form=long_form, store=store, index=index),
        store=store,
        index=index,
        search=prefetch or cached,
        answering=Answering(embedder, settings.knowledge),
        caches={queries.name: queries},
        tails=Tails(database, long_form),
        overview=Overview(database),
        authoring=authoring,
        judging=judging,
        browsing=browsing,
        history=history,
        reader=reader,
        writer=KnowledgeWriter(reader, authoring=authoring, judging=judging, store=store),
        unanswered=unanswered,
        prefetch=prefetch,
    )
