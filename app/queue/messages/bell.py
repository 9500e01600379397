"""Who waits in this process, and who is woken: of each group one for each ring, who passes it on when there may be more."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from app.part import Loop
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
        self._polled: list[tuple[Place, str]] = []
        self._slice = 0

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

    def loops(self, seconds: float) -> tuple[Loop, ...]:
        """Return the poll: each group's first is woken once in that time, for what no ring tells, a silent consumer's messages."""
        return (
            Loop(
                name="queue.messages.poll",
                step=self._ring_slice,
                pause=seconds / SLICES,
                meanwhile="Messages of a consumer that fell silent wait until another message comes.",
            ),
        )

    async def _ring_slice(self) -> None:
        """Wake the first of each group in the next slice of those that waited when the first slice was cut."""
        if self._slice == 0:
            self._polled = [(place, group) for place, groups in self._groups.items() for group in groups]
        for place, group in self._polled[self._slice :: SLICES]:
            self.ring_group(place, group)
        self._slice = (self._slice + 1) % SLICES


def _ring_one(queue: _Queue) -> None:
    if queue:
        next(iter(queue)).ring()
