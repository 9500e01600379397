"""One question under way, and who waits for its answer. It goes on as long as somebody does, whoever asked first; it is paid once.

Knows no cache and no keys: what is asked, and what becomes of the answer, is its owner's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass

from app.budget.requests import RequestOutcome
from app.errors import BudgetExceeded, CairnError
from app.inference.fanout import Fanout, Place
from app.inference.outcomes import outcome_of
from app.inference.request import Answer, Receipt, Tier
from app.inference.stored import Stored
from app.inference.stream import Broken, Stream


@dataclass(frozen=True, slots=True)
class Found:
    """A whole answer, and where it was. `similarity`: it is another prompt's, so much like this one."""

    stored: Stored
    tier: Tier
    similarity: float | None = None


class Stopped(Exception):
    """The work ended without an answer: nobody wanted it any more, the server stops, or it is broken."""


class Flight:
    """Whoever wants the answer joins, and leaves once. With the last one the work ends, unless it has landed.

    `opened`: the stream, once it has begun; None where the answer comes in one piece. `landed`: the whole answer; None where it is none
    that can be given in one piece. Both raise what went wrong.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[Stream | None] = loop.create_future()
        self.landed: asyncio.Future[Found | None] = loop.create_future()
        self.fanout: Fanout | None = None
        self.answer: Answer | None = None
        """The first one's own, where a provider gave it in one piece."""
        self.private = False
        """It was made smaller than was asked for, since the first one's budget is: for nobody else."""
        self._here = 0
        self._waiting = 0
        self._led = True
        self._task: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether one may still join: there is, or will be, an answer, and all of it can be had."""
        if self.private:
            return False
        if self.landed.done():
            return self.landed.exception() is None and self.landed.result() is not None
        return self._here > 0 and (self.fanout is None or self.fanout.whole)

    def begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """`work` calls `land`, before it `stream` where the answer is one. What it raises is for those who wait."""
        self._task = asyncio.create_task(self._run(work), name="answer under way")
        self._task.add_done_callback(lambda _: self._failed(Stopped()))  # it may end before its first step
        return self._task

    @property
    def leading(self) -> Place:
        """The first one's place in the stream, once that has begun."""
        assert self.fanout is not None
        assert self.fanout.leader is not None
        return self.fanout.leader

    def join(self) -> None:
        self._here += 1

    async def whole(self) -> Found | None:
        """Wait for the whole answer. Until then a stream is read as fast as it comes."""
        self._wait(1)
        try:
            return await asyncio.shield(self.landed)
        finally:
            self._wait(-1)

    async def over(self) -> None:
        """Wait until the work has ended, and what may be kept of it is kept. Holds nobody up; raises nothing of what went wrong."""
        assert self._task is not None
        await asyncio.wait([self._task])

    def _wait(self, count: int) -> None:
        self._waiting += count
        if self.fanout is not None:
            self.fanout.look_again()

    async def leave(self) -> None:
        """Returns once the work has ended, where it was for nobody else."""
        self._here -= 1
        if self._here == 0 and not self.landed.done():
            assert self._task is not None
            self._task.cancel()
            await asyncio.wait([self._task])

    def unled(self) -> None:
        """The first one reads no more: nothing waits for it."""
        self._led = False
        if self.fanout is not None:
            self.fanout.leave()

    async def stream(self, stream: Stream) -> None:
        """It has begun. Returns when it has been read to its end."""
        self.fanout = Fanout(lambda: stream.head, unpaced=lambda: self._waiting > 0)
        if not self._led:
            self.fanout.leave()
        self.opened.set_result(stream)
        async with aclosing(stream.pieces()) as pieces:
            async for piece in pieces:
                await self.fanout.add(piece)

    def land(self, found: Found | None) -> None:
        """The answer, for those who wait for all of it; and the end, for those who read along."""
        if not self.opened.done():
            self.opened.set_result(None)
        self.landed.set_result(found)
        if self.fanout is not None:
            self.fanout.end()

    async def _run(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            self._failed(Stopped())
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if self.landed.done():
            return
        for future in (self.opened, self.landed):
            if not future.done():
                future.set_exception(error)
                future.exception()  # perhaps nobody asks for it
        if self.fanout is not None:
            told = error if isinstance(error, CairnError) else Broken("The stream that was read along was stopped. Ask again.")
            self.fanout.end(told)


def shared(error: BaseException) -> bool:
    """Whether it would happen to those who wait as well. Another's empty budget, or a stream that broke, would not."""
    return isinstance(error, CairnError) and not isinstance(error, BudgetExceeded | Broken)


class Reading:
    """A stream under way, read from its beginning. Whoever has one has joined the flight; it leaves by itself at the end.

    `ended` hears the receipt and the outcome of what this reader got, once.
    """

    def __init__(
        self,
        flight: Flight,
        stream: Stream,
        receipt: Receipt,
        place: Place,
        *,
        usage_asked: bool,
        ended: Callable[[Receipt, RequestOutcome], None],
    ) -> None:
        self.receipt = receipt
        self._flight = flight
        self._stream = stream
        self._place = place
        self._leading = receipt is stream.receipt
        self._usage_asked = usage_asked
        self._ended = ended
        self._left = False

    async def events(self) -> AsyncGenerator[bytes]:
        """Broken, when it broke for the one who asked first, or has gone on without us."""
        outcome = RequestOutcome.CALLER_LEFT
        fanout = self._flight.fanout
        assert fanout is not None
        try:
            async with aclosing(fanout.read(self._place)) as events:
                async for event in events:
                    yield event
            if not self._leading:
                told = self._stream.receipt
                self.receipt.saved, self.receipt.provider, self.receipt.model = told.nanousd, told.provider, told.model
            outcome = RequestOutcome.ANSWERED
            if self._usage_asked:
                yield self._stream.usage(self.receipt)
        except CairnError as error:
            outcome = outcome_of(error)
            raise
        finally:
            await self._leave(outcome)

    async def abandon(self) -> None:
        """Nobody will read it."""
        await self._leave(RequestOutcome.CALLER_LEFT)

    async def _leave(self, outcome: RequestOutcome) -> None:
        if self._left:
            return
        self._left = True
        if self._leading:
            self._flight.unled()
        self._ended(self.receipt, outcome)
        await self._flight.leave()
