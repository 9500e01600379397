"""Reads the analysis of sessions for a requester, page by page, as far as the session itself is open to them.

What a finding says in words may quote what was said, and names of files stand in tools' inputs: both are left out where the requester
doesn't see these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias
from uuid import UUID

from app.accounts.requester import Requester
from app.sessions.reader import ProjectionProgress, SessionReader, ShownSession
from app.trajectory.analysis.exchanges import SessionExchange
from app.trajectory.analysis.findings import ToldFinding
from app.trajectory.analysis.projection import TrajectoryProjection
from app.trajectory.analysis.queries import AnalysisQueries, FindingPage
from app.trajectory.analysis.step_blocks import unpack
from app.trajectory.analysis.strips import StepStrip, strips_of
from app.trajectory.analysis.violations import has_ended
from app.trajectory.intent.kinds import PromptIntent
from app.trajectory.intent.store import IntentStore
from app.trajectory.policies import PolicyInSession, ProjectPolicies, in_session

MAX_STRIPS: Final = 120
RECURRENCE_STEPS: Final = 2_000
"""The last steps that recurrence is measured over."""
MeasureRecurrence: TypeAlias = Callable[[Sequence[int]], Mapping[str, float]]
"""Measures recurrence over the symbols of a session's last steps (`step_blocks.symbol`)."""


@dataclass(frozen=True, slots=True)
class ShownAnalysis:
    """A page of a session's analysis: some of its exchanges, and what was found in their stretch.

    `words`: whether the requester sees what the findings say in words; else `because`, and the exchanges' `files`, are empty. `next`: the number of the page's last
    exchange, if more follow. `recurrence`: over the session's last RECURRENCE_STEPS; None: not measured. `verdicts`: over the whole session. `intents`: of
    the exchanges' prompts, by the seq of their first event; a correction goes before what was told.
    """

    shown: ShownSession
    progress: ProjectionProgress
    exchanges: Sequence[SessionExchange] = ()
    found: FindingPage = field(default_factory=FindingPage)
    words: bool = False
    strips: Sequence[StepStrip] = ()
    next: int | None = None
    recurrence: Mapping[str, float] | None = None
    verdicts: Sequence[PolicyInSession] = ()
    intents: Mapping[int, PromptIntent] = field(default_factory=dict)

    def intent_of(self, exchange: SessionExchange) -> PromptIntent | None:
        """Return the intent of an exchange's prompt; None: not told yet, or what came before the first prompt."""
        return self.intents.get(exchange.first) if exchange.number else None


class TrajectoryReader:
    """Reads analyses. `recurrence`: measures it; None: it is not measured."""

    def __init__(
        self,
        queries: AnalysisQueries,
        sessions: SessionReader,
        policies: ProjectPolicies,
        intents: IntentStore,
        *,
        recurrence: MeasureRecurrence | None = None,
    ) -> None:
        self._queries = queries
        self._intents = intents
        self._sessions = sessions
        self._policies = policies
        self._recurrence = recurrence

    async def show(self, requester: Requester, session_id: UUID, *, after: int = -1, limit: int) -> ShownAnalysis:
        """Show a page of a session's analysis: exchanges with a number above `after`. NotFound as for the session itself.

        Where another's words are shown, the reading is recorded first: see `SessionReader.may_read_words`.
        """
        shown = await self._sessions.show(requester, session_id)
        progress = await self._progress(shown)
        exchanges = await self._queries.exchanges(session_id, after=after, limit=limit + 1)
        page = exchanges[:limit]
        if not page:
            return ShownAnalysis(shown, progress)
        first, last = page[0].first, page[-1].last
        found = await self._queries.findings(session_id, first=first, last=last)
        verdicts = await self._verdicts(shown, progress)
        words = await self._may_read_words(requester, shown, page, found.findings, verdicts)
        blocks = await self._queries.blocks(session_id, first=first, last=last)
        return ShownAnalysis(
            shown,
            progress,
            page if words else [replace(each, files=()) for each in page],
            found if words else FindingPage([replace(each, because="") for each in found.findings], found.left_out),
            words,
            strips_of(blocks, first=first, last=last, most=MAX_STRIPS),
            page[-1].number if len(exchanges) > limit else None,
            await self._measured(session_id, progress.last_event),
            verdicts if words else [replace(each, because="") for each in verdicts],
            await self._intents.of_prompts(session_id, [each.first for each in page if each.number]),
        )

    async def _may_read_words(
        self,
        requester: Requester,
        shown: ShownSession,
        page: Sequence[SessionExchange],
        findings: Sequence[ToldFinding],
        verdicts: Sequence[PolicyInSession],
    ) -> bool:
        """Tell whether the requester may read the page's words, if there are any. What begins before the page or ends after it is read whole."""
        if not findings and not any(each.files for each in page) and not any(each.because for each in verdicts):
            return False
        shows = [seq for each in findings for seq in (each.first, each.last, *each.evidence)]
        shows += [seq for each in verdicts for seq in each.evidence]
        first, last = min([page[0].first, *shows]), max([page[-1].last, *shows])
        return await self._sessions.may_read_words(requester, shown, first=first, last=last)

    async def _progress(self, shown: ShownSession) -> ProjectionProgress:
        progress = await self._sessions.progress(shown)
        return next(each for each in progress if each.name == TrajectoryProjection.name)

    async def _verdicts(self, shown: ShownSession, progress: ProjectionProgress) -> Sequence[PolicyInSession]:
        """Return the verdicts that were stored, on those policies that are still watched; final ones where the session has ended."""
        standings = await self._queries.standings(shown.session.id)
        severities = {each.id: each.severity for each in await self._policies.of(shown.session.project_id)} if standings else {}
        ended = progress.up_to_date and has_ended(shown.session)
        return [in_session(each, severities[each.policy], ended=ended) for each in standings if each.policy in severities]

    async def _measured(self, session_id: UUID, events: int) -> Mapping[str, float] | None:
        if self._recurrence is None or not events:
            return None
        blocks = await self._queries.blocks(session_id, first=max(1, events - RECURRENCE_STEPS + 1), last=events)
        symbols = [symbol for block in blocks for symbol in unpack(block.symbols)]
        return self._recurrence(symbols[-RECURRENCE_STEPS:])
