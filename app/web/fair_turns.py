"""Cooperative scheduling of long work in the event loop: exports and pages take turns, so that queries stay fast. Knows no route.

A query needs the loop a dozen times. If each of ten exports worked for a millisecond in between, it would take 120 ms more; with turns
and pauses it waits for at most one of them, every second time, whatever their number.
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
"""Upper bound of the pause: a turn that waited for PostgreSQL did not block the loop all that time."""
MAX_WAIT_SECONDS = 2.0
ROWS_A_TURN = 25
"""Rows of an export per turn: one or two milliseconds of work."""


class FairTurns:
    """A fair lock (first come, first served) whose turns each end with a pause as long as the work took.

    `clock` and `sleep`: in seconds, replaced in tests.
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
        """Wait for a turn, at most `max_wait_seconds`: then the work goes on without one, so that a hanging turn blocks nobody."""
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
        """Yield an export: `head`, then the entries' lines, ROWS_A_TURN per turn. No turn is held while they are sent."""
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


def exports_of(request: Request) -> FairTurns:
    """Return the application's turns, which all exports share."""
    found = request.app.state.exports
    assert isinstance(found, FairTurns)
    return found
