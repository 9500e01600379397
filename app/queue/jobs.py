"""Durable jobs in PostgreSQL: run at least once, one at a time per lane, and again when their worker dies. Knows no kind of job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

import structlog
from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import now
from app.errors import NotFound
from app.queue.claiming import ANYTHING_DUE, QUEUED, RUNNING, anything_waits, fail_exhausted, next_job
from app.queue.failure import Failure, backoff_seconds, outage_backoff_seconds
from app.queue.tables import JobRow
from app.redaction.stored_fields import without_invalid_chars
from app.settings import WorkerSettings
from app.storage.database import Database

log = structlog.get_logger()

State = Literal["queued", "running", "done", "failed"]
Json: TypeAlias = dict[str, Any]
FINISHED_KEPT = timedelta(days=7)
"""The time for which finished jobs are kept."""
CLAIM_LOCK = 0xCA1C_0002
_MAX_PROGRESS = 2**31 - 1
LIVE, NORMAL, LOW = 0, 1, 2
"""Priorities: for a user who is waiting now; requested work; background work."""
AGING_EVERY = 4
"""One claim in this many takes the oldest job, whatever its priority (LOW aside)."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `error`: {"code", "message", "attempts"} of the last failed attempt. `attempts`: attempts begun."""

    id: UUID
    kind: str
    team_id: UUID | None
    developer_id: UUID | None
    payload: Json
    state: State
    attempts: int
    max_attempts: int
    progress_done: int
    progress_total: int
    result: Json | None
    error: Json | None
    worker: str | None
    run_at: datetime
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The numbers of jobs that wait although they are due and of jobs that run. `oldest_seconds`: how long the oldest has waited."""

    waiting: int
    running: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """A handler's result. `closing` runs in the transaction that records it, so both are committed or neither."""

    result: Json
    closing: Callable[[AsyncConnection], Awaitable[None]] | None = None


Progress: TypeAlias = Callable[[int, int], Awaitable[None]]
"""Records (done, total) of a job, in any unit."""
Handler: TypeAlias = Callable[[Job, Progress], Awaitable[Done]]
"""Does a job's work. It must be idempotent: after a crash the job runs again."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to enqueue. Jobs of one `lane`, the concurrency key, run one at a time, oldest first. `run_at` None: now.

    `idempotency_key`: while a job with the same key, kind and team waits, no second one is added.
    """

    kind: str
    payload: Json
    team_id: UUID | None = None
    developer_id: UUID | None = None
    lane: str | None = None
    idempotency_key: str | None = None
    run_at: datetime | None = None
    priority: int = NORMAL


@dataclass(frozen=True, slots=True)
class KeyedJob:
    """A job for `enqueue_once`: while one with its key waits, no second one is added. `key`: unique within kind and team."""

    key: str
    payload: Json
    team_id: UUID
    developer_id: UUID | None


class LeaseLost(Exception):
    """Another worker has taken over the job: this worker's results must not be recorded."""


class Queue:
    """The job queue: enqueue, claim, lease, finish and fail jobs."""

    def __init__(self, database: Database, settings: WorkerSettings) -> None:
        self._database = database
        self._settings = settings
        self._claims = 0

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction for `enqueue` and `finish`."""
        return self._database.begin()

    async def enqueue(self, connection: AsyncConnection, job: NewJob) -> UUID:
        """Add a job in the caller's transaction; return its id, or that of a waiting job with the same idempotency key.

        A running job no longer holds its key, since it may have read before this change.
        """
        values: Json = {
            "kind": job.kind,
            "payload": _storable(job.payload),
            "team_id": job.team_id,
            "developer_id": job.developer_id,
            "lane": job.lane,
            "priority": job.priority,
            "max_attempts": self._settings.max_attempts,
            "idempotency_key": None if job.idempotency_key is None else f"{job.kind}:{job.team_id}:{job.idempotency_key}",
        }
        if job.run_at is not None:
            values["run_at"] = job.run_at
        row = upsert(JobRow).values(values).on_conflict_do_nothing(index_elements=["idempotency_key"]).returning(JobRow.id)
        same = select(JobRow.id).where(JobRow.idempotency_key == values["idempotency_key"])
        while True:
            if (made := await connection.scalar(row)) is not None:
                return made
            if (found := await connection.scalar(same)) is not None:
                return found
            # The other job was claimed between the two statements and released its key: insert again.

    async def enqueue_once(
        self, connection: AsyncConnection, *, kind: str, wanted: Collection[KeyedJob], run_at: datetime, priority: int = NORMAL
    ) -> None:
        """Ensure, for each, a job that starts after the caller's commit: a new one, or one that waits already.

        A waiting job keeps the earlier run time and the higher priority.
        """
        rows = {
            f"{kind}:{each.team_id}:{each.key}": {
                "kind": kind,
                "payload": _storable(each.payload),
                "team_id": each.team_id,
                "developer_id": each.developer_id,
                "lane": f"{kind}:{each.key}",
                "max_attempts": self._settings.max_attempts,
                "run_at": run_at,
                "priority": priority,
            }
            for each in wanted
        }
        if not rows:
            return
        row = upsert(JobRow)
        sooner = or_(JobRow.run_at > row.excluded.run_at, JobRow.priority > row.excluded.priority)
        # ON CONFLICT locks the waiting job even if it is not updated: no worker can claim it before we commit (claims skip locked rows),
        # so it will read what we have written. Keys are sorted, so that two transactions cannot deadlock.
        waits = row.on_conflict_do_update(
            index_elements=["idempotency_key"],
            set_={
                "run_at": func.least(JobRow.run_at, row.excluded.run_at),
                "priority": func.least(JobRow.priority, row.excluded.priority),
            },
            where=sooner,
        )
        await connection.execute(waits, [values | {"idempotency_key": key} for key, values in sorted(rows.items())])

    async def cancel_waiting(self, connection: AsyncConnection, *, kind: str, team_id: UUID | None, keys: Collection[str]) -> None:
        """Delete those jobs of `enqueue_once` that still wait, in the caller's transaction."""
        names = [f"{kind}:{team_id}:{key}" for key in sorted(keys)]
        same_keys = select(JobRow.id).where(JobRow.idempotency_key.in_(names), JobRow.state == QUEUED)
        waiting = same_keys.order_by(JobRow.idempotency_key).with_for_update()
        await connection.execute(delete(JobRow).where(JobRow.id.in_(list(await connection.scalars(waiting)))))

    async def cancel_of(self, connection: AsyncConnection, *, kind: str, developers: Collection[UUID]) -> None:
        """Delete the waiting jobs of a kind that these developers asked for, in the caller's transaction."""
        theirs = (JobRow.kind == kind, JobRow.developer_id.in_(list(developers)), JobRow.state == QUEUED)
        waiting = select(JobRow.id).where(*theirs).order_by(JobRow.id).with_for_update(skip_locked=True)  # a locked one is being claimed
        await connection.execute(delete(JobRow).where(JobRow.id.in_(list(await connection.scalars(waiting)))))

    async def count_of(self, *, kind: str, developer_id: UUID | None = None) -> int:
        """Count the jobs of a kind that wait, also for their next attempt, or run. `developer_id`: those that a developer asked for."""
        unfinished = (JobRow.kind == kind, JobRow.state.in_([QUEUED, RUNNING]))
        theirs = () if developer_id is None else (JobRow.developer_id == developer_id,)
        async with self._database.begin() as connection:
            return await connection.scalar(select(func.count()).select_from(JobRow).where(*unfinished, *theirs)) or 0

    async def get(self, job_id: UUID, *, team_id: UUID | None) -> Job:
        """Return a job. Raises NotFound for an unknown one or another team's. `team_id` None: of any team."""
        query = select(*_COLUMNS).where(JobRow.id == job_id)
        if team_id is not None:
            query = query.where(JobRow.team_id == team_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(no_job(job_id))
        return Job(*row)

    async def claim(self, worker: str, kinds: Collection[str]) -> Job | None:
        """Claim the next due job: the oldest of the highest priority. None: nothing to do.

        An advisory lock serialises the claims of all processes (about 1 ms each): no lane runs on two workers. Every fourth claim of
        a process takes the oldest job of any priority but LOW (aging), so that live sessions cannot starve uploads. An idle worker asks
        without the lock whether there is anything to claim: that is nearly all it does.
        """
        self._claims += 1
        values = {
            "state": "running",
            "worker": worker,
            "lease_until": self._lease(),
            "attempts": JobRow.attempts + 1,
            "idempotency_key": None,
        }
        async with self._database.begin() as connection:
            if not await connection.scalar(ANYTHING_DUE):
                return None
            await connection.execute(select(func.pg_advisory_xact_lock(CLAIM_LOCK)))
            failed = (await connection.scalars(fail_exhausted())).all()
            chosen = await connection.scalar(next_job(kinds, ignore_priority_up_to=NORMAL)) if self._claims % AGING_EVERY == 0 else None
            chosen = chosen or await connection.scalar(next_job(kinds))
            taken = update(JobRow).where(JobRow.id == chosen).values(values).returning(*_COLUMNS)
            row = None if chosen is None else (await connection.execute(taken)).one()
        for job_id in failed:
            log.error("job.worker_died", job=str(job_id))
        return None if row is None else Job(*row)

    async def extend(self, job: Job) -> None:
        """Renew the job's lease. Raises LeaseLost if it is no longer this worker's."""
        async with self._database.begin() as connection:
            await change(connection, job, {"lease_until": self._lease()})

    async def progress(self, job: Job, done: int, total: int) -> None:
        """Record progress, in any unit. Raises LeaseLost if the job is no longer this worker's."""
        shift = max(0, total.bit_length() - _MAX_PROGRESS.bit_length())  # scale huge byte counts into the column's range
        values = {"progress_done": min(max(done, 0), max(total, 0)) >> shift, "progress_total": max(total, 0) >> shift}
        async with self._database.begin() as connection:
            await change(connection, job, values)

    async def finish(self, connection: AsyncConnection, job: Job, result: Json) -> None:
        """Record the job as done, in the caller's transaction. Raises LeaseLost, which rolls it back."""
        await change(connection, job, {"state": "done", "result": _storable(result), "error": None} | _ended())

    async def fail(self, job: Job, failure: Failure) -> State:
        """Record a failed attempt: requeue the job with a delay, or fail it for good; return its state. LeaseLost as above.

        An attempt that failed because a dependency was unavailable doesn't count until the job is older than `give_up_hours`.
        """
        values: Json = {"error": _storable({"code": failure.code, "message": failure.message, "attempts": job.attempts})}
        waited = (now() - job.created_at).total_seconds()
        outage = failure.unavailable and waited < self._settings.give_up_hours * 3600
        again = outage or (failure.retryable and job.attempts < job.max_attempts)
        if again:
            seconds = outage_backoff_seconds(waited, self._settings) if outage else backoff_seconds(job.attempts, self._settings)
            values |= {"state": "queued", "run_at": func.now() + timedelta(seconds=seconds), "worker": None, "lease_until": None}
            values["attempts"] = job.attempts - outage
        else:
            values |= {"state": "failed"} | _ended()
        async with self._database.begin() as connection:
            await change(connection, job, values)
        return "queued" if again else "failed"

    async def hand_back(self, job: Job) -> None:
        """Requeue the job of a stopping worker at once; the attempt doesn't count. Raises LeaseLost as above."""
        values = {"state": "queued", "worker": None, "lease_until": None, "attempts": JobRow.attempts - 1, "run_at": func.now()}
        async with self._database.begin() as connection:
            await change(connection, job, values)

    async def counts(self) -> dict[str, int]:
        """Count jobs by state, 0 included."""
        async with self._database.begin() as connection:
            found = (await connection.execute(select(JobRow.state, func.count()).group_by(JobRow.state))).all()
        return dict.fromkeys(get_args(State), 0) | dict(found)

    async def backlog(self) -> Backlog:
        """Count waiting and running jobs, and measure the longest wait."""
        due = and_(JobRow.state == QUEUED, JobRow.run_at <= func.now())
        oldest = func.extract("epoch", func.now() - func.min(JobRow.run_at).filter(due))
        query = select(func.count().filter(due), func.count().filter(JobRow.state == RUNNING), oldest)
        async with self._database.begin() as connection:
            row = (await connection.execute(query.where(or_(JobRow.state == QUEUED, JobRow.state == RUNNING)))).one()
        return Backlog(waiting=row[0], running=row[1], oldest_seconds=float(row[2] or 0))

    async def requested_waits(self) -> bool:
        """Tell whether a job waits that is more urgent than background work (LOW), which gives way to it."""
        async with self._database.begin() as connection:
            return bool(await connection.scalar(anything_waits(priority_below=LOW)))

    async def sweep(self, older_than: timedelta = FINISHED_KEPT) -> int:
        """Delete jobs that finished before the retention period; return their number."""
        async with self._database.begin() as connection:
            return (await connection.execute(delete(JobRow).where(JobRow.finished_at < func.now() - older_than))).rowcount

    def _lease(self) -> Any:
        return func.clock_timestamp() + timedelta(seconds=self._settings.lease_seconds)


async def change(connection: AsyncConnection, job: Job, values: Json) -> None:
    """Update a job if this worker's attempt still holds it. Raises LeaseLost otherwise."""
    ours = (JobRow.id == job.id, JobRow.worker == job.worker, JobRow.state == RUNNING, JobRow.attempts == job.attempts)
    if (await connection.execute(update(JobRow).where(*ours).values(values))).rowcount == 0:
        raise LeaseLost


def _ended() -> Json:
    return {"finished_at": func.now(), "worker": None, "lease_until": None}


def _storable(value: Any) -> Any:
    """Remove NUL and lone surrogates, which PostgreSQL's JSON refuses and a job's result may quote from a transcript."""
    match value:
        case str():
            return without_invalid_chars(value)
        case dict():
            return {_storable(key): _storable(each) for key, each in value.items()}
        case list() | tuple():
            return [_storable(each) for each in value]
        case _:
            return value


_COLUMNS = [getattr(JobRow, field.name) for field in fields(Job)]


def no_job(job_id: UUID) -> str:
    """Say that there is no such job."""
    return f"There is no job {job_id}. Finished jobs are kept for {FINISHED_KEPT.days} days."
