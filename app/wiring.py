"""Settings → live objects. One async context manager owns every lifetime: what is opened last is closed first."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import structlog

from app import clock
from app.accounts.accounts import Accounts
from app.accounts.secrets import Secrets, load_secrets
from app.budget.alerts import Alerts
from app.budget.books import Books
from app.budget.budgets import Budgets
from app.budget.keeper import Keeper
from app.budget.ledger import Ledger
from app.budget.limits import Limits
from app.budget.periods import Calendar
from app.budget.prices import Prices
from app.budget.prices import load as load_prices
from app.budget.requests import RequestLog
from app.budget.webhook import Webhook
from app.cache.memory import Memory
from app.cache.shared import DatabaseTier, RedisTier
from app.cache.shared import sweep as sweep_cache
from app.cache.tiers import Tier, Tiers
from app.embeddings import Embedder, open_embedder
from app.errors import CairnError, ConfigurationError, Unavailable
from app.inference.cached import CachedEngine
from app.inference.catalog import Catalog
from app.inference.engine import Engine
from app.inference.meter import Meter
from app.inference.sharing import Sharing
from app.knowledge import freshness, intake
from app.knowledge.index import SCHEMA, Index
from app.knowledge.intake import Intake
from app.knowledge.purge import Purge
from app.knowledge.search import Search
from app.knowledge.store import KnowledgeStore
from app.money import from_usd
from app.queue.jobs import Queue
from app.queue.messages import postgres_bus
from app.queue.messages.exchange import Exchange
from app.queue.messages.postgres_bus import PostgresBus
from app.queue.worker import Worker
from app.sessions.journal import Journal
from app.sessions.uploads import Uploads
from app.settings import Settings
from app.storage import migrations
from app.storage.child import Child, owner_gone, supervised
from app.storage.database import Database
from app.storage.direct import Direct
from app.storage.folder import DataFolder
from app.storage.notices import Notices
from app.storage.postgres import embedded_postgres
from app.storage.redis import answers, open_redis
from app.storage.vectors import open_store
from app.storage.vectors.store import VectorStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

Role = Literal["serve", "worker"]
State = Literal["ok", "degraded", "down"]
TEND_SECONDS = 30
MAINTENANCE_SECONDS = 600
ALIVE_SECONDS = 5
GRACE_SECONDS = 15
"""Beyond `worker.stop_seconds`: to hand jobs back and to close."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The room's doors, by what they do."""

    intake: Intake
    store: KnowledgeStore
    index: Index
    search: Search
    purge: Purge


@dataclass(frozen=True, slots=True)
class Money:
    """The ledger's doors: who takes holds, who looks at budgets, what a call may cost, what was asked."""

    ledger: Ledger
    budgets: Budgets
    prices: Prices
    requests: RequestLog


@dataclass(frozen=True, slots=True)
class Inference:
    """The one door to models, and who stands behind it."""

    engine: CachedEngine
    catalog: Catalog
    caches: Mapping[str, Tiers]


@dataclass(frozen=True, slots=True)
class House:
    """Every live object. Routes and commands take from it what they need; rooms never see it."""

    settings: Settings
    folder: DataFolder
    secrets: Secrets
    database: Database
    accounts: Accounts
    queue: Queue
    uploads: Uploads
    journal: Journal
    vectors: VectorStore
    embedder: Embedder
    knowledge: Knowledge
    budget: Money
    inference: Inference
    redis: Redis | None
    messages: Exchange
    worker: Child | None


@asynccontextmanager
async def open_house(settings: Settings, *, role: Role) -> AsyncIterator[House]:
    """Open everything that a role needs; close it again, in reverse.

    serve: starts PostgreSQL and the vector engine where they are embedded, brings the schema up to date, starts one worker.
    worker: connects to what serve (or the team's servers) runs.
    """
    async with AsyncExitStack() as stack:
        folder = await asyncio.to_thread(DataFolder.open, settings.data_dir)
        embedded = settings.embedded
        _check_sizes(settings, role)
        secrets = load_secrets(settings, folder.path, role=role)
        url = await _database_url(stack, settings, folder)
        database = await _open_database(stack, settings, url, role)
        vectors = await stack.enter_async_context(
            open_store(settings, SCHEMA, folder=folder.vectors, owner=role == "serve" and settings.qdrant.url is None)
        )
        embedder = await stack.enter_async_context(open_embedder(settings.embeddings, folder.models))
        accounts = Accounts(
            database,
            admin_key=secrets.admin_key,
            secret_key=secrets.secret_key,
            default_limit_nanousd=from_usd(settings.budget.monthly_limit_usd),
        )
        budget = await _open_budget(stack, settings, database, accounts, url)
        redis = await stack.enter_async_context(open_redis(settings.redis))
        inference = await _open_inference(stack, settings, role, database, budget, embedder, redis)
        house = _furnish(
            settings=settings,
            folder=folder,
            secrets=secrets,
            database=database,
            accounts=accounts,
            vectors=vectors,
            embedder=embedder,
            budget=budget,
            inference=inference,
            redis=redis,
            messages=_messages(settings, database, url, redis),
        )
        if role == "serve":
            await stack.enter_async_context(_owned(house.messages.run(), name="messages"))
            await house.accounts.ensure_defaults()
            await stack.enter_async_context(_owned(_tend_index(house), name="tend index"))
            if embedded:
                worker = await stack.enter_async_context(_worker_child(settings, url))
                house = replace(house, worker=worker)
        yield house


async def run_worker(settings: Settings) -> None:
    """The worker's life: jobs, the index's feed, maintenance; until SIGTERM, Ctrl-C, or its owner's end."""
    if settings.embedded:
        raise ConfigurationError(
            "An embedded Cairn starts its own worker with `cairn serve`. To run workers beside a team's servers, set CAIRN_DATABASE__URL."
        )
    async with open_house(settings, role="worker") as house:
        handlers = {intake.INGEST: house.knowledge.intake.ingest, intake.LEARN: house.knowledge.intake.learn}
        worker = Worker(house.queue, handlers, settings.worker)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, worker.stop)
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(house.knowledge.index.feed(poll_seconds=settings.worker.poll_seconds), name="feed"),
                tasks.create_task(_maintain(house), name="maintain"),
                tasks.create_task(_leave_with_owner(worker), name="owner"),
                tasks.create_task(_stay_seen(house.folder), name="alive"),
            ]
            await worker.run()
            for task in background:
                task.cancel()


async def readiness(house: House) -> dict[str, State]:
    """What each dependency says right now. Only PostgreSQL is essential."""
    states: dict[str, State] = {"database": "ok", "vectors": "ok"}
    try:
        await house.database.ping()
    except CairnError:
        states["database"] = "down"
    try:
        await house.vectors.status()
        if not house.knowledge.index.complete:
            states["vectors"] = "degraded"
    except CairnError:
        states["vectors"] = "degraded"
    if house.redis is not None:
        states["redis"] = "ok" if await answers(house.redis) else "degraded"
    if house.worker is not None:
        states["worker"] = "ok" if house.worker.alive else "degraded"
    return states


def _check_sizes(settings: Settings, role: Role) -> None:
    """One size or the other: with the truth on a server and the index in one machine's folder, each machine would index a part."""
    ours = role == "worker" and os.environ.get("CAIRN_OWNED") == "1"
    if not settings.embedded and settings.qdrant.url is None and not ours:
        raise ConfigurationError(
            "CAIRN_DATABASE__URL is set, so CAIRN_QDRANT__URL must be too: the servers share one index. Set both, or neither."
        )


async def _database_url(stack: AsyncExitStack, settings: Settings, folder: DataFolder) -> str:
    if settings.database.url is not None:
        return settings.database.url.get_secret_value()
    most = settings.database.embedded_max_connections
    return await stack.enter_async_context(embedded_postgres(folder.postgres, max_connections=most))


async def _open_database(stack: AsyncExitStack, settings: Settings, url: str, role: Role) -> Database:
    """Embedded: bring the schema up to date. A team's server: refuse an old one, and say which command to run."""
    if settings.embedded:
        await migrations.upgrade(url)
    size = {"pool_size": settings.worker.pool_size, "max_overflow": settings.worker.pool_size} if role == "worker" else {}
    database = await Database.open(settings.database, url, name=f"cairn {role}", **size)
    stack.push_async_callback(database.close)
    if not settings.embedded:
        await migrations.require_current(database)
    return database


async def _open_budget(stack: AsyncExitStack, settings: Settings, database: Database, accounts: Accounts, url: str) -> Money:
    """The ledger with what keeps it: two connections of its own, the heartbeat, the alerts."""
    options, process_id = settings.budget, uuid4()
    calendar, prices = Calendar(options.time_zone), load_prices()
    limits, books = Limits(database, accounts, calendar, options), Books(database, calendar)
    posted = options.webhook_url is not None
    alerts = Alerts(database, calendar, team_tokens_a_day=options.team_tokens_a_day, posted=posted)
    directs = [Direct(settings.database, url, name=f"cairn {name}", timeout_seconds=options.timeout_seconds) for name in ("holds", "ends")]
    for direct in directs:
        stack.push_async_callback(direct.close)
    ledger = Ledger(
        holds=directs[0],
        endings=directs[1],
        calendar=calendar,
        process_id=process_id,
        open_period=limits.open_period,
        watch=alerts.watch,
        timeout_seconds=options.timeout_seconds,
    )
    keeper = Keeper(database, ledger, process_id=process_id, silent_seconds=options.process_silent_seconds)
    requests = RequestLog(database)
    await keeper.open()
    for closing in (keeper.close, requests.close, ledger.close):
        stack.push_async_callback(_quietly, closing)
    await stack.enter_async_context(_owned(keeper.run(), name="budget keeper"))
    await stack.enter_async_context(_owned(alerts.run(), name="budget alerts"))
    if options.webhook_url is not None:
        await stack.enter_async_context(_owned(Webhook(database, options.webhook_url.get_secret_value()).run(), name="budget webhook"))
    return Money(ledger, Budgets(accounts, limits, books, ledger), prices, requests)


async def _open_inference(
    stack: AsyncExitStack, settings: Settings, role: Role, database: Database, budget: Money, embedder: Embedder, redis: Redis | None
) -> Inference:
    """Providers are reached when they are first asked. Closed before the ledger: streams that are cut are still settled."""
    sharing = Sharing(redis) if redis is not None else None
    changed = None if sharing is None else sharing.changed
    catalog = Catalog(settings.providers, settings.inference, budget.prices, embedder=embedder, changed=changed)
    inner = Engine(catalog, Meter(budget.ledger, settings.budget), budget.requests, settings.inference)
    completions = _tiers("completions", settings, database, redis)
    engine = CachedEngine(inner, catalog, completions, settings.cache.completions)
    stack.push_async_callback(engine.close)
    if role == "serve":
        await stack.enter_async_context(_owned(engine.prepare(), name="prepare models"))
        if sharing is not None:
            await stack.enter_async_context(_owned(sharing.run(catalog.breakers), name="share breakers"))
    return Inference(engine, catalog, {completions.name: completions})


def _tiers(name: str, settings: Settings, database: Database, redis: Redis | None) -> Tiers:
    """A cache's memory, and below it what this deployment has."""
    options = settings.cache.completions
    lower: list[Tier] = [] if redis is None else [RedisTier(redis, name)]
    if settings.cache.database:
        lower.append(DatabaseTier(database, name))
    memory = Memory(options.policy, entries=options.entries, most_bytes=options.max_bytes)
    return Tiers(name, memory, lower, timeout_seconds=settings.cache.tier_timeout_seconds)


async def _quietly(closing: Callable[[], Awaitable[None]]) -> None:
    """At the end PostgreSQL may be gone already: what could not be written, the next process's sweep finds."""
    try:
        await closing()
    except Unavailable as error:
        log.warning("budget.closing", code=error.code)


def _furnish(
    *,
    settings: Settings,
    folder: DataFolder,
    secrets: Secrets,
    database: Database,
    accounts: Accounts,
    vectors: VectorStore,
    embedder: Embedder,
    budget: Money,
    inference: Inference,
    redis: Redis | None,
    messages: Exchange,
) -> House:
    """Make the rooms' objects. No I/O: everything that has a lifetime was opened before."""
    queue, uploads, journal = Queue(database, settings.worker), Uploads(database), Journal(database, settings.sessions)
    store = KnowledgeStore(database, vectors, journal, merge_threshold=settings.knowledge.merge_threshold)
    index = Index(database, vectors)
    knowledge = Knowledge(
        intake=Intake(
            limits=settings.sessions,
            database=database,
            accounts=accounts,
            queue=queue,
            uploads=uploads,
            journal=journal,
            embedder=embedder,
            store=store,
            index=index,
        ),
        store=store,
        index=index,
        search=Search(database=database, accounts=accounts, index=index, vectors=vectors, embedder=embedder, limits=settings.knowledge),
        purge=Purge(database, journal, store),
    )
    return House(
        settings,
        folder,
        secrets,
        database,
        accounts,
        queue,
        uploads,
        journal,
        vectors,
        embedder,
        knowledge,
        budget,
        inference,
        redis,
        messages,
        worker=None,
    )


def _messages(settings: Settings, database: Database, url: str, redis: Redis | None) -> Exchange:
    """On Redis where there is one. redis-py is imported only then."""
    if redis is None:
        notices = Notices(settings.database, url, name="cairn messages", channel=postgres_bus.CHANNEL)
        return Exchange(PostgresBus(database, notices, settings.messages), settings.messages)
    from app.queue.messages.redis_bus import RedisBus

    return Exchange(RedisBus(redis, settings.messages), settings.messages)


def _worker_child(settings: Settings, url: str) -> AbstractAsyncContextManager[Child]:
    """The embedded size's one worker: the same command that a team runs beside its servers, pointed at our PostgreSQL."""
    env = {"CAIRN_DATABASE__URL": url, "CAIRN_DATA_DIR": str(settings.data_dir), "CAIRN_OWNED": "1"}
    grace = settings.worker.stop_seconds + GRACE_SECONDS
    return supervised("worker", [sys.executable, "-m", "app.cli", "worker"], env=env, grace_seconds=grace)


@asynccontextmanager
async def _owned(work: Coroutine[None, None, None], *, name: str) -> AsyncIterator[None]:
    """Run a task for the length of the context."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _tend_index(house: House) -> None:
    """Rebuild the index when it lacks items, or once enough of its points are searched by brute force, without an HNSW graph."""
    index, most = house.knowledge.index, house.settings.vectors.reindex_after
    while True:
        try:
            if not await index.check() or (await house.vectors.status()).unindexed >= most:
                await index.rebuild()
        except CairnError as error:
            log.warning("reindex.failed", code=error.code, reason=error.message)
        except Exception:
            log.exception("reindex.failed")
        await asyncio.sleep(TEND_SECONDS)


async def _maintain(house: House) -> None:
    """Ageing, and what has had its time: every ten minutes."""
    while True:
        try:
            async with house.database.begin() as connection:
                aged = await freshness.refresh(connection, clock.now())
            swept = await house.knowledge.index.sweep()
            uploads = await house.uploads.sweep(house.settings.sessions.upload_ttl_hours)
            purges = await house.journal.sweep(2 * house.settings.sessions.upload_ttl_hours)
            jobs = await house.queue.sweep()
            cached = await sweep_cache(house.database)
            log.info("maintenance.done", aged=aged, outbox=swept, uploads=uploads, purges=purges, jobs=jobs, cached=cached)
            with suppress(Unavailable):  # it may need Redis, which nothing else here does
                await house.messages.sweep()
        except Unavailable as error:
            log.warning("maintenance.away", code=error.code)
            aged = 0
        except Exception:
            log.exception("maintenance.failed")
            aged = 0
        await asyncio.sleep(0 if aged else MAINTENANCE_SECONDS)


async def _stay_seen(folder: DataFolder) -> None:
    """A worker answers no requests: the age of this file tells a health check that its loop turns."""
    while True:
        with suppress(OSError):  # a full disk is no reason to end
            await asyncio.to_thread(folder.worker_alive.touch)
        await asyncio.sleep(ALIVE_SECONDS)


async def _leave_with_owner(worker: Worker) -> None:
    """An embedded worker has no life beyond the server that started it."""
    if os.environ.get("CAIRN_OWNED") == "1":
        await owner_gone()
        log.info("worker.owner_gone")
        worker.stop()
