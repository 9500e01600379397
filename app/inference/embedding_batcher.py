"""Batch embedding requests into shared calls: the first goes at once; while calls are in flight, others collect for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from app.inference.provider_errors import ProviderError
from app.inference.wires.wire import EmbeddingResult

MAX_TEXTS_SHARED, MAX_CHARS_SHARED = 128, 65_536
"""Size limits of a shared call; larger requests go alone, so that they don't hold up others."""


@dataclass(frozen=True, slots=True)
class BatchShare:
    """One request's share of a call: its vectors, and its part of the call's tokens."""

    vectors: Sequence[Sequence[float]]
    model: str | None
    tokens: int | None


@dataclass(slots=True, eq=False)
class BatchSlot:
    """One waiting request. `held_tokens`: the tokens held for it. `sent`: it is in a call, so it may cost."""

    texts: list[str]
    held_tokens: int
    future: asyncio.Future[BatchShare]
    sent: bool = False

    @property
    def chars(self) -> int:
        return sum(map(len, self.texts))

    @property
    def here(self) -> bool:
        return not self.future.done()


class EmbeddingBatcher:
    """Batches requests for one provider, model and parameter set: up to `max_requests` of them, or what comes within `seconds`."""

    def __init__(self, call: Callable[[list[str]], Awaitable[EmbeddingResult]], *, max_requests: int, seconds: float) -> None:
        self._call = call
        self._max_requests = max_requests
        self._seconds = seconds
        self._waiting: list[BatchSlot] = []
        self._timer: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[None]] = set()

    def seat(self, texts: list[str], *, held_tokens: int) -> BatchSlot:
        """Queue texts; await `seat.future`. A failed call raises ProviderError for each request in it, yet counts once for the breaker."""
        loop = asyncio.get_running_loop()
        seat = BatchSlot(texts, held_tokens, loop.create_future())
        if _fills([seat]):
            self._send_off([seat])
            return seat
        self._waiting.append(seat)
        if not self._calls or _fills(self._waiting) or len(self._waiting) >= self._max_requests:
            self._go()
        elif self._timer is None:
            self._timer = loop.call_later(self._seconds, self._go)
        return seat

    def _go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        taken = [each for each in self._waiting if each.here]  # cancelled requests are not sent
        self._waiting = []
        if taken:
            self._send_off(taken)

    def _send_off(self, taken: list[BatchSlot]) -> None:
        task = asyncio.create_task(self._send(taken), name="embeddings")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _send(self, taken: list[BatchSlot]) -> None:
        """Make one call, and cancel it once every requester has left."""
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
        except ProviderError as fault:
            if fault.kind == "caller" and len(taken) > 1:
                await self._each_alone(taken)
            else:
                _fail(taken, fault)
        except Exception as error:  # noqa: BLE001 - raised to the waiters
            _fail(taken, error)
        else:
            _share(taken, found)

    async def _each_alone(self, taken: list[BatchSlot]) -> None:
        """Retry each request in a call of its own: one was refused, and the refusal may quote its text to the others."""
        for seat in taken:
            if not seat.here:
                continue
            try:
                found = await self._call(seat.texts)
            except Exception as error:  # noqa: BLE001
                _fail([seat], error)
            else:
                _share([seat], found)


def _fills(seats: Sequence[BatchSlot]) -> bool:
    """Tell whether the requests take more than half of a call's limits: another might not fit."""
    texts, chars = sum(len(seat.texts) for seat in seats), sum(seat.chars for seat in seats)
    return texts > MAX_TEXTS_SHARED // 2 or chars > MAX_CHARS_SHARED // 2


def _fail(taken: list[BatchSlot], error: Exception) -> None:
    counted = False
    for seat in [seat for seat in taken if seat.here]:
        seat.future.set_exception(replace(error, echo=counted) if isinstance(error, ProviderError) else error)
        counted = True


def _share(taken: list[BatchSlot], found: EmbeddingResult) -> None:
    """Split the call's tokens in proportion to what is held for each; the remainder goes where the hold has room."""
    total = None if found.usage is None else found.usage.total
    held = sum(seat.held_tokens for seat in taken) or 1
    parts = [None if total is None else total * seat.held_tokens // held for seat in taken]
    rest = 0 if total is None else total - sum(part or 0 for part in parts)
    roomiest = sorted(range(len(taken)), key=lambda place: (parts[place] or 0) - taken[place].held_tokens)
    for number in range(rest):
        parts[roomiest[number % len(taken)]] = (parts[roomiest[number % len(taken)]] or 0) + 1
    start = 0
    for seat, tokens in zip(taken, parts, strict=True):
        if seat.here:
            seat.future.set_result(BatchShare(found.vectors[start : start + len(seat.texts)], found.model, tokens))
        start += len(seat.texts)
