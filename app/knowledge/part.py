"""Opens the room of knowledge: stores, index, the projections of passages and items; and search with what is kept around it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from app import clock
from app.accounts.accounts import Accounts
from app.cache.part import tiers
from app.cache.tiers import TieredCache
from app.embeddings import late_interaction
from app.embeddings.part import EmbeddingServices
from app.errors import CairnError, Unavailable
from app.knowledge import freshness
from app.knowledge.answer import Searcher
from app.knowledge.answering.answering import Answering
from app.knowledge.authoring import Authoring, WriteAdmission
from app.knowledge.browsing import ItemBrowsing
from app.knowledge.cached import CachedSearch
from app.knowledge.history import ItemHistory
from app.knowledge.index import Index
from app.knowledge.items_projection import ItemsProjection
from app.knowledge.judging import Judging
from app.knowledge.long_form_backfill import LongFormBackfill
from app.knowledge.overview import Overview
from app.knowledge.passage_store import PassageStore
from app.knowledge.passages import abstention
from app.knowledge.passages_projection import PassagesProjection
from app.knowledge.reader import KnowledgeReader
from app.knowledge.reads import Reads
from app.knowledge.reindexer import Reindexer
from app.knowledge.reindexing import Reindexing
from app.knowledge.search import Search
from app.knowledge.search_backend import SearchBackend
from app.knowledge.store import KnowledgeStore
from app.knowledge.unanswered import Unanswered
from app.knowledge.versions import Versions
from app.knowledge.writer import KnowledgeWriter
from app.part import OK, Condition, Levels, Loop, Maintenance, Opened, Part, ReadinessCheck, Role
from app.sessions.part import SessionServices
from app.settings import Settings
from app.storage.database import Database
from app.storage.direct import DedicatedConnection
from app.storage.part import StorageServices
from app.telemetry import metrics

VERSION_SECONDS = 1.0
"""A version that takes longer to read isn't waited for: the question is searched."""
REBUILT = "The index lacks items that PostgreSQL holds, and is rebuilt by itself: until then searches answer by words."


@dataclass(frozen=True, slots=True)
class KnowledgeServices:
    """The room's live objects, by what they do."""

    passages: PassagesProjection
    items: ItemsProjection
    store: KnowledgeStore
    said: PassageStore
    index: Index
    search: Searcher
    answering: Answering
    overview: Overview
    authoring: Authoring
    judging: Judging
    browsing: ItemBrowsing
    history: ItemHistory
    reader: KnowledgeReader
    writer: KnowledgeWriter
    unanswered: Unanswered
    tails: LongFormBackfill


@dataclass(frozen=True, slots=True)
class _Below:
    """The lower rooms' services that this room is built on."""

    settings: Settings
    role: Role
    storage: StorageServices
    accounts: Accounts
    sessions: SessionServices
    embeddings: EmbeddingServices


@dataclass(frozen=True, slots=True)
class _Searching:
    """The index, and the search over it with what is kept around it."""

    index: Index
    unanswered: Unanswered
    queries: TieredCache
    cached: CachedSearch


@asynccontextmanager
async def open_knowledge(
    settings: Settings,
    role: Role,
    *,
    storage: StorageServices,
    accounts: Accounts,
    sessions: SessionServices,
    embeddings: EmbeddingServices,
) -> AsyncIterator[Opened[KnowledgeServices]]:
    """Open the room, and register its projections, which run in this order. In a server an index that was lost is known from the start."""
    below = _Below(settings, role, storage, accounts, sessions, embeddings)
    async with AsyncExitStack() as stack:
        searching = _searching(stack, below)
        made = _made(below, searching)
        for projection in (made.passages, made.items):
            sessions.projections.register(projection)
        if role == "serve":
            with suppress(Unavailable):
                await made.index.check()
        yield made, _part(below, made, searching.queries)


def _searching(stack: AsyncExitStack, below: _Below) -> _Searching:
    """Make the search. Versions are read over a connection of their own, opened when the first question comes."""
    settings, storage, embedder = below.settings, below.storage, below.embeddings.embedder
    index = Index(storage.database, storage.vectors, copy=_copier(settings, storage.url) if below.role == "serve" else None)
    unanswered = Unanswered(storage.database)
    backend = SearchBackend(Reads(storage.database), below.accounts, index, storage.vectors, settings.knowledge)
    search = Search(backend, journal=below.sessions.journal, embedder=embedder, unanswered=unanswered)
    direct = DedicatedConnection(settings.database, storage.url, name="cairn versions", timeout_seconds=VERSION_SECONDS)
    stack.push_async_callback(direct.close)
    options = settings.cache.queries
    queries = tiers("queries", options, settings, storage, database=False)
    stack.push_async_callback(queries.close)
    cached = CachedSearch(
        search,
        queries,
        Versions(direct),
        accounts=below.accounts,
        index=index,
        options=options,
        tuned=f"{embedder.model} {settings.knowledge!r} {late_interaction.VERSION} {abstention.coefficients()}",
    )
    return _Searching(index, unanswered, queries, cached)


def _made(below: _Below, searching: _Searching) -> KnowledgeServices:
    settings, database, accounts, journal = below.settings, below.storage.database, below.accounts, below.sessions.journal
    embedder, long_form, index, gate = below.embeddings.embedder, below.embeddings.long_form, searching.index, WriteAdmission()
    store = KnowledgeStore(database, below.storage.vectors, journal, merge_threshold=settings.knowledge.merge_threshold)
    said, search = PassageStore(database, journal), searching.cached
    authoring = Authoring(database, accounts, embedder=embedder, long_form=long_form, gate=gate)
    judging, browsing, history = Judging(database, gate=gate), ItemBrowsing(database), ItemHistory(database)
    reader = KnowledgeReader(accounts=accounts, search=search, store=store, said=said, browsing=browsing, history=history)
    return KnowledgeServices(
        passages=PassagesProjection(journal=journal, embedder=embedder, store=said, index=index),
        said=said,
        items=ItemsProjection(journal=journal, embedder=embedder, long_form=long_form, store=store, index=index),
        store=store,
        index=index,
        search=search,
        answering=Answering(embedder, settings.knowledge),
        tails=LongFormBackfill(database, long_form),
        overview=Overview(database),
        authoring=authoring,
        judging=judging,
        browsing=browsing,
        history=history,
        reader=reader,
        writer=KnowledgeWriter(reader, authoring=authoring, judging=judging, store=store),
        unanswered=searching.unanswered,
    )


def _copier(settings: Settings, url: str) -> Reindexer:
    """Make the copier, pointed at our PostgreSQL and Qdrant as the worker is; a URL from a file it reads itself."""
    env = {"CAIRN_DATA_DIR": str(settings.data_dir)}
    if "CAIRN_DATABASE__URL_FILE" not in os.environ:
        env["CAIRN_DATABASE__URL"] = url
    if settings.qdrant.url is not None:
        env["CAIRN_QDRANT__URL"] = settings.qdrant.url
    return Reindexer(env)


def _part(below: _Below, made: KnowledgeServices, queries: TieredCache) -> Part:
    vectors = below.storage.vectors

    async def condition() -> Condition:
        try:
            status = await vectors.status()
        except CairnError as error:
            return Condition("degraded", error.message)
        return Condition("degraded", REBUILT) if status.unfilled or not made.index.complete else OK

    async def items() -> None:
        metrics.set_knowledge(items=await made.store.count(), pending=await made.index.pending())

    async def points() -> None:
        status = await vectors.status()
        metrics.set_points(points=status.points, unindexed=status.unindexed)

    async def levels() -> Levels:
        return {"index.pending": {(): float(await made.index.pending())}}

    return Part(
        name="knowledge",
        loops=_loops(below, made),
        ready=[ReadinessCheck("vectors", condition)],
        gauges=[items, points],
        levels=[levels] if below.role == "serve" else (),
        caches=[queries],
        maintenance=[
            Maintenance("aged", partial(_age, below.storage.database), batched=True),
            Maintenance("outbox", made.index.sweep),
            Maintenance("tails", made.tails.maintain, batched=True),
        ],
    )


def _loops(below: _Below, made: KnowledgeServices) -> tuple[Loop, ...]:
    if below.role == "worker":
        return made.index.loops(poll_seconds=below.settings.worker.poll_seconds)
    reindexing = Reindexing(made.index, below.storage.vectors, below.settings.vectors)
    return (*reindexing.loops(), *made.unanswered.loops())


async def _age(database: Database) -> int:
    async with database.begin() as connection:
        return await freshness.refresh(connection, clock.now())
