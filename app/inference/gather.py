"""Several requests in one call: the first goes at once; while calls are under way others wait for each other, a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from app.inference.faults import Fault
from app.inference.wires.wire import Embedded


@dataclass(frozen=True, slots=True)
class Share:
    """One request's part of a call: its vectors, and which of the call's tokens are its own."""

    vectors: Sequence[Sequence[float]]
    model: str | None
    tokens: int | None


class Gather:
    """Of one provider, model and set of parameters. `most` requests or `seconds`, whichever is first."""

    def __init__(self, call: Callable[[list[str]], Awaitable[Embedded]], *, most: int, seconds: float) -> None:
        self._call = call
        self._most = most
        self._seconds = seconds
        self._waiting: list[tuple[list[str], asyncio.Future[Share]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def submit(self, texts: list[str]) -> Share:
        """Fault when the call fails: everybody's, but only the first one's counts for the breaker."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Share] = loop.create_future()
        self._waiting.append((texts, future))
        if not self._calls or len(self._waiting) >= self._most:
            self._go()
        elif self._timer is None:
            self._timer = loop.call_later(self._seconds, self._go)
        return await future

    def _go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        taken = [each for each in self._waiting if not each[1].done()]  # who left is not sent
        self._waiting = []
        if taken:
            task = asyncio.create_task(self._send(taken), name="embeddings")
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _send(self, taken: list[tuple[list[str], asyncio.Future[Share]]]) -> None:
        """Hangs up once everybody who waited for it has left."""
        this = asyncio.current_task()

        def left(_: object) -> None:
            if this is not None and all(future.done() for _, future in taken):
                this.cancel()

        for _, future in taken:
            future.add_done_callback(left)
        try:
            found = await self._call([text for texts, _ in taken for text in texts])
        except asyncio.CancelledError:
            for _, future in taken:
                future.cancel()
        except Exception as error:  # noqa: BLE001 - it is the answer of those who wait
            for place, (_, future) in enumerate(taken):
                if not future.done():
                    future.set_exception(replace(error, echo=place > 0) if isinstance(error, Fault) else error)
        else:
            self._share(taken, found)

    def _share(self, taken: list[tuple[list[str], asyncio.Future[Share]]], found: Embedded) -> None:
        """Tokens are shared out by length; the first bears what doesn't divide."""
        chars = [sum(map(len, texts)) or 1 for texts, _ in taken]
        total = None if found.usage is None else found.usage.total
        parts = [None if total is None else total * each // sum(chars) for each in chars]
        if total is not None:
            parts[0] = (parts[0] or 0) + total - sum(part or 0 for part in parts)
        start = 0
        for (texts, future), tokens in zip(taken, parts, strict=True):
            if not future.done():
                future.set_result(Share(found.vectors[start : start + len(texts)], found.model, tokens))
            start += len(texts)
