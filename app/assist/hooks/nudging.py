"""Gives a session that goes in circles a nudge through its hook: the fact, and what the project knows of the error."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from app.accounts.requester import Requester
from app.assist.hooks.prompts import choose
from app.assist.hooks.served import ServedKnowledge
from app.assist.nudges import MAX_ENTRIES, NudgeRecords, compose
from app.errors import CairnError
from app.knowledge.reader import KnowledgeReader
from app.knowledge.results import Query, Result
from app.sessions.journal import Journal
from app.settings import HooksSettings
from app.telemetry import metrics
from app.trajectory.analysis import AnalysisQueries, ToldFinding
from app.trajectory.events import step_of
from app.trajectory.patterns import PatternReader

log = structlog.get_logger()

SEARCH_SECONDS = 0.3
"""Longest search for what helped before: a hook of a tool is waited for no longer than a receipt takes."""
SEARCHED_RESULTS = 5
MAX_OUTPUT_CHARS = 4_000


class Nudging:
    """Composes nudges for the hooks of sessions that are under way."""

    def __init__(
        self,
        *,
        settings: HooksSettings,
        analyses: AnalysisQueries,
        records: NudgeRecords,
        served: ServedKnowledge,
        journal: Journal,
        knowledge: KnowledgeReader,
        patterns: PatternReader,
    ) -> None:
        self._settings = settings
        self._analyses = analyses
        self._records = records
        self._served = served
        self._journal = journal
        self._knowledge = knowledge
        self._patterns = patterns

    async def next(self, requester: Requester, session_id: UUID, origin_id: UUID, project: str) -> str:
        """Return what a session is told now, empty for nothing. A failure is no nudge: it never costs the hook its answer."""
        if not self._settings.nudges:
            return ""
        try:
            finding = await self._records.claim(session_id, found) if (found := await self._analyses.streaks(session_id)) else None
            if finding is None:
                return ""
            helped = await self._helped(requester, session_id, origin_id, project, finding)
            if helped:
                await self._served.record(origin_id, [each.id for each in helped], "nudge", session_id=session_id)
            known = await self._known(requester, session_id, finding)
        except CairnError as error:
            log.warning("hooks.no_nudge", code=error.code)
            return ""
        metrics.nudged(finding.kind)
        return compose(finding, helped, known)

    async def _helped(self, requester: Requester, session_id: UUID, origin_id: UUID, project: str, finding: ToldFinding) -> list[Result]:
        """Return what the project knows of the error that a finding shows, none where it is slow or shows none."""
        error = await self._error(session_id, finding)
        if not error:
            return []
        query = Query(error, project=project, limit=SEARCHED_RESULTS, min_score=0.0)
        try:
            async with asyncio.timeout(SEARCH_SECONDS):
                found, given = await asyncio.gather(self._knowledge.find(requester, query), self._served.ids(origin_id))
        except (CairnError, TimeoutError):
            return []
        if found.degraded:  # words are no evidence of meanings
            return []
        return choose(found.results, threshold=self._settings.min_score, given=given, session_id=session_id)[:MAX_ENTRIES]

    async def _known(self, requester: Requester, session_id: UUID, finding: ToldFinding) -> str:
        """Say what other sessions show of a trouble, empty where that is little or slow: the nudge is given without it."""
        if finding.kind not in {"loop", "health"}:
            return ""
        try:
            async with asyncio.timeout(SEARCH_SECONDS):
                return await self._patterns.sentence(requester, session_id, first=finding.first, last=finding.last)
        except (CairnError, TimeoutError):
            return ""

    async def _error(self, session_id: UUID, finding: ToldFinding) -> str:
        """Return the line that says what failed in the last event that shows the finding."""
        seq = finding.evidence[-1] if finding.evidence else finding.last
        events = self._journal.numbered(session_id, after=seq - 1, until=seq, max_output_chars=MAX_OUTPUT_CHARS)
        return "".join([step_of(number, event).error async for number, event in events])
