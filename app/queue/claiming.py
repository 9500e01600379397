"""SQL that chooses the next job to claim, and that fails jobs whose worker died at each attempt.

A job's `lane` is a concurrency key: jobs of one lane run one at a time. A smaller priority number is more urgent.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, and_, exists, func, literal, literal_column, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningUpdate

from app.queue.tables import JobRow

QUEUED, RUNNING = literal_column("'queued'", Text), literal_column("'running'", Text)
"""Literals, not bound parameters: in a generic plan PostgreSQL can only then match the partial indexes."""
WORKER_DIED = {
    "code": "worker_died",
    "message": "The worker died during each attempt: the job may need more memory than the machine has. The worker's log says more.",
}


def next_job(kinds: Collection[str], *, ignore_priority_up_to: int | None = None) -> Select[UUID]:
    """Select the next claimable job: due, its lane idle and no older job of its lane due; or its lease expired, with attempts left.

    Takes the oldest of the most urgent. Aging, so that urgent jobs starve no others: with `ignore_priority_up_to`, the oldest of all jobs
    whose priority number is at most that, whatever their priority; less urgent jobs are left out.

    A job that waits for its next attempt isn't due, so younger jobs of its lane overtake it.
    """
    due = and_(JobRow.state == QUEUED, JobRow.run_at <= func.now())
    abandoned = and_(_lease_expired(), JobRow.attempts < JobRow.max_attempts)
    aging = ignore_priority_up_to is not None
    order = (JobRow.run_at, JobRow.created_at, JobRow.id) if aging else (JobRow.priority, JobRow.run_at, JobRow.created_at, JobRow.id)
    return (
        select(JobRow.id)
        .where(*((JobRow.priority <= ignore_priority_up_to,) if aging else ()))
        .where(
            JobRow.kind.in_(list(kinds)), or_(abandoned, and_(due, or_(JobRow.lane.is_(None), and_(~_lane_is_busy(), ~_older_is_due()))))
        )
        .order_by(*order)
        .limit(1)
        .with_for_update(skip_locked=True, of=JobRow)
    )


def fail_exhausted() -> ReturningUpdate[UUID]:
    """Fail running jobs whose lease expired at their last attempt; return their ids."""
    dead = select(JobRow.id).where(_lease_expired(), JobRow.attempts >= JobRow.max_attempts).with_for_update(skip_locked=True)
    error = literal(WORKER_DIED, JSONB).op("||")(func.jsonb_build_object("attempts", JobRow.attempts))
    return (
        update(JobRow)
        .where(JobRow.id.in_(dead))
        .values(state="failed", error=error, finished_at=func.now(), worker=None, lease_until=None)
        .returning(JobRow.id)
    )


def _lease_expired() -> ColumnElement[bool]:
    return and_(JobRow.state == RUNNING, JobRow.lease_until < func.now())


def _lane_is_busy() -> ColumnElement[bool]:
    """Build the condition that a job of the lane runs. Uncorrelated, so evaluated once for all candidates."""
    other = aliased(JobRow)
    return JobRow.lane.in_(select(other.lane).where(other.state == RUNNING, other.lane.is_not(None)))


def _older_is_due() -> ColumnElement[bool]:
    other = aliased(JobRow)
    older = tuple_(other.created_at, other.id) < tuple_(JobRow.created_at, JobRow.id)
    return exists().where(other.lane == JobRow.lane, other.state == QUEUED, other.run_at <= func.now(), older)


def anything_waits(*, priority_below: int) -> Select[bool]:
    """Select whether a job of a smaller priority number than this is due."""
    return select(exists(select(JobRow.id).where(JobRow.state == QUEUED, JobRow.run_at <= func.now(), JobRow.priority < priority_below)))


ANYTHING_DUE = select(
    or_(
        exists(select(JobRow.id).where(JobRow.state == QUEUED, JobRow.run_at <= func.now())),
        exists(select(JobRow.id).where(_lease_expired())),
    )
)
"""Asks for a job to claim, or one to fail. Each claim asks this first, since mostly there is none."""
