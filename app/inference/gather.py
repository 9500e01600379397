"""Several requests in one call: the first goes at once; while calls are under way others wait for each other, a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from app.inference.faults import Fault
from app.inference.wires.wire import Embedded

MOST_TEXTS_SHARED, MOST_CHARS_SHARED = 128, 65_536
"""Of one call that several share: larger requests go alone, so that nobody's are in anybody's way."""


@dataclass(frozen=True, slots=True)
class Share:
    """One request's part of a call: its vectors, and which of the call's tokens are its own."""

    vectors: Sequence[Sequence[float]]
    model: str | None
    tokens: int | None


@dataclass(slots=True, eq=False)
class Seat:
    """One request that waits. `most_tokens`: what is held for it. `sent`: from then on it may cost."""

    texts: list[str]
    most_tokens: int
    future: asyncio.Future[Share]
    sent: bool = False

    @property
    def chars(self) -> int:
        return sum(map(len, self.texts))

    @property
    def here(self) -> bool:
        return not self.future.done()


class Gather:
    """Of one provider, model and set of parameters. `most` requests or `seconds`, whichever is first."""

    def __init__(self, call: Callable[[list[str]], Awaitable[Embedded]], *, most: int, seconds: float) -> None:
        self._call = call
        self._most = most
        self._seconds = seconds
        self._waiting: list[Seat] = []
        self._timer: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[None]] = set()

    def seat(self, texts: list[str], *, most_tokens: int) -> Seat:
        """To be waited for: `await seat.future`. Fault when the call fails: everybody's, but the breaker hears of one."""
        loop = asyncio.get_running_loop()
        seat = Seat(texts, most_tokens, loop.create_future())
        if _fills([seat]):
            self._send_off([seat])
            return seat
        self._waiting.append(seat)
        if not self._calls or _fills(self._waiting) or len(self._waiting) >= self._most:
            self._go()
        elif self._timer is None:
            self._timer = loop.call_later(self._seconds, self._go)
        return seat

    def _go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        taken = [each for each in self._waiting if each.here]  # who left is not sent
        self._waiting = []
        if taken:
            self._send_off(taken)

    def _send_off(self, taken: list[Seat]) -> None:
        task = asyncio.create_task(self._send(taken), name="embeddings")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _send(self, taken: list[Seat]) -> None:
        """Hangs up once everybody who waited for it has left."""
        this = asyncio.current_task()

        def left(_: object) -> None:
            if this is not None and not any(seat.here for seat in taken):
                this.cancel()

        for seat in taken:
            seat.sent = True
            seat.future.add_done_callback(left)
        try:
            found = await self._call([text for seat in taken for text in seat.texts])
        except asyncio.CancelledError:
            for seat in taken:
                seat.future.cancel()
        except Fault as fault:
            if fault.kind == "caller" and len(taken) > 1:
                await self._each_alone(taken)
            else:
                _fail(taken, fault)
        except Exception as error:  # noqa: BLE001 - it is the answer of those who wait
            _fail(taken, error)
        else:
            _share(taken, found)

    async def _each_alone(self, taken: list[Seat]) -> None:
        """One of them is refused, and the refusal may quote it: nobody else is to hear that."""
        for seat in taken:
            if not seat.here:
                continue
            try:
                found = await self._call(seat.texts)
            except Exception as error:  # noqa: BLE001
                _fail([seat], error)
            else:
                _share([seat], found)


def _fills(seats: Sequence[Seat]) -> bool:
    """More than half of what a call may hold: another one might not fit beside it."""
    texts, chars = sum(len(seat.texts) for seat in seats), sum(seat.chars for seat in seats)
    return texts > MOST_TEXTS_SHARED // 2 or chars > MOST_CHARS_SHARED // 2


def _fail(taken: list[Seat], error: Exception) -> None:
    counted = False
    for seat in [seat for seat in taken if seat.here]:
        seat.future.set_exception(replace(error, echo=counted) if isinstance(error, Fault) else error)
        counted = True


def _share(taken: list[Seat], found: Embedded) -> None:
    """Tokens are shared out by what is held for each; what doesn't divide goes to whoever has room for it."""
    total = None if found.usage is None else found.usage.total
    held = sum(seat.most_tokens for seat in taken) or 1
    parts = [None if total is None else total * seat.most_tokens // held for seat in taken]
    rest = 0 if total is None else total - sum(part or 0 for part in parts)
    roomiest = sorted(range(len(taken)), key=lambda place: (parts[place] or 0) - taken[place].most_tokens)
    for number in range(rest):
        parts[roomiest[number % len(taken)]] = (parts[roomiest[number % len(taken)]] or 0) + 1
    start = 0
    for seat, tokens in zip(taken, parts, strict=True):
        if seat.here:
            seat.future.set_result(Share(found.vectors[start : start + len(seat.texts)], found.model, tokens))
        start += len(seat.texts)
