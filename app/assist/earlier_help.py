"""Finds what a project knows of the error that a finding shows: what helped before. Bounded in time; a failure finds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from typing import Final
from uuid import UUID

from app.accounts.requester import Requester
from app.assist.hooks.prompts import choose
from app.errors import CairnError
from app.knowledge.reader import KnowledgeReader
from app.knowledge.results import Query, Result
from app.sessions.journal import Journal
from app.trajectory.analysis import ToldFinding
from app.trajectory.events import step_of

SEARCH_SECONDS = 0.3
"""Longest search: a hook of a tool is waited for no longer than a receipt takes."""
MAX_ENTRIES: Final = 2
SEARCHED_RESULTS: Final = 5
MAX_OUTPUT_CHARS: Final = 4_000


class EarlierHelp:
    """Searches a project's knowledge for an error. `min_score`: of the best passage; below it nothing is relevant."""

    def __init__(self, *, journal: Journal, knowledge: KnowledgeReader, min_score: float) -> None:
        self._journal = journal
        self._knowledge = knowledge
        self._min_score = min_score

    async def find(
        self, requester: Requester, session_id: UUID, project: str, finding: ToldFinding, *, given: AbstractSet[UUID] = frozenset()
    ) -> list[Result]:
        """Return what the project knows of the error that a finding shows, none where it shows none or the search is slow.

        `given`: ids of what the session has already; what it said itself is left out, too.
        """
        error = await self._error(session_id, finding)
        if not error:
            return []
        query = Query(error, project=project, limit=SEARCHED_RESULTS, min_score=0.0)
        try:
            async with asyncio.timeout(SEARCH_SECONDS):
                found = await self._knowledge.find(requester, query)
        except (CairnError, TimeoutError):
            return []
        if found.degraded:  # words are no evidence of meanings
            return []
        return choose(found.results, threshold=self._min_score, given=given, session_id=session_id)[:MAX_ENTRIES]

    async def _error(self, session_id: UUID, finding: ToldFinding) -> str:
        """Return the line that says what failed in the last event that shows the finding."""
        seq = finding.evidence[-1] if finding.evidence else finding.last
        events = self._journal.numbered(session_id, after=seq - 1, until=seq, max_output_chars=MAX_OUTPUT_CHARS)
        return "".join([step_of(number, event).error async for number, event in events])
