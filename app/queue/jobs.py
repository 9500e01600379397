"""Durable jobs in PostgreSQL: at least once, one at a time in a lane, taken over when their worker dies. Knows no kind of job."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import and_, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.errors import NotFound
from app.queue.tables import Job as JobRow
from app.settings import Worker as WorkerSettings
from app.storage.database import Database

State = Literal["queued", "running", "done", "failed"]
KEPT = timedelta(days=7)
_CLAIM_LOCK = 0xCA1C_0002


@dataclass(frozen=True, slots=True)
class Job:
    """`error`: {"code", "message"} of the last attempt. `attempts` counts those begun."""

    id: UUID
    kind: str
    team_id: UUID | None
    developer_id: UUID | None
    payload: dict[str, Any]
    state: State
    attempts: int
    max_attempts: int
    progress_done: int
    progress_total: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None


class LeaseLost(Exception):  # noqa: N818 - a state, not a fault
    """The job has been taken over by another worker: what this one still does must not be recorded."""


class Queue:
    def __init__(self, database: Database, settings: WorkerSettings) -> None:
        self._database = database
        self._settings = settings

    async def enqueue(
        self,
        connection: AsyncConnection,
        *,
        kind: str,
        payload: dict[str, Any],
        team_id: UUID | None = None,
        developer_id: UUID | None = None,
        lane: str | None = None,
        idempotency_key: str | None = None,
        run_at: datetime | None = None,
    ) -> UUID:
        """Add a job in the caller's transaction. With the idempotency key of an unfinished job: that job's id."""
        if idempotency_key is not None:
            await connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 1))"), {"key": idempotency_key})
            if (found := await connection.scalar(select(JobRow.id).where(JobRow.idempotency_key == idempotency_key))) is not None:
                return found
        values = {
            "kind": kind,
            "payload": payload,
            "team_id": team_id,
            "developer_id": developer_id,
            "lane": lane,
            "idempotency_key": idempotency_key,
            "max_attempts": self._settings.max_attempts,
        }
        if run_at is not None:
            values["run_at"] = run_at
        return (await connection.execute(insert(JobRow).values(values).returning(JobRow.id))).scalar_one()

    async def get(self, job_id: UUID, *, team_id: UUID | None) -> Job:
        """One job. NotFound for an unknown one or another team's. `team_id` None: any team's."""
        query = select(*_COLUMNS).where(JobRow.id == job_id)
        if team_id is not None:
            query = query.where(JobRow.team_id == team_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"There is no job {job_id}. Finished jobs are kept for {KEPT.days} days.")
        return Job(*row)

    async def claim(self, worker: str, kinds: Collection[str]) -> Job | None:
        """Take the oldest job that may run: due, its lane free, or its worker's lease passed. None: nothing to do.

        One claim at a time (a lock of microseconds): so two workers can't take two jobs of one lane.
        """
        lease = func.clock_timestamp() + timedelta(seconds=self._settings.lease_seconds)
        async with self._database.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_CLAIM_LOCK)))
            await self._bury(connection)
            row = (await connection.execute(_next(kinds))).one_or_none()
            if row is None:
                return None
            taken = await connection.execute(
                update(JobRow)
                .where(JobRow.id == row.id)
                .values(state="running", worker=worker, lease_until=lease, attempts=JobRow.attempts + 1)
                .returning(*_COLUMNS)
            )
            return Job(*taken.one())

    async def extend(self, job: Job, worker: str) -> None:
        """Keep the job for another lease. LeaseLost when it is no longer this worker's."""
        lease = func.clock_timestamp() + timedelta(seconds=self._settings.lease_seconds)
        async with self._database.begin() as connection:
            held = await connection.execute(update(JobRow).where(*_held(job, worker)).values(lease_until=lease))
            if held.rowcount == 0:
                raise LeaseLost

    async def progress(self, job: Job, worker: str, done: int, total: int) -> None:
        async with self._database.begin() as connection:
            await connection.execute(update(JobRow).where(*_held(job, worker)).values(progress_done=done, progress_total=total))

    async def finish(self, connection: AsyncConnection, job: Job, worker: str, result: dict[str, Any]) -> None:
        """Done, in the caller's transaction. LeaseLost rolls all of it back."""
        values = {"state": "done", "result": result, "error": None, "finished_at": func.now(), "idempotency_key": None, "lease_until": None}
        held = await connection.execute(update(JobRow).where(*_held(job, worker)).values(values))
        if held.rowcount == 0:
            raise LeaseLost

    async def fail(self, job: Job, worker: str, error: dict[str, Any], *, retryable: bool) -> State:
        """After a failed attempt: queued again later, or failed for good."""
        values: dict[str, Any] = {"error": error, "worker": None, "lease_until": None}
        again = retryable and job.attempts < job.max_attempts
        if again:
            values |= {"state": "queued", "run_at": func.now() + timedelta(seconds=self._backoff(job.attempts))}
        else:
            values |= {"state": "failed", "finished_at": func.now(), "idempotency_key": None}
        async with self._database.begin() as connection:
            await connection.execute(update(JobRow).where(*_held(job, worker)).values(values))
        return "queued" if again else "failed"

    async def hand_back(self, job: Job, worker: str) -> None:
        """A worker that stops gives its job to the next one at once; the attempt doesn't count."""
        values = {"state": "queued", "worker": None, "lease_until": None, "attempts": JobRow.attempts - 1, "run_at": func.now()}
        async with self._database.begin() as connection:
            await connection.execute(update(JobRow).where(*_held(job, worker)).values(values))

    async def counts(self) -> dict[str, int]:
        """Jobs by state."""
        async with self._database.begin() as connection:
            rows = await connection.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
            return {state: count for state, count in rows}

    async def sweep(self, older_than: timedelta = KEPT) -> int:
        """Delete jobs that finished long ago."""
        async with self._database.begin() as connection:
            return (await connection.execute(delete(JobRow).where(JobRow.finished_at < func.now() - older_than))).rowcount

    async def _bury(self, connection: AsyncConnection) -> None:
        """Jobs that took every worker down with them: failed, with the reason."""
        error = {"code": "worker_died", "message": "The worker died at each attempt. The transcript may need more memory than there is."}
        await connection.execute(
            update(JobRow)
            .where(JobRow.state == "running", JobRow.lease_until < func.now(), JobRow.attempts >= JobRow.max_attempts)
            .values(state="failed", error=error, finished_at=func.now(), idempotency_key=None, lease_until=None)
        )

    def _backoff(self, attempts: int) -> float:
        """Exponential, with jitter: a crowd that failed together doesn't come back together."""
        most = min(self._settings.backoff_seconds * 2.0 ** (attempts - 1), self._settings.backoff_max_seconds)
        return most * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _next(kinds: Collection[str]) -> Any:
    """The oldest job that may run: due or lapsed, with nothing of its lane running and nothing of its lane due before it."""
    other, due = aliased(JobRow), and_(JobRow.state == "queued", JobRow.run_at <= func.now())
    lapsed = and_(JobRow.state == "running", JobRow.lease_until < func.now())
    older = or_(other.created_at < JobRow.created_at, and_(other.created_at == JobRow.created_at, other.id < JobRow.id))
    ahead = exists().where(
        other.lane == JobRow.lane,
        other.id != JobRow.id,
        or_(other.state == "running", and_(other.state == "queued", other.run_at <= func.now(), older)),
    )
    return (
        select(JobRow.id)
        .where(JobRow.kind.in_(list(kinds)), or_(due, lapsed), or_(JobRow.lane.is_(None), ~ahead))
        .order_by(JobRow.run_at, JobRow.created_at, JobRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _held(job: Job, worker: str) -> tuple[Any, ...]:
    """The job is still this worker's, in this attempt."""
    return (JobRow.id == job.id, JobRow.worker == worker, JobRow.state == "running", JobRow.attempts == job.attempts)


_COLUMNS = (
    JobRow.id,
    JobRow.kind,
    JobRow.team_id,
    JobRow.developer_id,
    JobRow.payload,
    JobRow.state,
    JobRow.attempts,
    JobRow.max_attempts,
    JobRow.progress_done,
    JobRow.progress_total,
    JobRow.result,
    JobRow.error,
    JobRow.created_at,
    JobRow.finished_at,
)
