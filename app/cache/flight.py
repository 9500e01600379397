"""One flight for many: who asks for what is already under way waits for it, instead of asking again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Got = TypeVar("Got")


class SingleFlight(Generic[Got]):
    """The work goes on as long as somebody waits for it; when the last one left, it is cancelled."""

    def __init__(self) -> None:
        self._flights: dict[bytes, _Flight[Got]] = {}

    async def do(self, key: bytes, work: Callable[[], Coroutine[Any, Any, Got]]) -> tuple[Got, bool]:
        """The work's result (or its error), and whether it was this caller's own: then it pays."""
        flight = self._flights.get(key)
        own = flight is None
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(work(), name="flight"))
            flight.task.add_done_callback(lambda _: self._flights.pop(key, None) if self._flights.get(key) is flight else None)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task), own
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.task.done():
                self._flights.pop(key, None)
                flight.task.cancel()

    def __len__(self) -> int:
        return len(self._flights)


class _Flight(Generic[Got]):
    def __init__(self, task: asyncio.Task[Got]) -> None:
        self.task = task
        self.waiting = 0
