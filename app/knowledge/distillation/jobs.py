"""Plans and runs the distillation of ended sessions: one job a session, one at a time across all workers, with the lowest priority.

A session has ended when it hasn't changed for a quarter of an hour. Its progress is the projection's checkpoint.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.knowledge.distillation.pausing import DistillationPaused
from app.knowledge.distillation.projection import DistillationProjection
from app.part import JobHandler, Loop
from app.queue.jobs import LOW, Done, Job, NewJob, Progress, Queue
from app.sessions.settled import SettledSessions

log = structlog.get_logger()

DISTIL = "distil"
PLANNED_SECONDS = 60


class DistillationJobs:
    """Plans and runs the jobs. `projection` None: distillation is off, and waiting jobs do nothing."""

    def __init__(self, queue: Queue, sessions: SettledSessions, projection: DistillationProjection | None) -> None:
        self._queue = queue
        self._sessions = sessions
        self._projection = projection
        self._paused: dict[UUID, datetime] = {}
        """Until when a team's sessions wait, as this worker has found out."""
        self._running = False

    def jobs(self) -> dict[str, JobHandler]:
        """Return the handler, also where distillation is off: a job from before that would wait for ever."""
        return {DISTIL: self.job}

    def loops(self) -> tuple[Loop, ...]:
        """Return the planning, for a worker."""
        if self._projection is None:
            return ()
        return (Loop(name="knowledge.distillation", step=self.plan, pause=PLANNED_SECONDS, meanwhile="Sessions are not distilled."),)

    async def plan(self) -> None:
        """Enqueue the latest session that is due, unless this worker is at one: that job enqueues the next itself."""
        if not self._running and (job := await self._next()) is not None:
            async with self._queue.begin() as connection:
                await self._queue.enqueue(connection, job)

    async def set_backlog(self) -> None:
        """Set the metrics of the sessions still to distil."""
        if self._projection is not None:
            await self._sessions.set_backlog(self._projection)

    async def job(self, job: Job, progress: Progress) -> Done:
        """Distil one session, as far as its team's budget goes, and enqueue the next."""
        assert job.team_id is not None
        if self._projection is None:
            return Done({"skipped": "Distillation is off (distillation.enabled)."})
        session_id = UUID(job.payload["session_id"])
        self._running = True
        try:
            result = await self._sessions.project(self._projection, job.team_id, session_id)
        except DistillationPaused as pause:
            self._paused[job.team_id] = pause.until
            result = {"paused": pause.message}
            log.info("distillation.paused", team=str(job.team_id), until=pause.until.isoformat(), reason=pause.message)
        finally:
            self._running = False
        await progress(1, 1)
        following = await self._next()

        async def closing(connection: AsyncConnection) -> None:
            if following is not None:
                await self._queue.enqueue(connection, following)

        return Done({"session": str(session_id), **result}, closing=closing)

    async def _next(self) -> NewJob | None:
        """Return the job of the latest session that is due, of the teams that aren't paused."""
        if self._projection is None:
            return None
        self._paused = {team: until for team, until in self._paused.items() if until > clock.now()}
        due = await self._sessions.next_due(self._projection, without=self._paused)
        if due is None:
            return None
        team_id, session_id = due
        payload = {"session_id": str(session_id)}
        return NewJob(kind=DISTIL, payload=payload, team_id=team_id, lane=DISTIL, idempotency_key=str(session_id), priority=LOW)
