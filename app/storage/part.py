"""Opens where things are kept: PostgreSQL with its replicas, Redis, the vector store, and the word that processes pass to each other."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from app.errors import CairnError
from app.part import OK, Condition, Loop, Opened, Part, ReadinessCheck, Role
from app.settings import Settings
from app.storage import migrations
from app.storage.database import Database
from app.storage.disk import DiskWatch
from app.storage.folder import DataFolder
from app.storage.invalidations import CHANNEL, Invalidations
from app.storage.notify_listener import NotifyListener
from app.storage.postgres import embedded_postgres
from app.storage.redis import answers, open_redis
from app.storage.replicas.positions import Positions
from app.storage.replicas.replicated import ReplicatedDatabase, kept_seconds, open_replicated
from app.storage.vectors import open_store
from app.storage.vectors.store import IndexSchema, VectorStore
from app.telemetry import metrics

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StorageServices:
    """The room's live objects. `url`: PostgreSQL's, for callers that need a connection of their own. `redis` None: none is configured."""

    folder: DataFolder
    url: str
    redis: Redis | None
    database: Database
    vectors: VectorStore
    invalidations: Invalidations


@asynccontextmanager
async def open_storage(
    settings: Settings, role: Role, *, folder: DataFolder, schema: IndexSchema
) -> AsyncIterator[Opened[StorageServices]]:
    """Start what is embedded, connect to what is not. Embedded: bring the schema up to date; a team's server with an old one is refused."""
    async with AsyncExitStack() as stack:
        url = await _database_url(stack, settings, folder)
        redis = await stack.enter_async_context(open_redis(settings.redis))
        if settings.embedded:
            await migrations.upgrade(url)
        database, loops = await _open_database(stack, settings, url, role, redis)
        if not settings.embedded:
            await migrations.require_current(database)
        owner = role == "serve" and settings.qdrant.url is None
        vectors = await stack.enter_async_context(open_store(settings, schema, folder=folder.vectors, owner=owner))
        invalidations = Invalidations(NotifyListener(settings.database, url, name="cairn invalidations", channel=CHANNEL))
        made = StorageServices(folder, url, redis, database, vectors, invalidations)
        beside = settings.embedded or os.environ.get("CAIRN_OWNED") == "1"  # an embedded worker has its server's PostgreSQL by its URL
        yield made, _part(made, (*loops, *invalidations.loops()), DiskWatch(folder.path, settings.disk, embedded=beside))


async def _database_url(stack: AsyncExitStack, settings: Settings, folder: DataFolder) -> str:
    if settings.database.url is not None:
        return settings.database.url.get_secret_value()
    most = settings.database.embedded_max_connections
    return await stack.enter_async_context(embedded_postgres(folder.postgres, max_connections=most))


async def _open_database(
    stack: AsyncExitStack, settings: Settings, url: str, role: Role, redis: Redis | None
) -> tuple[Database, tuple[Loop, ...]]:
    """Open the database, with replicas only in a server: a worker decides, and what decides reads at the primary."""
    options = settings.database
    if not options.replica_urls or role == "worker":
        size = {"pool_size": settings.worker.pool_size, "max_overflow": settings.worker.pool_size} if role == "worker" else {}
        database = await Database.open(options, url, name=f"cairn {role}", **size)
        stack.push_async_callback(database.close)
        return database, ()
    if redis is None:
        log.warning("positions.own_only", reason="without CAIRN_REDIS__URL a write is known to the server that took it alone")
    positions = Positions(redis, kept_seconds=kept_seconds(options), timeout_seconds=settings.redis.timeout_seconds)
    replicated = await open_replicated(options, url, name="cairn serve", positions=positions)
    stack.push_async_callback(replicated.close)
    return replicated, replicated.loops(every_seconds=options.replica_test_seconds)


def _part(made: StorageServices, loops: tuple[Loop, ...], disk: DiskWatch) -> Part:
    database, redis = made.database, made.redis

    async def database_answers() -> Condition:
        try:
            await database.ping()
        except CairnError:
            return Condition("down", (await disk.condition()).reason)
        return OK

    async def redis_answers() -> Condition:
        return OK if redis is not None and await answers(redis) else Condition("degraded")

    async def pool() -> None:
        use = database.pool()
        metrics.set_pool(size=use.size, limit=use.limit, checked_out=use.checked_out, overflow=use.overflow)

    def used() -> float:
        use = database.pool()
        return use.checked_out / use.limit

    ready, gauges = [ReadinessCheck("database", database_answers), ReadinessCheck("disk", disk.condition)], [pool]
    if isinstance(database, ReplicatedDatabase):
        ready.append(ReadinessCheck("replicas", database.condition))
        gauges.append(database.measure)
    if redis is not None:
        ready.append(ReadinessCheck("redis", redis_answers))
    return Part(name="storage", loops=(*loops, *disk.loops()), ready=ready, gauges=gauges, samples={"pool.used": used})
