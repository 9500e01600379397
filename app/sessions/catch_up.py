"""Brings the projections of a session up to date, each from its own checkpoint. One that fails is parked; the others continue.

Several processes may work on one session at once: checkpoints use optimistic concurrency, and the loser rolls back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.errors import CairnError, NotFound, Unavailable
from app.queue.failure import failure_of, stack_frames
from app.queue.jobs import Done, Job, KeyedJob, Progress, Queue
from app.sessions.checkpoints import Checkpoints
from app.sessions.journal import CATCH_UP, Journal
from app.sessions.projections import (
    Checkpoint,
    Current,
    Due,
    Later,
    Overtaken,
    Parked,
    Projected,
    Projection,
    Projections,
    next_step,
    retry_after,
)
from app.sessions.session import Session
from app.storage.database import Database
from app.telemetry import metrics

log = structlog.get_logger()


@dataclass(slots=True)
class CatchUpResult:
    """Results of catching up, by projection: `counts`, `marks` to drain up to, `parked` reasons; and `later`, retry times by session."""

    counts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    marks: dict[str, int] = field(default_factory=dict)
    parked: dict[str, str] = field(default_factory=dict)
    later: dict[UUID, datetime] = field(default_factory=dict)

    def add(self, projection: str, projected: Projected) -> None:
        self.counts[projection].update(projected.counts)
        self.marks[projection] = max(projected.mark, self.marks.get(projection, 0))

    def wait(self, session_id: UUID, until: datetime) -> None:
        self.later[session_id] = min(until, self.later.get(session_id, until))


class CatchUp:
    """Runs the projections of sessions from their checkpoints, and parks those that fail.

    `follow`: go on with what a session grows by meanwhile; else one run of a projection is enough.
    """

    def __init__(
        self,
        *,
        database: Database,
        queue: Queue,
        journal: Journal,
        checkpoints: Checkpoints,
        projections: Projections,
        follow: bool = True,
    ) -> None:
        self._database = database
        self._queue = queue
        self._journal = journal
        self._checkpoints = checkpoints
        self._projections = projections
        self._follow = follow

    async def job(self, job: Job, progress: Progress) -> Done:
        """Run the job that each append enqueues. Succeeds also if the session was purged meanwhile."""
        assert job.team_id is not None
        session_id, done = UUID(job.payload["session_id"]), CatchUpResult()
        there = await self.bring_up_to_date(job.team_id, session_id, done, background=True)
        await self.drain(done)
        await progress(1, 1)

        async def closing(connection: AsyncConnection) -> None:
            await self.enqueue_postponed(connection, job, done)

        return Done({"sessions": [str(session_id)] if there else [], **self.report(done)}, closing=closing)

    async def bring_up_to_date(self, team_id: UUID, session_id: UUID, done: CatchUpResult, *, background: bool) -> bool:
        """Bring every projection of a session up to date, adding the results to `done`. Return False if the session is gone.

        `background`: nobody waits for the result (see `projections.next_step`). Raises Unavailable, parking nothing, if a
        dependency is away.
        """
        for projection in self._projections:
            try:
                await self._run_to_end(projection, team_id, session_id, done, background=background)
            except NotFound:
                async with self._database.begin() as connection:
                    if await self._journal.missing(connection, [session_id]):
                        return False
                raise
        return True

    async def drain(self, done: CatchUpResult) -> None:
        """Wait until everything that was projected is searchable."""
        for projection in self._projections:
            if mark := done.marks.get(projection.name):
                await projection.drain(mark)

    def report(self, done: CatchUpResult) -> dict[str, object]:
        """Build the job's result: counts by projection, and the reasons of parked projections, if any."""
        told = {each.result_field: {name: done.counts[each.name][name] for name in each.counted} for each in self._projections}
        return told | ({"parked": done.parked} if done.parked else {})

    async def cancel_waiting(self, connection: AsyncConnection, team_id: UUID, session_ids: Iterable[UUID]) -> None:
        """Delete the waiting catch-up jobs of sessions that are up to date, in the caller's transaction."""
        versions = self._projections.versions
        current = [each for each in sorted(session_ids) if await self._checkpoints.is_current(connection, each, versions)]
        await self._queue.cancel_waiting(connection, kind=CATCH_UP, team_id=team_id, keys=[str(each) for each in current])

    async def enqueue_postponed(self, connection: AsyncConnection, job: Job, done: CatchUpResult) -> None:
        """Enqueue catch-up jobs for the postponed sessions, in the caller's transaction."""
        assert job.team_id is not None
        for session_id, at in sorted(done.later.items()):
            wanted = KeyedJob(str(session_id), {"session_id": str(session_id)}, job.team_id, job.developer_id)
            await self._queue.enqueue_once(connection, kind=CATCH_UP, wanted=[wanted], run_at=at)

    async def _run_to_end(self, projection: Projection, team_id: UUID, session_id: UUID, done: CatchUpResult, *, background: bool) -> None:
        """Run a projection until it has seen the whole journal of the session, which may grow meanwhile."""
        worked = False
        while True:
            session, checkpoint, changed = await self._checkpoints.read(team_id, session_id, projection.name)
            match next_step(projection, session, checkpoint, first_changed=changed, now=clock.now(), background=background):
                case Current():
                    if not worked:
                        done.counts[projection.name].update(await projection.unchanged(session_id))
                    return
                case Later(at, parked):
                    done.wait(session_id, at)
                    if parked is not None:
                        done.parked[projection.name] = parked
                    return
                case Parked(reason):
                    done.parked[projection.name] = reason
                    return
                case Due(after):
                    if not await self._project(projection, session, after, checkpoint, done) or not self._follow:
                        return
                    worked = True
                case unreachable:
                    assert_never(unreachable)

    async def _project(
        self, projection: Projection, session: Session, after: int, checkpoint: Checkpoint | None, done: CatchUpResult
    ) -> bool:
        """Run a projection once. Return False if it failed; it is then parked."""
        run = _Run(self._journal, self._checkpoints, projection, session, checkpoint)
        try:
            projected = await projection.project(session, after, run.checkpointed)
            if not run.finished:
                async with self._database.begin() as connection:
                    await run.checkpointed(connection)
        except Overtaken:
            return True
        except Unavailable:
            raise
        except Exception as error:
            if isinstance(error, NotFound) and await self._is_deleted(session.id):
                raise
            await self._park(run, error, done)
            return False
        done.add(projection.name, projected)
        return True

    async def _is_deleted(self, session_id: UUID) -> bool:
        async with self._database.begin() as connection:
            return bool(await self._journal.missing(connection, [session_id]))

    async def _park(self, run: _Run, error: Exception, done: CatchUpResult) -> None:
        """Park a projection on a session. Records our errors' messages, but only the type of others: they may quote the session."""
        name, version = run.projection.name, run.projection.version
        _, before, _ = await self._checkpoints.read(run.session.team_id, run.session.id, name)
        if before not in run.seen:
            return  # another process advanced the checkpoint meanwhile
        attempts = 1 + (before.attempts if before is not None and before.version == version else 0)
        reason, pause = failure_of(error, subject="The projection").message, retry_after(attempts)
        await self._checkpoints.park(run.session.id, name, before, version=version, reason=reason, pause=pause)
        metrics.projection_parked(name)
        where = [] if isinstance(error, CairnError) else stack_frames(error)
        log.warning(
            "projection.parked",
            projection=name,
            version=version,
            session=str(run.session.id),
            reason=type(error).__name__,
            attempts=attempts,
            again=pause is not None,
            where=where,
        )
        done.parked[name] = reason
        if pause is not None:
            done.wait(run.session.id, clock.now() + pause)


class _Run:
    """One run of a projection over a session, with its current checkpoint. `finished`: the checkpoint reached the session's end."""

    def __init__(
        self, journal: Journal, checkpoints: Checkpoints, projection: Projection, session: Session, checkpoint: Checkpoint | None
    ) -> None:
        self._journal = journal
        self._checkpoints = checkpoints
        self.projection = projection
        self.session = session
        self.checkpoint = checkpoint
        self.seen = [checkpoint]
        """Checkpoints that this run found or wrote, committed or not: any other one was written by another process."""
        self.finished = False

    async def checkpointed(self, connection: AsyncConnection, seq: int | None = None) -> None:
        """Advance the checkpoint in the caller's transaction; see `projections.Checkpointed`."""
        if await self._journal.lock_against_deletion(connection, self.session.id) != self.session.project_id:
            raise Overtaken  # its project was merged into another meanwhile
        version, upto = self.projection.version, self.session.event_count if seq is None else seq
        self.checkpoint = await self._checkpoints.advance(
            connection, self.session, self.projection.name, self.checkpoint, version=version, seq=upto
        )
        self.seen.append(self.checkpoint)
        self.finished = self.finished or seq is None
