"""Follows a session's journal for readers: new events and filled-in ones, from a position on, by asking the journal in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from app.accounts.requester import Requester
from app.errors import InvalidInput, Unavailable
from app.sessions.browsing import SessionBrowsing
from app.sessions.event import Event
from app.sessions.journal import Journal

PAGE = 100
TEXT_CHARS = 4000
MAX_STREAMS = 100
"""Streams of one process: each asks the journal twice a second."""


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
        self._open = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count an open stream. Raises Unavailable if there are MAX_STREAMS."""
        if self._open >= MAX_STREAMS:
            raise Unavailable(f"{MAX_STREAMS} streams of sessions are open on this server: close one, or try again later.")
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def since(
        self, requester: Requester, session_id: UUID, position: StreamPosition
    ) -> tuple[Sequence[StreamedEvent], StreamPosition]:
        """Return up to a page of what came since, and the position after it. NotFound: the session is gone, or another team's."""
        requester.check("read")
        session = await self._journal.get(requester.team_id, session_id)
        if session.revision <= position.revision and session.event_count <= position.seq:
            return (), position
        found = []
        if position.revision:
            changes = await self._browsing.changed(session_id, position.seq, after=position.revision, limit=PAGE, max_chars=TEXT_CHARS)
            found = [StreamedEvent(seq, event, True, position) for seq, event in changes]
        page = await self._browsing.read(session_id, after=position.seq, limit=PAGE, max_chars=TEXT_CHARS)
        for seq, event in page.events:
            found.append(StreamedEvent(seq, event, False, StreamPosition(seq, position.revision)))
        last = StreamPosition(max([position.seq, *(seq for seq, _ in page.events)]), position.revision)
        return found, last if page.later else StreamPosition(last.seq, max(session.revision, position.revision))


def parse_position(given: str | None) -> StreamPosition:
    """Read a position as a stream's ids give it, `seq.revision`; None: the beginning. Raises InvalidInput."""
    if not given:
        return StreamPosition()
    seq, _, revision = given.partition(".")
    if not (seq.isdecimal() and revision.isdecimal() and len(given) <= 30):
        raise InvalidInput("last-event-id is an id that this stream gave, such as 12.4: leave it out to begin anew.", param="last-event-id")
    return StreamPosition(int(seq), int(revision))
