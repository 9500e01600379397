"""Makes the services: what is opened last is closed first."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from app.accounts.accounts import Accounts
from app.accounts.secrets import load_secrets
from app.accounts.sign_ins import SignIns
from app.alerts.budget_evaluator import told_alerts
from app.cache.tiers import Tiers
from app.embeddings import is_vector, local_long_form, open_bulk, open_embedder
from app.errors import CairnError, ConfigurationError, Unavailable
from app.knowledge.copier import Copier
from app.knowledge.points import SCHEMA
from app.money import from_usd
from app.queue.jobs import Queue
from app.queue.messages import postgres_bus
from app.queue.messages.exchange import Exchange
from app.queue.messages.postgres_bus import PostgresBus
from app.queue.outbox import Outbox
from app.services.budget import open_budget
from app.services.caches import favoured, tiers
from app.services.inference import open_inference
from app.services.knowledge import open_knowledge
from app.services.limits import open_limits
from app.services.replicas import open_replicas
from app.services.services import Role, Services
from app.services.sessions import open_sessions
from app.services.tasks import owned
from app.services.watching import open_recorder, open_watch, record
from app.sessions.journal import Journal
from app.sessions.uploads import Uploads
from app.settings import Settings
from app.storage import migrations
from app.storage.child import Child, Pulse, supervised
from app.storage.database import Database
from app.storage.folder import DataFolder
from app.storage.invalidations import CHANNEL, Invalidations
from app.storage.notices import Notices
from app.storage.postgres import embedded_postgres
from app.storage.redis import open_redis
from app.storage.vectors import open_store
from app.telemetry.traces import open_traces

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

TEND_SECONDS, AWAY_SECONDS = 30, 5
"""The shorter one once the engine was away: it may come back without its index."""
MOST_WITHOUT_GRAPH = 20_000
"""Points, however many there are in all: by brute force, so many cost a search 2.8 ms."""
GRACE_SECONDS = 15
"""Beyond `worker.stop_seconds`: to hand jobs back and to close."""


@asynccontextmanager
async def open_services(settings: Settings, *, role: Role) -> AsyncIterator[Services]:
    """Open everything that a role needs; close it again, in reverse.

    serve: starts PostgreSQL and the vector engine where they are embedded, brings the schema up to date, starts one worker.
    worker: connects to what serve (or the team's servers) runs.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(open_traces(settings.telemetry, role=role))
        folder = await asyncio.to_thread(DataFolder.open, settings.data_dir)
        embedded = settings.embedded
        _check_sizes(settings, role)
        secrets = load_secrets(settings, folder.path, role=role)
        url = await _database_url(stack, settings, folder)
        redis = await stack.enter_async_context(open_redis(settings.redis))
        database = await _open_database(stack, settings, url, role, redis)
        recorder = open_recorder(stack, database, role)
        vectors = await stack.enter_async_context(
            open_store(settings, SCHEMA, folder=folder.vectors, owner=role == "serve" and settings.qdrant.url is None)
        )
        cached = settings.cache
        invalidations = Invalidations(Notices(settings.database, url, name="cairn invalidations", channel=CHANNEL))
        embedded_before = tiers("embeddings", cached.embeddings, settings, database=database, invalidations=invalidations)
        ttl = cached.embeddings.ttl_seconds
        embedder = await stack.enter_async_context(
            open_embedder(settings.embeddings, folder.models, embedded_before.memory, ttl_seconds=ttl, batches=role == "worker")
        )
        long_form = local_long_form(embedder, folder.models)
        bulk = await stack.enter_async_context(open_bulk(embedder, settings.embeddings, folder.models))
        accounts = Accounts(
            database,
            admin_key=secrets.admin_key,
            secret_key=secrets.secret_key,
            default_limit_nanousd=from_usd(settings.budget.monthly_limit_usd),
            cached=cached.keys,
            invalidations=invalidations,
        )
        outbox = Outbox(database, settings.webhook)
        await stack.enter_async_context(owned(outbox.run(), name="webhook"))
        budget = await open_budget(stack, settings, database, accounts, told_alerts, url)
        # Before the door: it hears what calls that end late cross.
        watch = await open_watch(stack, settings, database, accounts, outbox, budget)
        limits = await open_limits(stack, settings, role)  # before the door: calls that end late are still counted
        inference = await open_inference(
            stack, settings, role, database=database, budget=budget, embedder=embedder, bulk=bulk, redis=redis, invalidations=invalidations
        )
        queue, uploads = Queue(database, settings.worker), Uploads(database)
        journal = Journal(database, settings.sessions, queue)
        knowledge = await open_knowledge(
            stack,
            settings,
            role,
            url=url,
            database=database,
            accounts=accounts,
            journal=journal,
            vectors=vectors,
            embedder=embedder,
            redis=redis,
            invalidations=invalidations,
            long_form=long_form,
            copier=_copier(settings, url) if role == "serve" else None,
        )
        services = Services(
            settings=settings,
            folder=folder,
            secrets=secrets,
            database=database,
            accounts=accounts,
            sign_ins=SignIns(database, accounts, admin_key=secrets.admin_key, secret_key=secrets.secret_key),
            queue=queue,
            uploads=uploads,
            journal=journal,
            vectors=vectors,
            embedder=embedder,
            bulk=bulk,
            knowledge=knowledge,
            sessions=open_sessions(
                settings, database=database, accounts=accounts, queue=queue, uploads=uploads, journal=journal, knowledge=knowledge
            ),
            budget=budget,
            inference=inference,
            limits=limits,
            redis=redis,
            messages=_messages(settings, database, url, redis),
            small_caches={
                "embeddings": embedded_before,
                "keys": Tiers("keys", accounts.known, (), timeout_seconds=1, invalidations=invalidations),
            },
            outbox=outbox,
            watch=watch,
        )
        await stack.enter_async_context(owned(invalidations.run(), name="invalidations"))
        if role == "serve":
            await stack.enter_async_context(owned(services.messages.run(), name="messages"))
            await services.accounts.ensure_defaults()
            with suppress(Unavailable):  # an index that was lost is known to be before the first question comes
                await services.knowledge.index.check()
            await stack.enter_async_context(owned(_tend_index(services), name="tend index"))
            await stack.enter_async_context(
                favoured(settings, database, embedded_before, invalidations, valid=is_vector, own_ttl_seconds=ttl)
            )
            await stack.enter_async_context(owned(services.knowledge.unanswered.run(), name="unanswered"))
            if embedded:
                worker = await stack.enter_async_context(_worker_child(settings, url, folder))
                services = replace(services, worker=worker)
        record(recorder, services, role)
        await stack.enter_async_context(owned(recorder.run(), name="roll-ups"))
        if role == "serve" and settings.alerts.enabled:
            await stack.enter_async_context(owned(services.watch.evaluator.run(), name="alerts"))
        yield services


def _check_sizes(settings: Settings, role: Role) -> None:
    """One size or the other: with the truth on a server and the index in one machine's folder, each machine would index a part."""
    ours = role == "worker" and os.environ.get("CAIRN_OWNED") == "1"
    if not settings.embedded and settings.qdrant.url is None and not ours:
        raise ConfigurationError(
            "CAIRN_DATABASE__URL is set, so CAIRN_QDRANT__URL must be too: the servers share one index. Set both, or neither."
        )
    if settings.embedded and settings.database.replica_urls:
        raise ConfigurationError("CAIRN_DATABASE__REPLICA_URLS needs CAIRN_DATABASE__URL: an embedded PostgreSQL has no replicas.")


async def _database_url(stack: AsyncExitStack, settings: Settings, folder: DataFolder) -> str:
    if settings.database.url is not None:
        return settings.database.url.get_secret_value()
    most = settings.database.embedded_max_connections
    return await stack.enter_async_context(embedded_postgres(folder.postgres, max_connections=most))


async def _open_database(stack: AsyncExitStack, settings: Settings, url: str, role: Role, redis: Redis | None) -> Database:
    """Embedded: bring the schema up to date. A team's server: refuse an old one, and say which command to run."""
    if settings.embedded:
        await migrations.upgrade(url)
    size = {"pool_size": settings.worker.pool_size, "max_overflow": settings.worker.pool_size} if role == "worker" else {}
    if settings.database.replica_urls and role == "serve":
        database = await open_replicas(stack, settings, url, redis)
    else:
        database = await Database.open(settings.database, url, name=f"cairn {role}", **size)
        stack.push_async_callback(database.close)
    if not settings.embedded:
        await migrations.require_current(database)
    return database


def _messages(settings: Settings, database: Database, url: str, redis: Redis | None) -> Exchange:
    """On Redis where there is one. redis-py is imported only then."""
    if redis is None:
        notices = Notices(settings.database, url, name="cairn messages", channel=postgres_bus.CHANNEL)
        return Exchange(PostgresBus(database, notices, settings.messages), settings.messages)
    from app.queue.messages.redis_bus import RedisBus

    return Exchange(RedisBus(redis, settings.messages), settings.messages)


def _copier(settings: Settings, url: str) -> Copier:
    """Pointed at our parts, as the worker is; a URL from a file it reads itself."""
    env = {"CAIRN_DATA_DIR": str(settings.data_dir)}
    if "CAIRN_DATABASE__URL_FILE" not in os.environ:
        env["CAIRN_DATABASE__URL"] = url
    if settings.qdrant.url is not None:
        env["CAIRN_QDRANT__URL"] = settings.qdrant.url
    return Copier(env)


def _worker_child(settings: Settings, url: str, folder: DataFolder) -> AbstractAsyncContextManager[Child]:
    """The embedded size's one worker: the same command that a team runs beside its servers, pointed at our PostgreSQL."""
    env = {"CAIRN_DATABASE__URL": url, "CAIRN_DATA_DIR": str(settings.data_dir), "CAIRN_OWNED": "1"}
    grace = settings.worker.stop_seconds + GRACE_SECONDS
    command = [sys.executable, "-m", "app.cli", "worker"]
    return supervised("worker", command, env=env, grace_seconds=grace, pulse=Pulse(folder.worker_alive))


async def _tend_index(services: Services) -> None:
    """Rebuild the index when it lacks items, or once enough of its points are searched by brute force, without an HNSW graph."""
    index, limits, said = services.knowledge.index, services.settings.vectors, ""
    while True:
        try:
            status = await services.vectors.status()
            said = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the index is away
            if said != str(error):  # once
                log.warning("index.away", reason=str(error))
            said = str(error)
            await asyncio.sleep(AWAY_SECONDS)
            continue
        try:
            most = max(limits.reindex_after, min(limits.reindex_share * status.points, MOST_WITHOUT_GRAPH))
            if not await index.check() or status.unindexed >= most:
                await index.rebuild()
        except CairnError as error:
            log.warning("reindex.failed", code=error.code, reason=error.message)
        except Exception:
            log.exception("reindex.failed")
        await asyncio.sleep(TEND_SECONDS)
