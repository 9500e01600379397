"""Fan one provider stream out to many readers, each at its own pace: from the beginning, then live.

Readers never block each other and there are no queues: each has a position in one shared log, whose older part is compacted to text.
The provider is read at most MAX_AHEAD_BYTES ahead of the fastest reader: while nobody reads, nothing more is paid for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import CairnError
from app.inference import cached_answer as answers
from app.inference.stream import BrokenStream, StreamPiece

RAW_WINDOW_BYTES = 32_768
"""Window in which chunks stay as the provider sent them; of older ones only the text stays, re-sent in a chunk of ours."""
STRUCTURED_WINDOW_BYTES = 2**20
"""Window for chunks that are more than text (reasoning, a second choice); readers further behind have lost them."""
MAX_AHEAD_BYTES = 65_536
"""The most that the provider is read ahead of the fastest reader."""
MAX_COMPACTED_CHARS = 4096
"""Text in one chunk that is made of compacted ones."""


@dataclass(slots=True, eq=False)
class ReaderPosition:
    """A reader's position in the log."""

    at: int = 0


class Fanout:
    """The log of one stream. The provider's reader calls `add` and `end`; everybody else `read`. `head`: fields common to all chunks.

    `unpaced`: returns True while someone waits for the whole answer, so that backpressure is off.
    """

    def __init__(self, head: Callable[[], Mapping[str, Any]], *, unpaced: Callable[[], bool] = lambda: False) -> None:
        self.leader: ReaderPosition | None = ReaderPosition()
        """The first requester's position: nothing that can't be compacted is discarded before it has read it. None: it left."""
        self.whole = True
        """False once something was discarded: a new reader would no longer get everything."""
        self._head = head
        self._unpaced = unpaced
        self._readers: set[ReaderPosition] = {self.leader}
        self._log: list[StreamPiece | str | None] = []
        """By position: the piece, later its text; None: discarded."""
        self._ends: list[int] = []
        self._recent: deque[StreamPiece] = deque()
        self._bytes = 0
        self._over = False
        self._error: CairnError | None = None
        self._news, self._read = asyncio.Event(), asyncio.Event()

    async def add(self, piece: StreamPiece) -> None:
        """Append a piece. Waits while every reader is far behind, or the leader is in chunks that can't be compacted."""
        self._log.append(piece)
        self._ends.append(len(piece.raw) + (self._ends[-1] if self._ends else 0))
        self._recent.append(piece)
        self._bytes += len(piece.raw)
        _wake(self._news)
        while self._recent and self._bytes > (STRUCTURED_WINDOW_BYTES if self._recent[0].text is None else RAW_WINDOW_BYTES):
            oldest = len(self._log) - len(self._recent)
            if self._recent[0].text is None:
                while self.leader is not None and self.leader.at <= oldest:
                    await self._read.wait()
                self.whole = False
            done = self._recent.popleft()
            self._bytes -= len(done.raw)
            self._log[oldest] = done.text
        while self._ahead() > MAX_AHEAD_BYTES and not self._unpaced():
            await self._read.wait()

    def recheck_backpressure(self) -> None:
        """Re-evaluate backpressure after a waiter for the whole answer came or left."""
        _wake(self._read)

    def _ahead(self) -> int:
        """Return the bytes that the fastest reader hasn't read yet; all of them if nobody reads."""
        furthest = max((place.at for place in self._readers), default=0)
        return self._ends[-1] - (self._ends[furthest - 1] if furthest else 0)

    def end(self, error: CairnError | None = None) -> None:
        """Close the log. With an error, every reader gets it after the remaining events."""
        self._over, self._error = True, error
        _wake(self._news)

    def detach_leader(self) -> None:
        """Detach the leader: it reads no more."""
        if self.leader is not None:
            self._readers.discard(self.leader)
        self.leader = None
        _wake(self._read)

    async def read(self, place: ReaderPosition) -> AsyncGenerator[StreamPiece]:
        """Yield every piece from a position on. Raises BrokenStream if the stream broke, or this reader fell too far behind."""
        self._readers.add(place)
        try:
            while True:
                while place.at < len(self._log):
                    piece = self._next(place)
                    _wake(self._read)
                    yield piece
                if self._error is not None:
                    raise self._error
                if self._over:
                    return
                await self._news.wait()
        finally:
            self._readers.discard(place)
            _wake(self._read)

    def _next(self, place: ReaderPosition) -> StreamPiece:
        found, first = self._log[place.at], place.at == 0
        if found is None:
            raise BrokenStream("Client too slow: the shared stream's buffer was discarded. Read faster, or send the request again.")
        if isinstance(found, StreamPiece):
            place.at += 1
            return found
        texts: list[str] = []
        chars = 0
        while chars < MAX_COMPACTED_CHARS and place.at < len(self._log) and isinstance(text := self._log[place.at], str):
            texts.append(text)
            chars += len(text)
            place.at += 1
        text = "".join(texts)
        return StreamPiece(answers.text_chunk(self._head(), text, first=first), text)


def _wake(event: asyncio.Event) -> None:
    """Wake all current waiters of an event."""
    event.set()
    event.clear()
