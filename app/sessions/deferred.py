"""Runs deferred projections: over settled sessions only, and apart from those that an upload waits for, since they take long or cost money.

One session a job, one job at a time across all workers, with the lowest priority; each enqueues the next. Progress, retries and parking are
those of every projection: its checkpoints.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.part import Loop
from app.queue.jobs import LOW, Done, Job, NewJob, Progress, Queue
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.checkpoints import Checkpoints
from app.sessions.journal import Journal
from app.sessions.projections import Projection, ProjectionPaused, Projections
from app.storage.database import Database

log = structlog.get_logger()

DEFERRED = "deferred"
PLANNED_SECONDS = 60
MAX_PAUSES = 3
"""Pauses that one session may cause (`ProjectionPaused.may_recur`) before it is left alone for LEFT_ALONE: others of its team wait behind
it, and each time costs what its calls cost."""
LEFT_ALONE = timedelta(days=1)


class DeferredRuns:
    """Plans and runs the jobs of the deferred projections. A session is settled after `checkpoints.SETTLED` without a change."""

    def __init__(self, *, database: Database, queue: Queue, journal: Journal, checkpoints: Checkpoints, projections: Projections) -> None:
        self._database = database
        self._queue = queue
        self._journal = journal
        self._checkpoints = checkpoints
        self._projections = projections
        self._paused: dict[tuple[str, UUID], datetime] = {}
        """Until when a projection leaves a team's sessions, or one session, alone, as this worker has found out."""
        self._pauses: Counter[tuple[str, UUID]] = Counter()
        """Pauses that a session may have caused itself, since it was last brought up to date or left alone."""

    def loops(self) -> tuple[Loop, ...]:
        """Return the planning, for a worker."""
        meanwhile = "No ended session is processed by the projections that wait for its end."
        return (Loop(name="sessions.deferred", step=self.plan, pause=PLANNED_SECONDS, meanwhile=meanwhile),)

    async def plan(self) -> None:
        """Enqueue the latest session that is due, unless a job waits or runs: it enqueues the next itself.

        One that waits for its next attempt counts too: else an outage would add a job each minute.
        """
        if not await self._queue.count_of(kind=DEFERRED) and (job := await self._next()) is not None:
            async with self._queue.begin() as connection:
                await self._queue.enqueue(connection, job)

    async def job(self, job: Job, progress: Progress) -> Done:
        """Project one session, as far as the projection goes now, and enqueue the next."""
        assert job.team_id is not None
        name, session_id = job.payload["projection"], UUID(job.payload["session_id"])
        projection = self._projections.deferred.get(name)
        if projection is None:
            return Done({"skipped": f"This worker has no projection {name!r}: it was switched off."})
        try:
            result = await self.project(projection, job.team_id, session_id)
            del self._pauses[name, session_id]
        except ProjectionPaused as pause:
            self._pause(name, job.team_id, session_id, pause)
            result = {"sessions": [str(session_id)], "paused": pause.message}
        await progress(1, 1)
        following = await self._next()

        async def closing(connection: AsyncConnection) -> None:
            if following is not None:
                await self._queue.enqueue(connection, following)

        return Done(result, closing=closing)

    async def project(self, projection: Projection, team_id: UUID, session_id: UUID) -> dict[str, object]:
        """Bring a projection up to date with a session as it is now, and wait until that is searchable. Returns a job's result.

        ProjectionPaused and any other Unavailable come through; what was checkpointed before is kept.
        """
        catch_up, done = self._catch_up(projection), CatchUpResult()
        there = await catch_up.bring_up_to_date(team_id, session_id, done, background=False)
        await catch_up.drain(done)
        return {"sessions": [str(session_id)] if there else [], **catch_up.report(done)}

    def _pause(self, name: str, team_id: UUID, session_id: UUID, pause: ProjectionPaused) -> None:
        self._paused[name, team_id] = pause.until
        log.info("projection.paused", projection=name, team=str(team_id), until=pause.until.isoformat(), reason=pause.message)
        if not pause.may_recur:
            return
        self._pauses[name, session_id] += 1
        if self._pauses[name, session_id] >= MAX_PAUSES:
            del self._pauses[name, session_id]
            self._paused[name, session_id] = until = clock.now() + LEFT_ALONE
            log.warning("projection.left_alone", projection=name, session=str(session_id), until=until.isoformat(), reason=pause.message)

    async def _next(self) -> NewJob | None:
        """Return the job of the latest session that is due, of the first projection that has one."""
        self._paused = {key: until for key, until in self._paused.items() if until > clock.now()}
        for name, projection in self._projections.deferred.items():
            paused = [each for paused, each in self._paused if paused == name]
            for team_id, session_id in await self._checkpoints.due({name: projection.version}, limit=1, settled=True, without=paused):
                payload, key = {"projection": name, "session_id": str(session_id)}, f"{name}:{session_id}"
                return NewJob(kind=DEFERRED, payload=payload, team_id=team_id, lane=DEFERRED, idempotency_key=key, priority=LOW)
        return None

    def _catch_up(self, projection: Projection) -> CatchUp:
        return CatchUp(
            database=self._database,
            queue=self._queue,
            journal=self._journal,
            checkpoints=self._checkpoints,
            projections=Projections([projection]),
            follow=False,
        )
