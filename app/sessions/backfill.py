"""Brings all sessions up to date after a projection's version was raised, a projection came new, or a job was lost. By itself, gently.

A job of the lowest priority, one at a time over all workers: so many sessions, then others may pass. What it has done stands in the
checkpoints, so one that was killed goes on where it was.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.part import Loop
from app.queue.jobs import LOW, Job, Queue
from app.queue.worker import Done, Progress
from app.sessions.catch_up import CatchUp, CaughtUp
from app.sessions.checkpoints import Checkpoints
from app.sessions.projections import Projections

log = structlog.get_logger()

BACKFILL = "backfill"
PLANNED_SECONDS = 60
YIELDED = timedelta(seconds=5)
"""So long it stays away after it has let other jobs pass."""


class Backfill:
    """`most`: sessions that one job brings up to date."""

    def __init__(self, *, queue: Queue, checkpoints: Checkpoints, catch_up: CatchUp, projections: Projections, most: int) -> None:
        self._queue = queue
        self._checkpoints = checkpoints
        self._catch_up = catch_up
        self._projections = projections
        self._most = most

    def loops(self) -> tuple[Loop, ...]:
        """Return the planning of a backfill whenever one is due, for a worker."""
        meanwhile = "Sessions that a projection's new version must read again wait."
        return (Loop(name="sessions.backfill", step=self.plan, pause=PLANNED_SECONDS, meanwhile=meanwhile),)

    async def plan(self) -> bool:
        """Enqueue the job if some session is behind and no such job waits."""
        if not await self._checkpoints.due(self._projections.versions, limit=1):
            return False
        async with self._queue.begin() as connection:
            await self._enqueue(connection, timedelta())
        log.info("backfill.planned")
        return True

    async def job(self, job: Job, progress: Progress) -> Done:
        """Bring some sessions up to date; between two of them let others pass, where they wait. Enqueues the next one if there is more."""
        del job
        due = await self._checkpoints.due(self._projections.versions, limit=self._most)
        done, count, yielded = CaughtUp(), 0, False
        for team_id, session_id in due:
            if count and (yielded := bool((await self._queue.backlog()).waiting)):
                break
            await self._catch_up.session(team_id, session_id, done, patient=False)
            count += 1
            await progress(count, len(due))
        more = bool(await self._checkpoints.due(self._projections.versions, limit=1))

        async def closing(connection: AsyncConnection) -> None:
            if more:
                await self._enqueue(connection, YIELDED if yielded else timedelta())

        return Done({"backfilled": count, **self._catch_up.report(done)}, closing=closing)

    async def _enqueue(self, connection: AsyncConnection, after: timedelta) -> None:
        await self._queue.enqueue(
            connection, kind=BACKFILL, payload={}, lane=BACKFILL, idempotency_key="all", run_at=clock.now() + after, priority=LOW
        )
