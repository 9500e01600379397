"""Waiting consumers of this process. A message wakes one waiter of each group of its channel, which wakes the next if there may be more."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from app.part import Loop
from app.queue.messages.message import Channel

SLICES = 20
"""Parts of a poll period: groups are woken in turn, not all at the same moment."""

_Queue: TypeAlias = "OrderedDict[Waiter, None]"


class Waiter:
    """A consumer waiting in its group's queue. It rejoins the queue once woken, so a wake-up during its attempt isn't lost."""

    def __init__(self, queue: _Queue) -> None:
        self._queue = queue
        self._woken = asyncio.Event()
        queue[self] = None

    @property
    def woken(self) -> bool:
        return self._woken.is_set()

    def wake(self) -> None:
        self._queue.pop(self, None)
        self._woken.set()

    async def wait(self, until: float) -> bool:
        """Wait to be woken until the loop's clock reaches `until`; return whether it was."""
        try:
            async with asyncio.timeout_at(until):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        self._queue[self] = None
        return True

    def leave(self) -> None:
        """Leave the queue."""
        self._queue.pop(self, None)


class Waiters:
    """The queues of waiters, one for each group; needs no connection or task per waiter."""

    def __init__(self) -> None:
        self._groups: dict[Channel, dict[str, tuple[_Queue, set[Waiter]]]] = {}
        self._polled: list[tuple[Channel, str]] = []
        self._slice = 0

    @contextmanager
    def waiting(self, channel: Channel, group: str) -> Iterator[Waiter]:
        """Queue a waiter for the length of the block. One that leaves with a wake-up unused passes it on to the next."""
        groups = self._groups.setdefault(channel, {})
        queue, members = groups.setdefault(group, (OrderedDict(), set()))
        waiter = Waiter(queue)
        members.add(waiter)
        try:
            yield waiter
        finally:
            members.discard(waiter)
            waiter.leave()
            if waiter.woken:
                _wake_one(queue)
            if not members:
                groups.pop(group, None)
            if not groups:
                self._groups.pop(channel, None)

    def wake(self, channel: Channel) -> None:
        """Wake one waiter of each of the channel's groups: a message has arrived."""
        for queue, _ in self._groups.get(channel, {}).values():
            _wake_one(queue)

    def wake_group(self, channel: Channel, group: str) -> None:
        """Wake the group's first waiter: there may be more messages."""
        queue, _ = self._groups.get(channel, {}).get(group, (OrderedDict(), None))
        _wake_one(queue)

    def wake_all(self) -> None:
        """Wake every waiter: notifications may have been missed."""
        for groups in self._groups.values():
            for _, members in groups.values():
                for waiter in members:
                    waiter.wake()

    def loops(self, seconds: float) -> tuple[Loop, ...]:
        """Return the loop that wakes each group's first waiter once per `seconds`: an expired lease causes no notification."""
        return (
            Loop(
                name="queue.messages.poll",
                step=self._wake_slice,
                pause=seconds / SLICES,
                meanwhile="Unacknowledged messages are redelivered only when another message arrives.",
            ),
        )

    async def _wake_slice(self) -> None:
        """Wake the first waiter of each group in the next slice. The groups are listed anew with each first slice."""
        if self._slice == 0:
            self._polled = [(channel, group) for channel, groups in self._groups.items() for group in groups]
        for channel, group in self._polled[self._slice :: SLICES]:
            self.wake_group(channel, group)
        self._slice = (self._slice + 1) % SLICES


def _wake_one(queue: _Queue) -> None:
    if queue:
        next(iter(queue)).wake()
