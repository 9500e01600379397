"""The composition root: lists the rooms in order. What is opened last is closed first."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from app.accounts.part import AccountServices, open_accounts
from app.accounts.secrets import Secrets, load_secrets
from app.alerts.budget_evaluator import announced_alerts
from app.assist.part import AssistedSessions, AssistServices, open_assist
from app.budget.part import open_budget
from app.cache.part import cache_part
from app.embeddings.part import EmbeddingServices, exporting_model, open_embeddings
from app.errors import ConfigurationError
from app.idempotency.part import open_idempotency
from app.inference.part import InferenceServices, open_inference
from app.knowledge.distillation.part import open_distillation
from app.knowledge.part import KnowledgeServices, open_knowledge
from app.knowledge.points import SCHEMA
from app.openid.part import open_openid
from app.part import Part, Role
from app.queue.part import QueueServices, open_queue
from app.rate_limits.part import open_limits
from app.services.child import open_worker_child, worker_heartbeat
from app.services.composition import Composition, composed
from app.services.maintenance import maintenance
from app.services.monitoring import open_monitoring, open_recorder, record
from app.services.policy_alerts import policy_alerts_part
from app.services.review_digest import digest_part
from app.services.services import Services
from app.sessions.part import SessionServices, open_sessions
from app.settings import Settings
from app.storage.folder import DataFolder
from app.storage.part import StorageServices, open_storage
from app.telemetry.traces import open_traces
from app.trajectory.part import AnalysedSessions, TrajectoryServices, open_trajectory


@dataclass(frozen=True, slots=True)
class _OpenedRooms:
    """The rooms that what is derived from sessions is built on."""

    storage: StorageServices
    account_services: AccountServices
    embeddings: EmbeddingServices
    sessions: SessionServices
    inference: InferenceServices
    queue: QueueServices


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
    storage = await _open_storage(rooms, settings, role, folder=folder)
    idempotency = await rooms.open(open_idempotency(storage.database))
    recorder = await rooms.open(open_recorder(storage.database, role))  # closed after all that measures
    embeddings = await rooms.open(open_embeddings(settings, role, storage=storage))
    account_services = await rooms.open(open_accounts(settings, role, secrets=secrets, storage=storage))
    queue_services = await rooms.open(open_queue(settings, role, storage=storage))
    database, accounts, outbox, queue = storage.database, account_services.accounts, queue_services.outbox, queue_services.queue
    budget = await rooms.open(open_budget(settings, database=database, url=storage.url, accounts=accounts, read_alerts=announced_alerts))
    monitoring = await rooms.open(open_monitoring(settings, role, database=database, accounts=accounts, outbox=outbox, budget=budget))
    limits = await rooms.open(open_limits(settings, role))  # both before the door: they hear of calls that end late
    door = open_inference(
        settings, role, storage=storage, embeddings=embeddings, ledger=budget.ledger, prices=budget.prices, requests=budget.requests
    )
    inference = await rooms.open(door)
    sessions = await rooms.open(open_sessions(settings, role, database=database, accounts=accounts, queue=queue, parts=rooms.parts))
    opened = _OpenedRooms(storage, account_services, embeddings, sessions, inference, queue_services)
    trajectory, knowledge, assist = await _open_derived(rooms, settings, role, opened)
    told = [partial(policy_alerts_part, rules=monitoring.rules, trajectory=trajectory), partial(digest_part, review=knowledge.review)]
    await _open_last(rooms, settings, role, opened, told=told, rollups=partial(record, recorder))
    return Services(
        settings=settings,
        secrets=secrets,
        parts=rooms.parts,
        storage=storage,
        account_services=account_services,
        queue_services=queue_services,
        idempotency=idempotency,
        embeddings=embeddings,
        budget=budget,
        limits=limits,
        inference=inference,
        sessions=sessions,
        trajectory=trajectory,
        knowledge=knowledge,
        assist=assist,
        monitoring=monitoring,
        openid=await rooms.open(open_openid(settings, secret_key=secrets.secret_key)),
    )


async def _open_storage(rooms: Composition, settings: Settings, role: Role, *, folder: DataFolder) -> StorageServices:
    """Open the stores. At a first start the model is exported beside PostgreSQL's own preparations."""
    async with exporting_model(folder.models):
        storage = await rooms.open(open_storage(settings, role, folder=folder, schema=SCHEMA))
    await rooms.add(cache_part(storage.database))
    return storage


async def _open_derived(
    rooms: Composition, settings: Settings, role: Role, opened: _OpenedRooms
) -> tuple[TrajectoryServices, KnowledgeServices, AssistServices]:
    """Open what is built on sessions: their analysis, knowledge, its distillation by a model, and what IDEs get of these."""
    storage, accounts, sessions = opened.storage, opened.account_services.accounts, opened.sessions
    journal, projections = sessions.journal, sessions.projections
    analysis = open_trajectory(
        settings,
        role,
        database=storage.database,
        accounts=accounts,
        sessions=AnalysedSessions(journal, projections, sessions.reader, sessions.checkpoints.outdate),
        embeddings=opened.embeddings,
    )
    trajectory = await rooms.open(analysis)
    room = open_knowledge(
        settings, role, storage=storage, accounts=accounts, journal=journal, projections=projections, embeddings=opened.embeddings
    )
    knowledge = await rooms.open(room)
    trajectory.intents.store.follow(knowledge.relabelled)
    distillation = open_distillation(
        settings,
        database=storage.database,
        accounts=accounts,
        journal=journal,
        projections=projections,
        knowledge=knowledge,
        inference=opened.inference,
    )
    await rooms.open(distillation)
    assist = open_assist(
        settings,
        database=storage.database,
        accounts=accounts,
        sessions=AssistedSessions(
            journal, sessions.reader, sessions.live.capture, trajectory.queries, trajectory.policies, trajectory.patterns
        ),
        knowledge=knowledge.reader,
    )
    return trajectory, knowledge, await rooms.open(assist)


async def _open_last(
    rooms: Composition,
    settings: Settings,
    role: Role,
    opened: _OpenedRooms,
    *,
    told: Sequence[Callable[..., Part]],
    rollups: Callable[[Sequence[Part], DataFolder, Role], Part],
) -> None:
    """Open what tells people by the webhook, the embedded worker, and what measures (`rollups`) and maintains the parts of all rooms."""
    storage = opened.storage
    outbox, accounts = opened.queue.outbox, opened.account_services.accounts
    for part in told:
        await rooms.add(part(settings, role, database=storage.database, outbox=outbox, accounts=accounts))
    await rooms.open(open_worker_child(settings, role, storage=storage))
    await rooms.add(rollups(rooms.parts, storage.folder, role))
    await rooms.add(_worker_part(rooms, role, storage.folder))


def _worker_part(rooms: Composition, role: Role, folder: DataFolder) -> Part:
    """Return what a worker does beside its jobs, for all rooms."""
    loops = [maintenance(rooms.parts), worker_heartbeat(folder.worker_alive, rooms.supervisor)] if role == "worker" else []
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
