"""Who waits in this process, and who is woken: of each group one for each ring, who passes it on when there may be more."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from app.queue.messages.message import Place

SLICES = 20

_Queue: TypeAlias = "OrderedDict[Waiter, None]"


class Waiter:
    """One who waits. Stands in its group's queue until it is rung, and again from then on: a ring during an attempt isn't lost."""

    def __init__(self, queue: _Queue) -> None:
        self._queue = queue
        self._rung = asyncio.Event()
        queue[self] = None

    @property
    def rung(self) -> bool:
        return self._rung.is_set()

    def ring(self) -> None:
        self._queue.pop(self, None)
        self._rung.set()

    async def wait(self, until: float) -> bool:
        """Whether it was rung before the loop's clock says `until`."""
        try:
            async with asyncio.timeout_at(until):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        self._queue[self] = None
        return True

    def leave(self) -> None:
        self._queue.pop(self, None)


class Bell:
    """No connection and no task for each waiter: a queue for each group."""

    def __init__(self) -> None:
        self._groups: dict[Place, dict[str, tuple[_Queue, set[Waiter]]]] = {}

    @contextmanager
    def waiting(self, place: Place, group: str) -> Iterator[Waiter]:
        """Stand in the queue of the group. Who leaves with a ring unanswered passes it on."""
        groups = self._groups.setdefault(place, {})
        queue, members = groups.setdefault(group, (OrderedDict(), set()))
        waiter = Waiter(queue)
        members.add(waiter)
        try:
            yield waiter
        finally:
            members.discard(waiter)
            waiter.leave()
            if waiter.rung:
                _ring_one(queue)
            if not members:
                groups.pop(group, None)
            if not groups:
                self._groups.pop(place, None)

    def ring(self, place: Place) -> None:
        """There is something in the place."""
        for queue, _ in self._groups.get(place, {}).values():
            _ring_one(queue)

    def ring_group(self, place: Place, group: str) -> None:
        queue, _ = self._groups.get(place, {}).get(group, (OrderedDict(), None))
        _ring_one(queue)

    def ring_everyone(self) -> None:
        """Nobody knows what was missed."""
        for groups in self._groups.values():
            for _, members in groups.values():
                for waiter in members:
                    waiter.ring()

    async def look_round(self, seconds: float) -> None:
        """For ever: each group's first is woken once in that time, spread over it. For what no ring tells: a silent consumer's messages."""
        while True:
            waiting = [(place, group) for place, groups in self._groups.items() for group in groups]
            for piece in range(SLICES):
                for place, group in waiting[piece::SLICES]:
                    self.ring_group(place, group)
                await asyncio.sleep(seconds / SLICES)


def _ring_one(queue: _Queue) -> None:
    if queue:
        next(iter(queue)).ring()
