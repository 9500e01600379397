"""Gives a session that goes in circles or breaks a rule a nudge through its hook: the facts, and what the project knows of the error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

import structlog

from app.accounts.requester import Requester
from app.assist.earlier_help import SEARCH_SECONDS, EarlierHelp
from app.assist.hooks.served import ServedKnowledge
from app.assist.nudges import NudgeRecords, compose
from app.errors import CairnError
from app.knowledge.results import Result
from app.sessions.journal import Journal
from app.settings import HooksSettings
from app.telemetry import metrics
from app.trajectory.analysis import AnalysisQueries, ToldFinding
from app.trajectory.patterns import TROUBLE_KINDS, PatternReader
from app.trajectory.policies import NUDGED, ProjectPolicies

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WatchedSessions:
    """Sessions under way: what was found in them, the rules of their projects, and what other sessions show of troubles."""

    analyses: AnalysisQueries
    policies: ProjectPolicies
    patterns: PatternReader


class Nudging:
    """Composes nudges for the hooks of sessions that are under way."""

    def __init__(
        self,
        *,
        settings: HooksSettings,
        watched: WatchedSessions,
        records: NudgeRecords,
        served: ServedKnowledge,
        journal: Journal,
        earlier: EarlierHelp,
    ) -> None:
        self._settings = settings
        self._watched = watched
        self._records = records
        self._served = served
        self._journal = journal
        self._earlier = earlier

    async def next(self, requester: Requester, session_id: UUID, origin_id: UUID, project: str) -> str:
        """Return what a session is told now, empty for nothing. A failure is no nudge: it never costs the hook its answer."""
        if not self._settings.nudges:
            return ""
        try:
            told = await self._records.claim(session_id, found) if (found := await self._found(requester, session_id)) else ()
            if not told:
                return ""
            given = await self._served.ids(origin_id)
            # Side by side: a hook's answer is waited for.
            helped, known = await asyncio.gather(
                self._helped(requester, session_id, project, told, given), self._known(requester, session_id, told)
            )
            if helped:
                await self._served.record(origin_id, [each.id for each in helped], "nudge", session_id=session_id)
        except CairnError as error:
            log.warning("hooks.no_nudge", code=error.code)
            return ""
        for finding in told:
            metrics.nudged(finding.kind)
        return compose(told, helped, known)

    async def _found(self, requester: Requester, session_id: UUID) -> list[ToldFinding]:
        """Return the loops that go on, and the broken rules whose severity asks for it, the latest told first."""
        found = await self._watched.analyses.streaks(session_id)
        if any(each.kind == "policy" for each in found):
            session = await self._journal.get(requester.team_id, session_id)
            nudging = {each.id for each in await self._watched.policies.of(session.project_id) if each.severity in NUDGED}
            found = [each for each in found if each.kind != "policy" or each.name in nudging]
        return list(found)

    async def _known(self, requester: Requester, session_id: UUID, told: Sequence[ToldFinding]) -> str:
        """Say what other sessions show of the trouble that is told, empty where that is little or slow: the nudge is given without it."""
        trouble = next((each for each in told if each.kind in TROUBLE_KINDS), None)
        if trouble is None:
            return ""
        try:
            async with asyncio.timeout(SEARCH_SECONDS):
                return await self._watched.patterns.sentence(requester, session_id, first=trouble.first, last=trouble.last)
        except (CairnError, TimeoutError):
            return ""

    async def _helped(
        self, requester: Requester, session_id: UUID, project: str, told: Sequence[ToldFinding], given: AbstractSet[UUID]
    ) -> list[Result]:
        """Return what the project knows of the error that the first of these findings shows, of which it knows something."""
        for finding in told:
            if helped := await self._earlier.find(requester, session_id, project, finding, given=given):
                return helped
        return []
