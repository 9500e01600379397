"""Reads sessions' steps from the journal once for all projections that work on steps: what one has read, the next takes from memory.

Projections of a session run one after another in one process. A session that changed meanwhile has another revision, and is read again; of one
that was purged nothing is stored, whatever was held of it: the checkpoint refuses.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias
from uuid import UUID

from app.sessions.event import Event, ReplyUsage
from app.sessions.journal import Journal
from app.sessions.session import Session
from app.trajectory.events.steps import SessionStep, step_of

EVENTS_A_PAGE: Final = 256
"""Events whose steps are read together, in a thread of the worker."""
MAX_OUTPUT_CHARS: Final = 16_000
"""Characters read of a tool's output, from its end, where errors stand."""
MAX_COUNTED_CHARS: Final = 32_000
"""Characters that a tool's output is fetched with, so that its size is known as far."""
MAX_HELD: Final = 8_192
"""Steps that are held, of all sessions together; a session of more is read again by each projection."""
READ_ALONG: Final = 48
"""Events before those asked for that are held, too: another projection goes on from a little further back."""
ReadStep: TypeAlias = tuple[SessionStep, ReplyUsage | None]


class StepPage:
    """Events of a session that follow each other. Each gives way to its step once that was asked for."""

    def __init__(self, events: Sequence[tuple[int, Event]]) -> None:
        self._events = dict(events)
        self._read: dict[int, ReadStep] = {}
        self.first, self.last = events[0][0], events[-1][0]

    def after(self, seq: int) -> list[ReadStep]:
        """Return the steps above `seq`, in order. Takes time for those that nobody asked for yet: call it in a thread."""
        for number in range(max(seq + 1, self.first), self.last + 1):
            if (event := self._events.pop(number, None)) is not None:
                self._read[number] = _step(number, event), event.usage
        return [self._read[number] for number in range(max(seq + 1, self.first), self.last + 1) if number in self._read]


@dataclass(frozen=True, slots=True)
class _HeldSession:
    """The pages of a session above `after`, up to its end as it was at `revision`."""

    revision: int
    after: int
    end: int
    pages: Sequence[StepPage]


class StepReader:
    """Reads steps, and holds those read last, MAX_HELD at most, until they are taken."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._held: OrderedDict[UUID, _HeldSession] = OrderedDict()

    async def pages(self, session: Session, after: int, *, hold: bool = False) -> AsyncIterator[StepPage]:
        """Yield the pages with the session's events above `after`, and maybe some before. `hold`: another projection will ask for them."""
        held = self._held.pop(session.id, None)
        if held is not None and (held.revision, held.end) == (session.revision, session.event_count) and held.after <= after:
            for page in held.pages:
                yield page
            return
        hold = hold and session.event_count - after <= MAX_HELD
        begin = max(after - READ_ALONG, 0) if hold else after
        pages = []
        async for page in self._read(session, begin):
            if hold:
                pages.append(page)
            yield page
        if hold:
            self._hold(session.id, _HeldSession(session.revision, begin, session.event_count, pages))

    def _hold(self, session_id: UUID, held: _HeldSession) -> None:
        self._held[session_id] = held
        while sum(each.end - each.after for each in self._held.values()) > MAX_HELD + READ_ALONG:
            self._held.popitem(last=False)

    async def _read(self, session: Session, after: int) -> AsyncIterator[StepPage]:
        page: list[tuple[int, Event]] = []
        events = self._journal.numbered(session.id, after=after, until=session.event_count, max_output_chars=MAX_COUNTED_CHARS)
        async for each in events:
            page.append(each)
            if len(page) == EVENTS_A_PAGE:
                yield StepPage(page)
                page = []
        if page:
            yield StepPage(page)


def _step(seq: int, event: Event) -> SessionStep:
    """Read a step from the end of the event's output, with the size of all that was fetched."""
    tool = event.tool
    if tool is None or len(tool.output) <= MAX_OUTPUT_CHARS:
        return step_of(seq, event)
    step = step_of(seq, replace(event, tool=replace(tool, output=tool.output[-MAX_OUTPUT_CHARS:])))
    return replace(step, output_chars=len(tool.output))
