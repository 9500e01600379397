"""The projection `trajectory`: reads a session's new events once, through all analyzers, and stores what they told and where they stand."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import CairnError
from app.sessions.projections import Checkpointed, Counts, Projected
from app.sessions.session import Session
from app.trajectory.analysis.findings import FindingKey, ToldFinding
from app.trajectory.analysis.part_writing import AnalysisWrite
from app.trajectory.analysis.session_analysis import SessionAnalysis, made_by
from app.trajectory.analysis.snapshots import kept_seqs
from app.trajectory.analysis.step_reading import StepPage, StepReader
from app.trajectory.analysis.storage import AnalysisStore, ResumePoint
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.policies.projects import Reread

log = structlog.get_logger()

UNREADABLE = (zlib.error, ValueError, LookupError, TypeError, AttributeError, CairnError)
"""Errors of a stored state that other code wrote, or that was damaged: the journal has all that is needed without it."""
EVENTS_A_PART = 8_192
"""Events of which everything that was told is stored in one transaction."""
AnalyzersOf: TypeAlias = Callable[[UUID], Awaitable[Sequence[Analyzer]]]
"""Makes the analyzers for a session of this project: new ones, each time in the same order."""


class TrajectoryProjection:
    """The sessions' projection into their analysis; see `app.sessions.projections`.

    `version`: of the analyzers that all projects have. A project's own ones are part of `made_by`: where they change, its sessions are
    analysed anew as they grow, and where `reread` is given also when they come into a project with others.
    """

    name = "trajectory"
    whole = False
    result_field = "analysis"
    counted = ("exchanges", "findings")

    def __init__(
        self, *, steps: StepReader, store: AnalysisStore, analyzers: AnalyzersOf, version: str, reread: Reread | None = None
    ) -> None:
        self.version = version
        self._reread = reread
        self._steps = steps
        self._store = store
        self._analyzers = analyzers

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        """Analyse the session's events, going on from the last state stored at or before `after`."""
        run = await self._begun(session, after, checkpointed)
        async for page in self._steps.pages(session, run.begin.seq, hold=True):
            await run.read(page)
        await run.write(last=True)
        return Projected(counts={"exchanges": len(run.exchanges), "findings": len(run.findings)})

    async def unchanged(self, session_id: UUID) -> Counts:
        del session_id
        return dict.fromkeys(self.counted, 0)

    async def drain(self, mark: int) -> None:
        """Return at once: an analysis changes no vector."""

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move what was found: a team's overview tells it by project. All else belongs to its session alone."""
        del team_id
        await self._store.move(connection, project_id, into)
        if self._reread is not None and made_by(await self._analyzers(project_id)) != made_by(await self._analyzers(into)):
            await self._reread(connection, into)

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Delete a session's analysis. Returns the number of its findings."""
        return await self._store.delete(connection, session.id)

    async def _begun(self, session: Session, after: int, checkpointed: Checkpointed) -> _AnalysisRun:
        """Begin a run at the last state stored at or before `after`; from the beginning where that can't be read."""
        analyzers = await self._analyzers(session.project_id)
        begin = await self._store.resume(session.id, after, made_by(analyzers))
        run = _AnalysisRun(self._store, session, analyzers, begin, checkpointed)
        try:
            await run.restore()
        except UNREADABLE as error:
            log.warning("analysis.state_unreadable", session=str(session.id), seq=begin.seq, reason=type(error).__name__)
            run = _AnalysisRun(self._store, session, await self._analyzers(session.project_id), ResumePoint(), checkpointed)
        return run


class _AnalysisRun:
    """One run over a session, from a stored state, `begin`. `exchanges`, `findings`: keys of those that it told."""

    def __init__(
        self, store: AnalysisStore, session: Session, analyzers: Sequence[Analyzer], begin: ResumePoint, checkpointed: Checkpointed
    ) -> None:
        self._store = store
        self._session = session
        self.begin = begin
        self._checkpointed = checkpointed
        self._made_by = made_by(analyzers)
        self._analysis = SessionAnalysis(analyzers)
        self._points = kept_seqs(session.event_count)
        self._states: dict[int, bytes] = {}
        self._remembered: Sequence[ToldFinding] | None = ()
        self._written = begin.seq
        self.exchanges: set[int] = set()
        self.findings: set[FindingKey] = set()

    async def restore(self) -> None:
        if self.begin.seq:
            self._remembered = await asyncio.to_thread(self._analysis.restore, self.begin.state, self.begin.block)

    async def read(self, page: StepPage) -> None:
        """Analyse the next events in a thread, and store a part once it is long enough."""
        self._states |= await asyncio.to_thread(self._read, page)
        if self._analysis.seq - self._written >= EVENTS_A_PART:
            self._states[self._analysis.seq] = await asyncio.to_thread(self._analysis.state)
            await self.write(last=False)

    async def write(self, *, last: bool) -> None:
        """Store what was told since the last part, with the states to go on from."""
        part = self._analysis.take()
        write = AnalysisWrite(part, self.begin.seq, self._states, self._made_by, last=last, remembered=self._remembered)
        await self._store.write(self._session, write, self._checkpointed)
        self.exchanges.update(each.number for each in part.exchanges)
        self.findings.update(each.key for each in part.findings)
        self._written, self._states, self._remembered = part.upto, {}, None

    def _read(self, page: StepPage) -> dict[int, bytes]:
        return self._analysis.read_steps(page.after(self._analysis.seq), self._points)
