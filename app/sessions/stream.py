"""Follows a session's journal for readers: new events and filled-in ones, from a position on, by asking the journal in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID

from app.accounts.requester import Requester
from app.errors import InvalidInput, Unavailable
from app.sessions.browsing import SessionBrowsing
from app.sessions.event import Event
from app.sessions.journal import Journal

PAGE = 100
TEXT_CHARS = 4000
MAX_STREAMS, MAX_OWN_STREAMS = 100, 5
"""Streams of one process, and of one developer in it: each asks the journal twice a second."""


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """A place in a session's journal: the last seq told, and the revision up to which all changes are told."""

    seq: int = 0
    revision: int = 0


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """An event with the position after it. `changed`: it was told before, and has been filled in since."""

    seq: int
    event: Event
    changed: bool
    position: StreamPosition


class SessionStream:
    """Reads what came to a session since a position."""

    def __init__(self, journal: Journal, browsing: SessionBrowsing) -> None:
        self._journal = journal
        self._browsing = browsing
        self._open: Counter[UUID | None] = Counter()

    @contextmanager
    def counted(self, requester: Requester) -> Iterator[None]:
        """Count an open stream. Raises Unavailable if there are MAX_STREAMS, or MAX_OWN_STREAMS of the requester's."""
        own = requester.developer_id
        if own is not None and self._open[own] >= MAX_OWN_STREAMS:
            raise Unavailable(f"{MAX_OWN_STREAMS} streams of sessions are open with your key's developer: close one, or try again later.")
        if self._open.total() >= MAX_STREAMS:
            raise Unavailable(f"{MAX_STREAMS} streams of sessions are open on this server: close one, or try again later.")
        self._open[own] += 1
        try:
            yield
        finally:
            self._open[own] -= 1
            if not self._open[own]:
                del self._open[own]

    async def since(
        self, requester: Requester, session_id: UUID, position: StreamPosition
    ) -> tuple[Sequence[StreamedEvent], StreamPosition]:
        """Return up to a page of what came since, and the position after it. NotFound: the session is gone, or another team's."""
        requester.check("read")
        session = await self._journal.get(requester.team_id, session_id)
        if session.revision <= position.revision and session.event_count <= position.seq:
            return (), position
        changes, reached = await self._changes(session_id, position, session.revision)
        page = await self._browsing.read(session_id, after=position.seq, limit=PAGE, max_chars=TEXT_CHARS)
        events = [StreamedEvent(seq, event, False, StreamPosition(seq, reached)) for seq, event in page.events]
        return [*changes, *events], events[-1].position if events else StreamPosition(position.seq, reached)

    async def _changes(self, session_id: UUID, position: StreamPosition, revision: int) -> tuple[list[StreamedEvent], int]:
        """Return the events told before that were filled in since, and the revision that is reached with them, at most the session's.

        Only the last of them brings the position there: a stream that ends among them tells them again.
        """
        if position.seq == 0:
            return [], revision
        changes, whole = await self._browsing.changed(session_id, position.seq, after=position.revision, limit=PAGE, max_chars=TEXT_CHARS)
        reached = max(position.revision, revision) if whole is None else whole
        told = [StreamedEvent(seq, event, True, position) for seq, event in changes]
        if told:
            told[-1] = replace(told[-1], position=StreamPosition(position.seq, reached))
        return told, reached


def parse_position(given: str | None) -> StreamPosition:
    """Read a position as a stream's ids give it, `seq.revision`; None: the beginning. Raises InvalidInput."""
    if not given:
        return StreamPosition()
    seq, _, revision = given.partition(".")
    if not (seq.isdecimal() and revision.isdecimal() and len(given) <= 30):
        raise InvalidInput("last-event-id is an id that this stream gave, such as 12.4: leave it out to begin anew.", param="last-event-id")
    return StreamPosition(int(seq), int(revision))
