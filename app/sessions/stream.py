"""Follows a session's journal for readers: new events and filled-in ones, from a position on, by asking the journal in turn."""

from __future__ import annotations

from collections import Counter
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
MAX_DIGITS = 9
"""Digits of a number in an id: such a number fits the database's integers."""
MAX_STREAMS, MAX_OWN_STREAMS = 100, 5
"""Streams of one process, and of one developer in it: each asks the journal twice a second."""


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """A place in a session's journal: the last seq told, and the revision up to which all changes are told.

    `within`: where more of that revision's changes follow, the seq of the last one told.
    """

    seq: int = 0
    revision: int = 0
    within: int | None = None


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
        self._open: Counter[UUID] = Counter()

    @contextmanager
    def counted(self, requester: Requester) -> Iterator[None]:
        """Count an open stream. Raises Unavailable if there are MAX_STREAMS, or MAX_OWN_STREAMS of the requester's."""
        owner = requester.developer_id or requester.team_id
        if self._open[owner] >= MAX_OWN_STREAMS:
            raise Unavailable(f"You have {MAX_OWN_STREAMS} streams of sessions open on this server: close one, or try again later.")
        if self._open.total() >= MAX_STREAMS:
            raise Unavailable(f"{MAX_STREAMS} streams of sessions are open on this server: try again later.")
        self._open[owner] += 1
        try:
            yield
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]

    async def since(
        self, requester: Requester, session_id: UUID, position: StreamPosition
    ) -> tuple[Sequence[StreamedEvent], StreamPosition]:
        """Return up to a page of what came since, and the position after it. NotFound: it is gone, closed to them or another team's.

        What was said in another's session is left out: a stream records no reading (`prompts`).
        """
        requester.check("read")
        session = await self._journal.get(requester.team_id, session_id, closed=requester.closed)
        if position == StreamPosition():  # what is read from now on has what was filled in before
            position = StreamPosition(0, session.revision)
        elif session.revision <= position.revision and session.event_count <= position.seq and position.within is None:
            return (), position
        max_chars = TEXT_CHARS if session.is_by(requester.developer_id) else 0
        found, position = await self._changes(session_id, position, session.revision, max_chars)
        if position.within is not None:
            return found, position
        page = await self._browsing.read(session_id, after=position.seq, limit=PAGE, max_chars=max_chars)
        for seq, event in page.events:
            position = StreamPosition(seq, position.revision)
            found.append(StreamedEvent(seq, event, False, position))
        return found, position

    async def _changes(
        self, session_id: UUID, position: StreamPosition, revision: int, max_chars: int
    ) -> tuple[list[StreamedEvent], StreamPosition]:
        """Return a page of what was filled in since, and the position after it. `revision`: the session's, of before."""
        after = (position.revision, position.seq if position.within is None else position.within)
        changes = await self._browsing.changed(session_id, position.seq, after=after, limit=PAGE + 1, max_chars=max_chars)
        found = []
        for seq, changed, event in changes[:PAGE]:
            position = StreamPosition(position.seq, changed, seq)
            found.append(StreamedEvent(seq, event, True, position))
        if len(changes) <= PAGE:
            position = StreamPosition(position.seq, max(position.revision, revision))
        return found, position


def parse_position(given: str | None) -> StreamPosition:
    """Read a position as a stream's ids give it, `seq.revision` or `seq.revision.within`; None: the beginning. Raises InvalidInput."""
    if not given:
        return StreamPosition()
    numbers = given.split(".")
    if not (len(numbers) in {2, 3} and all(each.isdecimal() and len(each) <= MAX_DIGITS for each in numbers)):
        raise InvalidInput(
            ("last-event-id must be an id from this stream, such as 12.4. Leave it out to start from the beginning."), param="last-event-id"
        )
    return StreamPosition(*map(int, numbers))


def position_id(position: StreamPosition) -> str:
    """Write a position as a stream's id."""
    place = f"{position.seq}.{position.revision}"
    return place if position.within is None else f"{place}.{position.within}"
