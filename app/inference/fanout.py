"""A stream read by many, each at its own pace: what it has said so far, from the beginning, then live.

Nobody holds anybody up and there are no queues: every reader has a place in one log, and of what is some way back only the text is left.
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
MOST_SAID_CHARS = 4096
"""In one chunk of ours."""
GONE = b""


@dataclass(slots=True)
class Place:
    """How far a reader has come."""

    at: int = 0


class Fanout:
    """`add` and `end` from the one who reads the provider; `read` for everybody. `head`: what the stream's chunks have in common."""

    def __init__(self, head: Callable[[], Mapping[str, Any]]) -> None:
        self.leader: Place | None = Place()
        """Whose stream it is: nothing is taken away before that one has read it. None: it left."""
        self.whole = True
        """Who begins to read now gets all of it."""
        self._head = head
        self._log: list[bytes | str] = []
        self._recent: deque[Piece] = deque()
        self._bytes = 0
        self._over = False
        self._error: CairnError | None = None
        self._news, self._read = asyncio.Event(), asyncio.Event()

    async def add(self, piece: Piece) -> None:
        """At once, unless the leader is far behind in what can't be shortened."""
        self._log.append(piece.raw)
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

    def end(self, error: CairnError | None = None) -> None:
        """Nothing more comes. With an error, every reader gets it after what was said."""
        self._over, self._error = True, error
        _pulse(self._news)

    def leave(self) -> None:
        """The leader reads no more."""
        self.leader = None
        _pulse(self._read)

    async def read(self, place: Place) -> AsyncGenerator[bytes]:
        """Every event from there on. Broken where the stream broke, or has gone on too far without this reader."""
        while True:
            while place.at < len(self._log):
                event = self._next(place)
                if place is self.leader:
                    _pulse(self._read)
                yield event
            if self._error is not None:
                raise self._error
            if self._over:
                return
            await self._news.wait()

    def _next(self, place: Place) -> bytes:
        found, first = self._log[place.at], place.at == 0
        if isinstance(found, bytes):
            if not found:
                raise Broken("This reader was too slow: the stream that it read along has gone on. Ask again.")
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
