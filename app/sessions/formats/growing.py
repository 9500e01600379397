"""Reads a transcript that grows, piece by piece, as the whole file would be read. Keeps the reader's state in memory, not the text."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator

from app.sessions.event import Event, Format, SessionHeader
from app.sessions.formats import RESUMED, ParseTally, parse, parse_growing
from app.sessions.formats.lines import Paused
from app.settings import SessionsSettings

TAIL_BYTES = 64


class GrowingTranscript:
    """The reader of one growing file. `offset`: bytes read. Where it isn't `resumed`, the pieces are kept until the end."""

    def __init__(self, format: Format, limits: SessionsSettings) -> None:  # noqa: A002 - the contract's word
        self.offset = 0
        self._pieces: deque[bytes] = deque()
        self._last = b""
        self._ended = False
        self.resumed = format in RESUMED
        read = parse_growing if self.resumed else parse
        self._parsed = read(self._source(), format=format, limits=limits, tally=ParseTally())

    @property
    def tail(self) -> str:
        """Hash of the last bytes read, up to TAIL_BYTES."""
        return tail_of(self._last)

    def feed(self, data: bytes, *, end: bool) -> list[SessionHeader | Event]:
        """Read the next bytes, and return what they complete. `end`: the file has no more, so calls without a result are returned too."""
        if data:
            self._pieces.append(data)
        self.offset += len(data)
        self._last = (self._last + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        self._ended = end
        found: list[SessionHeader | Event] = []
        if not (self.resumed or end):
            return found
        for each in self._parsed:
            if not isinstance(each, Paused):
                found.append(each)
            elif not self._pieces:
                break
        return found

    def _source(self) -> Iterator[bytes]:
        """Yield the pieces; an empty one where there are no more so far."""
        while self._pieces or not self._ended:
            yield self._pieces.popleft() if self._pieces else b""


def tail_of(data: bytes) -> str:
    """Hash the last TAIL_BYTES of a file's beginning."""
    return hashlib.sha256(data[-TAIL_BYTES:]).hexdigest()[:16]
