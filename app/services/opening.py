"""The composition root: lists the rooms in order. What is opened last is closed first."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from app.accounts.part import open_accounts
from app.accounts.secrets import Secrets, load_secrets
from app.alerts.budget_evaluator import announced_alerts
from app.assist.part import open_assist
from app.budget.part import open_budget
from app.cache.part import cache_part
from app.embeddings.part import open_embeddings
from app.errors import ConfigurationError
from app.inference.part import open_inference
from app.knowledge.part import open_knowledge
from app.knowledge.points import SCHEMA
from app.part import Part, Role
from app.queue.part import open_queue
from app.rate_limits.part import open_limits
from app.services.child import open_worker_child, stay_seen
from app.services.composition import Composition, composed
from app.services.maintenance import maintenance
from app.services.services import Services
from app.services.watching import open_recorder, open_watch, record
from app.sessions.part import open_sessions
from app.settings import Settings
from app.storage.folder import DataFolder
from app.storage.part import StorageServices, open_storage
from app.telemetry.traces import open_traces


@asynccontextmanager
async def open_services(settings: Settings, *, role: Role) -> AsyncIterator[Services]:
    """Open everything that a role needs; close it again, in reverse.

    serve: starts PostgreSQL and the vector engine where they are embedded, brings the schema up to date, starts one worker.
    worker: connects to what serve (or the team's servers) runs.
    """
    async with open_traces(settings.telemetry, role=role), composed() as rooms:
        folder = await asyncio.to_thread(DataFolder.open, settings.data_dir)
        _check_sizes(settings, role)
        secrets = load_secrets(settings, folder.path, role=role)
        services = await _open_rooms(rooms, settings, role, folder=folder, secrets=secrets)
        rooms.begin()
        yield services


async def _open_rooms(rooms: Composition, settings: Settings, role: Role, *, folder: DataFolder, secrets: Secrets) -> Services:
    """Open the rooms. A new one is a line here, after what it is built on. Money opens before the door to models, and closes after it."""
    storage = await rooms.open(open_storage(settings, role, folder=folder, schema=SCHEMA))
    await rooms.add(cache_part(storage.database))
    recorder = await rooms.open(open_recorder(storage.database, role))  # closed after all that measures
    embeddings = await rooms.open(open_embeddings(settings, role, storage=storage))
    account_services = await rooms.open(open_accounts(settings, role, secrets=secrets, storage=storage))
    queue_services = await rooms.open(open_queue(settings, role, storage=storage))
    database, accounts, outbox, queue = storage.database, account_services.accounts, queue_services.outbox, queue_services.queue
    budget = await rooms.open(open_budget(settings, database=database, url=storage.url, accounts=accounts, read_alerts=announced_alerts))
    watch = await rooms.open(open_watch(settings, role, database=database, accounts=accounts, outbox=outbox, budget=budget))
    limits = await rooms.open(open_limits(settings, role))  # both before the door: they hear of calls that end late
    inference = await rooms.open(
        open_inference(
            settings, role, storage=storage, embeddings=embeddings, ledger=budget.ledger, prices=budget.prices, requests=budget.requests
        )
    )
    sessions = await rooms.open(open_sessions(settings, role, database=database, accounts=accounts, queue=queue, parts=rooms.parts))
    room = open_knowledge(settings, role, storage=storage, accounts=accounts, sessions=sessions, embeddings=embeddings)
    knowledge = await rooms.open(room)
    assist = await rooms.open(open_assist(settings, database=database, accounts=accounts, sessions=sessions, knowledge=knowledge))
    await _open_last(rooms, settings, role, storage=storage, rollups=partial(record, recorder))
    return Services(
        settings=settings,
        secrets=secrets,
        parts=rooms.parts,
        storage=storage,
        account_services=account_services,
        queue_services=queue_services,
        embeddings=embeddings,
        budget=budget,
        limits=limits,
        inference=inference,
        sessions=sessions,
        knowledge=knowledge,
        assist=assist,
        watch=watch,
    )


async def _open_last(
    rooms: Composition,
    settings: Settings,
    role: Role,
    *,
    storage: StorageServices,
    rollups: Callable[[Sequence[Part], DataFolder, Role], Part],
) -> None:
    """Open the embedded worker, and what measures (`rollups`) and maintains the parts that all rooms brought."""
    await rooms.open(open_worker_child(settings, role, storage=storage))
    await rooms.add(rollups(rooms.parts, storage.folder, role))
    await rooms.add(_worker_part(rooms, role, storage.folder))


def _worker_part(rooms: Composition, role: Role, folder: DataFolder) -> Part:
    """Return what a worker does beside its jobs, for all rooms."""
    loops = [maintenance(rooms.parts), stay_seen(folder.worker_alive, rooms.supervisor)] if role == "worker" else []
    return Part(name="worker", loops=loops)


def _check_sizes(settings: Settings, role: Role) -> None:
    """One size or the other: with the truth on a server and the index in one machine's folder, each machine would index a part."""
    ours = role == "worker" and os.environ.get("CAIRN_OWNED") == "1"
    if not settings.embedded and settings.qdrant.url is None and not ours:
        raise ConfigurationError(
            "CAIRN_DATABASE__URL is set, so CAIRN_QDRANT__URL must be too: the servers share one index. Set both, or neither."
        )
    if settings.embedded and settings.database.replica_urls:
        raise ConfigurationError("CAIRN_DATABASE__REPLICA_URLS needs CAIRN_DATABASE__URL: an embedded PostgreSQL has no replicas.")
