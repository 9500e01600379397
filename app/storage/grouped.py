"""Group commit: batches concurrent small requests into few statements. No timer: an idle group runs at once, a busy one accumulates.

A caller gets its answer once its batch has run, so what the batch wrote is committed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Item, Answer]):
    """Batches items for `run`, which returns one answer per item, in order.

    An exception in an item's place fails that item alone; one that `run` raises fails the whole batch. `max_weight`: bound on a
    batch's total weight; a heavier item runs alone.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]],
        *,
        max_weight: int,
        name: str,
        weight: Callable[[Item], int] = lambda _: 1,
    ) -> None:
        self._run = run
        self._max_weight = max_weight
        self._weight = weight
        self._name = name
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._running: asyncio.Task[None] | None = None

    def submit(self, item: Item) -> asyncio.Future[Answer]:
        """Queue an item; return a future of its answer. The item runs even if nobody awaits it."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._drain(), name=self._name)
        return future

    async def finish(self) -> None:
        """Wait until everything submitted has run and the callbacks of its answers were called."""
        await asyncio.sleep(0)  # the loop calls the callbacks of answers one turn after it set them; they may submit more
        while self._running is not None and not self._running.done():
            await asyncio.wait([self._running])
            await asyncio.sleep(0)

    async def _drain(self) -> None:
        while self._waiting:
            taken = self._take()
            try:
                answers: Sequence[Answer | Exception] = await self._run([item for item, _ in taken])
            except Exception as error:  # noqa: BLE001 - whatever it is, the waiting callers get it
                answers = [error] * len(taken)
            for (_, future), answer in zip(taken, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                    future.exception()  # marks it as retrieved: the caller may be gone
                else:
                    future.set_result(answer)

    def _take(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        taken, room = [self._waiting.popleft()], self._max_weight
        room -= self._weight(taken[0][0])
        while self._waiting and (room := room - self._weight(self._waiting[0][0])) >= 0:
            taken.append(self._waiting.popleft())
        return taken
