"""Much work in the event loop, taken in turns: exports and pages leave room for whoever asks a question meanwhile. Knows no route.

A question needs the loop a dozen times. Were each of ten exporters to work for a millisecond in between, it would take 120 ms more; with
turns and pauses it waits for one of them, every second time, whatever their number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from time import perf_counter
from typing import TypeVar

from starlette.requests import Request

T = TypeVar("T")

MAX_PAUSE_SECONDS = 0.05
"""A turn that waited for PostgreSQL didn't keep the loop for as long."""
MAX_WAIT_SECONDS = 2.0
ROWS_A_TURN = 25
"""Of an export: a millisecond or two."""


class Turns:
    """One at a time, in the order in which they asked; each turn ends with a pause as long as its work took.

    `clock` and `sleep`: in seconds; a test gives its own.
    """

    def __init__(
        self,
        *,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        clock: Callable[[], float] = perf_counter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._free = asyncio.Semaphore(1)
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock
        self._sleep = sleep

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; what is done within should end soon. One that hangs keeps nobody waiting for longer than `max_wait_seconds`."""
        ours = await self._acquired()
        try:
            began = self._clock()
            yield
            await self._sleep(min(MAX_PAUSE_SECONDS, self._clock() - began))
        finally:
            if ours:
                self._free.release()

    async def _acquired(self) -> bool:
        try:
            async with asyncio.timeout(self._max_wait_seconds):
                return await self._free.acquire()
        except TimeoutError:
            return False

    async def lines(self, head: str, entries: AsyncGenerator[T], line: Callable[[T], str]) -> AsyncGenerator[str]:
        """An export: the entries' lines, some at a time; no turn is held while they are sent."""
        async with aclosing(entries):
            yield head
            ended = False
            while not ended:
                written: list[str] = []
                async with self.turn():
                    while len(written) < ROWS_A_TURN and not ended:
                        try:
                            written.append(line(await anext(entries)))
                        except StopAsyncIteration:
                            ended = True
                if written:
                    yield "".join(written)


def exports_of(request: Request) -> Turns:
    """The application's: all exports share it."""
    found = request.app.state.exports
    assert isinstance(found, Turns)
    return found
