"""A stream read by many, each at its own pace: what it has said so far, from the beginning, then live.

No reader holds another up and there are no queues: every reader has a place in one log, and of what is some way back only the text is
left. The provider is read no further than a bounded piece ahead of the fastest reader: while nobody reads, nothing more is paid for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import CairnError
from app.inference import stored as answers
from app.inference.stream import Broken, Piece

AS_IT_CAME_BYTES = 32_768
"""So far back chunks stay as the provider sent them; of older ones the text stays, and is said in a chunk of ours."""
MOST_BYTES = 2**20
"""So far back stay chunks that are more than text (reasoning, a second choice). Who is behind that has lost them."""
MAX_AHEAD_BYTES = 65_536
"""So far the provider may be read ahead of the fastest reader."""
MOST_SAID_CHARS = 4096
"""In one chunk of ours."""
GONE = b""


@dataclass(slots=True, eq=False)
class Place:
    """How far a reader has come."""

    at: int = 0


class Fanout:
    """`add` and `end` from the one who reads the provider; `read` for everybody. `head`: what the stream's chunks have in common.

    `unpaced`: whether somebody waits for the whole answer, so that it is read as fast as it comes.
    """

    def __init__(self, head: Callable[[], Mapping[str, Any]], *, unpaced: Callable[[], bool] = lambda: False) -> None:
        self.leader: Place | None = Place()
        """Whose stream it is: nothing is taken away before that one has read it. None: it left."""
        self.whole = True
        """Who begins to read now gets all of it."""
        self._head = head
        self._unpaced = unpaced
        self._readers: set[Place] = {self.leader}
        self._log: list[bytes | str] = []
        self._ends: list[int] = []
        self._recent: deque[Piece] = deque()
        self._bytes = 0
        self._over = False
        self._error: CairnError | None = None
        self._news, self._read = asyncio.Event(), asyncio.Event()

    async def add(self, piece: Piece) -> None:
        """Return at once, unless every reader is far behind, or the leader in what can't be shortened."""
        self._log.append(piece.raw)
        self._ends.append(len(piece.raw) + (self._ends[-1] if self._ends else 0))
        self._recent.append(piece)
        self._bytes += len(piece.raw)
        _pulse(self._news)
        while self._recent and self._bytes > (MOST_BYTES if self._recent[0].text is None else AS_IT_CAME_BYTES):
            oldest = len(self._log) - len(self._recent)
            if self._recent[0].text is None:
                while self.leader is not None and self.leader.at <= oldest:
                    await self._read.wait()
                self.whole = False
            done = self._recent.popleft()
            self._bytes -= len(done.raw)
            self._log[oldest] = GONE if done.text is None else done.text
        while self._ahead() > MAX_AHEAD_BYTES and not self._unpaced():
            await self._read.wait()

    def look_again(self) -> None:
        """Somebody came or left who waits for the whole answer."""
        _pulse(self._read)

    def _ahead(self) -> int:
        """How many bytes the fastest reader hasn't read yet; all, where nobody has begun."""
        furthest = max((place.at for place in self._readers), default=0)
        return self._ends[-1] - (self._ends[furthest - 1] if furthest else 0)

    def end(self, error: CairnError | None = None) -> None:
        """Nothing more comes. With an error, every reader gets it after what was said."""
        self._over, self._error = True, error
        _pulse(self._news)

    def leave(self) -> None:
        """The leader reads no more."""
        if self.leader is not None:
            self._readers.discard(self.leader)
        self.leader = None
        _pulse(self._read)

    async def read(self, place: Place) -> AsyncGenerator[bytes]:
        """Every event from there on. Broken where the stream broke, or has gone on too far without this reader."""
        self._readers.add(place)
        try:
            while True:
                while place.at < len(self._log):
                    event = self._next(place)
                    _pulse(self._read)
                    yield event
                if self._error is not None:
                    raise self._error
                if self._over:
                    return
                await self._news.wait()
        finally:
            self._readers.discard(place)
            _pulse(self._read)

    def _next(self, place: Place) -> bytes:
        found, first = self._log[place.at], place.at == 0
        if isinstance(found, bytes):
            if not found:
                raise Broken("Client too slow: the shared stream's buffer was discarded. Read faster, or ask again.")
            place.at += 1
            return found
        texts: list[str] = []
        chars = 0
        while chars < MOST_SAID_CHARS and place.at < len(self._log) and isinstance(text := self._log[place.at], str):
            texts.append(text)
            chars += len(text)
            place.at += 1
        return answers.said(self._head(), "".join(texts), first=first)


def _pulse(event: asyncio.Event) -> None:
    """Wake those who wait now."""
    event.set()
    event.clear()
