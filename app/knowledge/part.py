"""Opens the room of knowledge: stores, index, the projections of passages and items, and the cached search."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from app.accounts.accounts import Accounts
from app.cache.part import tiers
from app.cache.tiers import TieredCache
from app.embeddings import late_interaction
from app.embeddings.part import EmbeddingServices
from app.errors import CairnError, Unavailable
from app.knowledge.answering.answering import Answering
from app.knowledge.authoring import Authoring, WriteAdmission
from app.knowledge.briefing import ProjectBriefing
from app.knowledge.browsing import ItemBrowsing
from app.knowledge.cached_search import CachedSearch
from app.knowledge.code_checking import CodeChecking
from app.knowledge.curating import Curating
from app.knowledge.deciding import Deciding
from app.knowledge.evidence_writer import EvidenceWriter
from app.knowledge.exporting import ItemExport
from app.knowledge.history import ItemHistory
from app.knowledge.index import Index
from app.knowledge.intent_rows import record_relabelled
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
from app.knowledge.repository_checks import RepositoryChecks
from app.knowledge.restoring import Restoring
from app.knowledge.results import Searcher
from app.knowledge.review import Review
from app.knowledge.review_lists import ReviewLists
from app.knowledge.search import Search
from app.knowledge.search_backend import SearchBackend
from app.knowledge.store import KnowledgeStore
from app.knowledge.subjects_backfill import SubjectsBackfill
from app.knowledge.unanswered import Unanswered
from app.knowledge.use_records import UseRecords
from app.knowledge.uses_projection import UsesProjection
from app.knowledge.versions import Versions
from app.knowledge.writer import KnowledgeWriter
from app.part import OK, Condition, Levels, Loop, Maintenance, Opened, Part, ReadinessCheck, Role
from app.queue.jobs import Queue
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.settings import Settings
from app.storage.direct import DedicatedConnection
from app.storage.part import StorageServices
from app.telemetry import metrics
from app.trajectory.analysis import LabelFollower

VERSION_SECONDS = 1.0
"""Timeout for reading a version; after it the question is searched, uncached."""
REBUILT = "The index lacks items that PostgreSQL has, and is being rebuilt automatically. Until then searches are by words only."


@dataclass(frozen=True, slots=True)
class KnowledgeServices:
    """The room's live objects, by what they do."""

    passages: PassagesProjection
    items: ItemsProjection
    distilled: EvidenceWriter
    uses: UsesProjection
    store: KnowledgeStore
    passage_store: PassageStore
    index: Index
    search: Searcher
    answering: Answering
    overview: Overview
    authoring: Authoring
    judging: Judging
    browsing: ItemBrowsing
    code_checking: CodeChecking
    history: ItemHistory
    export: ItemExport
    reader: KnowledgeReader
    writer: KnowledgeWriter
    review: Review
    unanswered: Unanswered
    long_form_backfill: LongFormBackfill
    repository_checks: RepositoryChecks
    subjects_backfill: SubjectsBackfill
    relabelled: LabelFollower


@dataclass(frozen=True, slots=True)
class _LowerRooms:
    """The lower rooms' services that this room is built on."""

    settings: Settings
    role: Role
    storage: StorageServices
    accounts: Accounts
    journal: Journal
    embeddings: EmbeddingServices


@dataclass(frozen=True, slots=True)
class _Searching:
    """The index, the search over it, and the search's cache."""

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
    journal: Journal,
    projections: Projections,
    embeddings: EmbeddingServices,
) -> AsyncIterator[Opened[KnowledgeServices]]:
    """Open the room, and register its projections, which run in this order. A server checks at once whether the index is complete."""
    below = _LowerRooms(settings, role, storage, accounts, journal, embeddings)
    async with AsyncExitStack() as stack:
        searching = _make_search(stack, below)
        services = _make_services(below, searching)
        for projection in (services.passages, services.items, services.uses):
            projections.register(projection)
        if role == "serve":
            with suppress(Unavailable):
                await services.index.check()
        yield services, _part(below, services, searching.queries)


def _make_search(stack: AsyncExitStack, below: _LowerRooms) -> _Searching:
    """Make the search. Versions are read over a connection of their own, opened when the first question comes."""
    settings, storage, embedder = below.settings, below.storage, below.embeddings.embedder
    index = Index(storage.database, storage.vectors, copy=_reindexer(settings, storage.url) if below.role == "serve" else None)
    unanswered = Unanswered(storage.database)
    backend = SearchBackend(Reads(storage.database), below.accounts, index, storage.vectors, settings.knowledge)
    search = Search(backend, journal=below.journal, embedder=embedder, unanswered=unanswered)
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
        fingerprint=f"{embedder.model} {settings.knowledge!r} {late_interaction.VERSION} {abstention.coefficients()}",
    )
    return _Searching(index, unanswered, queries, cached)


def _make_services(below: _LowerRooms, searching: _Searching) -> KnowledgeServices:
    settings, database, accounts, journal = below.settings, below.storage.database, below.accounts, below.journal
    embedder, long_form, index, admission = below.embeddings.embedder, below.embeddings.long_form, searching.index, WriteAdmission()
    store = KnowledgeStore(database, below.storage.vectors, journal, merge_threshold=settings.knowledge.merge_threshold)
    passage_store, search = PassageStore(database, journal), searching.cached
    authoring = Authoring(database, accounts, embedder=embedder, long_form=long_form, admission=admission)
    judging, restoring = Judging(database, admission=admission), Restoring(database, admission=admission)
    curating, deciding = Curating(database, admission=admission), Deciding(database, admission=admission)
    browsing, history = ItemBrowsing(database), ItemHistory(database, journal)
    code_checking, kept = CodeChecking(database, accounts, journal), settings.data_dir / "freshness"
    queue = Queue(database, settings.worker)  # to enqueue: it has no state but the database's
    reader = _make_reader(below, searching, store=store, passages=passage_store, browsing=browsing, history=history)
    return KnowledgeServices(
        passages=PassagesProjection(journal=journal, embedder=embedder, store=passage_store, index=index),
        passage_store=passage_store,
        items=ItemsProjection(journal=journal, embedder=embedder, long_form=long_form, store=store, index=index),
        distilled=EvidenceWriter(embedder=embedder, long_form=long_form, store=store, index=index, distilled=True),
        uses=UsesProjection(journal=journal, records=UseRecords(database, journal)),
        store=store,
        index=index,
        search=search,
        answering=Answering(embedder, settings.knowledge),
        long_form_backfill=LongFormBackfill(database, long_form),
        subjects_backfill=SubjectsBackfill(database),
        overview=Overview(database, accounts, searching.unanswered),
        authoring=authoring,
        judging=judging,
        browsing=browsing,
        code_checking=code_checking,
        history=history,
        export=ItemExport(database, accounts),
        reader=reader,
        writer=KnowledgeWriter(
            reader, authoring=authoring, judging=judging, restoring=restoring, curating=curating, deciding=deciding, store=store
        ),
        review=Review(accounts, ReviewLists(database, journal)),
        unanswered=searching.unanswered,
        relabelled=record_relabelled,
        repository_checks=RepositoryChecks(queue, accounts, code_checking, settings=settings.freshness, folder=kept),
    )


def _make_reader(
    below: _LowerRooms,
    searching: _Searching,
    *,
    store: KnowledgeStore,
    passages: PassageStore,
    browsing: ItemBrowsing,
    history: ItemHistory,
) -> KnowledgeReader:
    return KnowledgeReader(
        accounts=below.accounts,
        search=searching.cached,
        store=store,
        passage_store=passages,
        browsing=browsing,
        history=history,
        briefing=ProjectBriefing(below.storage.database),
    )


def _reindexer(settings: Settings, url: str) -> Reindexer:
    """Make the reindexer, pointed at our PostgreSQL and Qdrant as the worker is; a URL from a file it reads itself."""
    env = {"CAIRN_DATA_DIR": str(settings.data_dir)}
    if "CAIRN_DATABASE__URL_FILE" not in os.environ:
        env["CAIRN_DATABASE__URL"] = url
    if settings.qdrant.url is not None:
        env["CAIRN_QDRANT__URL"] = settings.qdrant.url
    return Reindexer(env)


def _part(below: _LowerRooms, services: KnowledgeServices, queries: TieredCache) -> Part:
    vectors = below.storage.vectors

    async def condition() -> Condition:
        try:
            status = await vectors.status()
        except CairnError as error:
            return Condition("degraded", error.message)
        return Condition("degraded", REBUILT) if status.unfilled or not services.index.complete else OK

    async def items() -> None:
        metrics.set_knowledge(items=await services.store.count(), pending=await services.index.pending())

    async def points() -> None:
        status = await vectors.status()
        metrics.set_points(points=status.points, unindexed=status.unindexed)

    async def levels() -> Levels:
        return {"index.pending": {(): float(await services.index.pending())}}

    return Part(
        name="knowledge",
        jobs=services.repository_checks.jobs(),
        loops=_loops(below, services),
        ready=[ReadinessCheck("vectors", condition)],
        gauges=[items, points],
        levels=[levels] if below.role == "serve" else (),
        caches=[queries],
        maintenance=[
            Maintenance("outbox", services.index.sweep),
            Maintenance("tails", services.long_form_backfill.maintain, batched=True),
            Maintenance("subjects", services.subjects_backfill.maintain, batched=True),
            Maintenance("code_marks", services.code_checking.expire, batched=True),
        ],
    )


def _loops(below: _LowerRooms, services: KnowledgeServices) -> tuple[Loop, ...]:
    if below.role == "worker":
        return (*services.index.loops(poll_seconds=below.settings.worker.poll_seconds), *services.repository_checks.loops())
    reindexing = Reindexing(services.index, below.storage.vectors, below.settings.vectors)
    return (*reindexing.loops(), *services.unanswered.loops())
