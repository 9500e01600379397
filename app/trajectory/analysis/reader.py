"""Reads the analysis of sessions for a requester, page by page, as far as the session itself is open to them.

What a finding says in words may quote what was said: it is left out where the requester doesn't see that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias
from uuid import UUID

from app.accounts.requester import Requester
from app.sessions.reader import ProjectionProgress, SessionReader, ShownSession
from app.trajectory.analysis.exchanges import SessionExchange
from app.trajectory.analysis.projection import TrajectoryProjection
from app.trajectory.analysis.queries import AnalysisQueries, FindingPage
from app.trajectory.analysis.step_blocks import unpack
from app.trajectory.analysis.strips import StepStrip, strips_of
from app.trajectory.intent.kinds import PromptIntent
from app.trajectory.intent.store import IntentStore

MAX_STRIPS: Final = 120
RECURRENCE_STEPS: Final = 2_000
"""The last steps that recurrence is measured over."""
MeasureRecurrence: TypeAlias = Callable[[Sequence[int]], Mapping[str, float]]
"""Measures recurrence over the symbols of a session's last steps (`step_blocks.symbol`)."""


@dataclass(frozen=True, slots=True)
class ShownAnalysis:
    """A page of a session's analysis: some of its exchanges, and what was found in their stretch.

    `words`: whether the requester sees what the findings say in words; else `because` is empty. `next`: the number of the page's last
    exchange, if more follow. `recurrence`: over the session's last RECURRENCE_STEPS; None: not measured. `intents`: of the exchanges' prompts,
    by the seq of their first event; a correction goes before what was told.
    """

    shown: ShownSession
    progress: ProjectionProgress
    exchanges: Sequence[SessionExchange] = ()
    found: FindingPage = field(default_factory=FindingPage)
    words: bool = False
    strips: Sequence[StepStrip] = ()
    next: int | None = None
    recurrence: Mapping[str, float] | None = None
    intents: Mapping[int, PromptIntent] = field(default_factory=dict)

    def intent_of(self, exchange: SessionExchange) -> PromptIntent | None:
        """Return the intent of an exchange's prompt; None: not told yet, or what came before the first prompt."""
        return self.intents.get(exchange.first) if exchange.number else None


class TrajectoryReader:
    """Reads analyses. `recurrence`: measures it; None: it is not measured."""

    def __init__(
        self, queries: AnalysisQueries, sessions: SessionReader, intents: IntentStore, *, recurrence: MeasureRecurrence | None = None
    ) -> None:
        self._queries = queries
        self._intents = intents
        self._sessions = sessions
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
        words = bool(found.findings) and await self._sessions.may_read_words(requester, shown, first=first, last=last)
        blocks = await self._queries.blocks(session_id, first=first, last=last)
        return ShownAnalysis(
            shown,
            progress,
            page,
            found if words else FindingPage([replace(each, because="") for each in found.findings], found.left_out),
            words,
            strips_of(blocks, first=first, last=last, most=MAX_STRIPS),
            page[-1].number if len(exchanges) > limit else None,
            await self._measured(session_id, progress.last_event),
            await self._intents.of_prompts(session_id, [each.first for each in page if each.number]),
        )

    async def _progress(self, shown: ShownSession) -> ProjectionProgress:
        progress = await self._sessions.progress(shown)
        return next(each for each in progress if each.name == TrajectoryProjection.name)

    async def _measured(self, session_id: UUID, events: int) -> Mapping[str, float] | None:
        if self._recurrence is None or not events:
            return None
        blocks = await self._queries.blocks(session_id, first=max(1, events - RECURRENCE_STEPS + 1), last=events)
        symbols = [symbol for block in blocks for symbol in unpack(block.symbols)]
        return self._recurrence(symbols[-RECURRENCE_STEPS:])
