"""Brings sessions up to date after a projection was added or its version was raised, or a catch-up job was lost.

One job of the lowest priority at a time across all workers; it handles a limited number of sessions and yields to other jobs.
Its progress is the projections' checkpoints, so a job that was killed resumes where it stopped.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.part import Loop
from app.queue.jobs import LOW, Done, Job, NewJob, Progress, Queue
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.checkpoints import Checkpoints
from app.sessions.projections import Projections

log = structlog.get_logger()

BACKFILL = "backfill"
PLANNED_SECONDS = 60
YIELDED = timedelta(seconds=5)
"""Delay before the next backfill job after one yielded to waiting jobs."""


class Backfill:
    """Plans and runs the backfill jobs. `max_sessions`: sessions that one job brings up to date."""

    def __init__(self, *, queue: Queue, checkpoints: Checkpoints, catch_up: CatchUp, projections: Projections, max_sessions: int) -> None:
        self._queue = queue
        self._checkpoints = checkpoints
        self._catch_up = catch_up
        self._projections = projections
        self._max_sessions = max_sessions

    def loops(self) -> tuple[Loop, ...]:
        """Return the planning of a backfill whenever one is due, for a worker."""
        meanwhile = "Sessions wait to be processed again by the new version of a projection."
        return (Loop(name="sessions.backfill", step=self.plan, pause=PLANNED_SECONDS, meanwhile=meanwhile),)

    async def plan(self) -> bool:
        """Enqueue the job if a session is behind; return whether one was due."""
        if not await self._checkpoints.due(self._projections.versions, limit=1):
            return False
        async with self._queue.begin() as connection:
            await self._enqueue(connection, timedelta())
        log.info("backfill.planned")
        return True

    async def job(self, job: Job, progress: Progress) -> Done:
        """Bring some sessions up to date, stopping early if requested jobs wait. Enqueues the next job if sessions remain."""
        del job
        due = await self._checkpoints.due(self._projections.versions, limit=self._max_sessions)
        done, count, yielded = CatchUpResult(), 0, False
        for team_id, session_id in due:
            if count and (yielded := await self._queue.requested_waits()):
                break
            await self._catch_up.bring_up_to_date(team_id, session_id, done, background=False)
            count += 1
            await progress(count, len(due))
        more = bool(await self._checkpoints.due(self._projections.versions, limit=1))

        async def closing(connection: AsyncConnection) -> None:
            if more:
                await self._enqueue(connection, YIELDED if yielded else timedelta())

        return Done({"backfilled": count, **self._catch_up.report(done)}, closing=closing)

    async def _enqueue(self, connection: AsyncConnection, after: timedelta) -> None:
        job = NewJob(kind=BACKFILL, payload={}, lane=BACKFILL, idempotency_key="all", run_at=clock.now() + after, priority=LOW)
        await self._queue.enqueue(connection, job)
