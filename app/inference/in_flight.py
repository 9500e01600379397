"""Single flight: one request in progress, shared by all who ask the same. It goes on while anybody waits, and is paid once.

Knows no cache and no keys: what is asked, and what is done with the answer, is the owner's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass

from app.budget.prices import TokenUsage
from app.budget.requests import RequestOutcome
from app.errors import BudgetExceeded, CairnError
from app.inference.cached_answer import CachedAnswer
from app.inference.fanout import Fanout, ReaderPosition
from app.inference.outcomes import outcome_of
from app.inference.request import CompletionAnswer, Receipt, Tier
from app.inference.stream import BrokenStream, Stream, StreamPiece


@dataclass(frozen=True, slots=True)
class FoundAnswer:
    """A whole answer and the cache tier it came from. `similarity`: cosine to the other prompt whose answer it is."""

    stored: CachedAnswer
    tier: Tier
    similarity: float | None = None


class Stopped(Exception):
    """The work ended without an answer: everybody left, the server stops, or it failed."""


class InFlightRequest:
    """A request in progress. Whoever wants its answer calls `join` and `leave` once; when the last one leaves, it is cancelled.

    `opened`: the stream once its first token has come; None if the answer comes whole. `answer_ready`: the whole answer; None if it
    can't be given whole (broken off, or more than text). Both futures raise the error on failure.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[Stream | None] = loop.create_future()
        self.answer_ready: asyncio.Future[FoundAnswer | None] = loop.create_future()
        self.fanout: Fanout | None = None
        self.answer: CompletionAnswer | None = None
        """The engine's own answer, for the first requester, if it came whole."""
        self.private = False
        """The answer was shrunk to the first requester's budget, or disputed: not shared."""
        self._members = 0
        self._waiting = 0
        self._has_leader = True
        self._task: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """True while others may join: an answer exists or will, and all of it can still be read."""
        if self.private:
            return False
        if self.answer_ready.done():
            return self.answer_ready.exception() is None and self.answer_ready.result() is not None
        return self._members > 0 and (self.fanout is None or self.fanout.whole)

    def begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start the work. It must call `land`, and before that `stream` if the answer streams; its errors go to the waiters."""
        self._task = asyncio.create_task(self._run(work), name="answer under way")
        self._task.add_done_callback(lambda _: self._failed(Stopped()))  # cancelled before its first step, the task never runs
        return self._task

    @property
    def leading(self) -> ReaderPosition:
        """The first requester's position in the stream, once that has begun."""
        assert self.fanout is not None
        assert self.fanout.leader is not None
        return self.fanout.leader

    def join(self) -> None:
        self._members += 1

    async def whole(self) -> FoundAnswer | None:
        """Wait for the whole answer; meanwhile a stream is read without backpressure."""
        self._wait(1)
        try:
            return await asyncio.shield(self.answer_ready)
        finally:
            self._wait(-1)

    async def over(self) -> None:
        """Wait until the work has ended and its answer is stored. Keeps nothing alive; raises none of the work's errors."""
        assert self._task is not None
        await asyncio.wait([self._task])

    def _wait(self, count: int) -> None:
        self._waiting += count
        if self.fanout is not None:
            self.fanout.recheck_backpressure()

    async def leave(self) -> None:
        """Leave; the last one to leave cancels the work and waits for its end."""
        self._members -= 1
        if self._members == 0 and not self.answer_ready.done():
            assert self._task is not None
            self._task.cancel()
            await asyncio.wait([self._task])

    def detach_leader(self) -> None:
        """Detach the first requester: backpressure no longer waits for it."""
        self._has_leader = False
        if self.fanout is not None:
            self.fanout.detach_leader()

    async def stream(self, stream: Stream) -> None:
        """Publish a stream that has begun, and read it to its end."""
        self.fanout = Fanout(lambda: stream.head, unpaced=lambda: self._waiting > 0)
        if not self._has_leader:
            self.fanout.detach_leader()
        self.opened.set_result(stream)
        async with aclosing(stream.pieces()) as pieces:
            async for piece in pieces:
                await self.fanout.add(piece)

    def publish_answer(self, found: FoundAnswer | None) -> None:
        """Publish the whole answer, or None, and close the fan-out."""
        if not self.opened.done():
            self.opened.set_result(None)
        self.answer_ready.set_result(found)
        if self.fanout is not None:
            self.fanout.end()

    async def _run(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            self._failed(Stopped())
            raise
        except Exception as error:  # noqa: BLE001 - raised to the waiters
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if self.answer_ready.done():
            return
        for future in (self.opened, self.answer_ready):
            if not future.done():
                future.set_exception(error)
                future.exception()  # mark as retrieved: there may be no waiter
        if self.fanout is not None:
            raised = error if isinstance(error, CairnError) else BrokenStream("The shared stream was stopped. Send the request again.")
            self.fanout.end(raised)


def shared(error: BaseException) -> bool:
    """Tell whether an error concerns followers too. Another's exhausted budget, or a broken stream, does not."""
    return isinstance(error, CairnError) and not isinstance(error, BudgetExceeded | BrokenStream)


class StreamReading:
    """One requester's view of an in-flight stream, from its beginning. Creating it needs a `join`; it leaves by itself at the end.

    `ended` is called once, with this reader's receipt and outcome.
    """

    def __init__(
        self,
        flight: InFlightRequest,
        stream: Stream,
        receipt: Receipt,
        place: ReaderPosition,
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

    @property
    def charged(self) -> TokenUsage:
        """The tokens of the shared stream. Known once the pieces are exhausted."""
        return self._stream.charged

    async def events(self) -> AsyncGenerator[bytes]:
        """Yield the events. Raises BrokenStream if the stream broke, or this reader fell too far behind."""
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                if piece.raw:
                    yield piece.raw
        if self._usage_asked:
            yield self._stream.usage(self.receipt)

    async def pieces(self) -> AsyncGenerator[StreamPiece]:
        """Yield the same as pieces, without the usage."""
        outcome = RequestOutcome.CALLER_LEFT
        fanout = self._flight.fanout
        assert fanout is not None
        try:
            async with aclosing(fanout.read(self._place)) as pieces:
                async for piece in pieces:
                    yield piece
            if not self._leading:
                source = self._stream.receipt
                self.receipt.saved, self.receipt.provider, self.receipt.model = source.nanousd, source.provider, source.model
            outcome = RequestOutcome.ANSWERED
        except CairnError as error:
            outcome = outcome_of(error)
            raise
        finally:
            await self._leave(outcome)

    async def abandon(self) -> None:
        """Leave without reading."""
        await self._leave(RequestOutcome.CALLER_LEFT)

    async def _leave(self, outcome: RequestOutcome) -> None:
        if self._left:
            return
        self._left = True
        if self._leading:
            self._flight.detach_leader()
        self._ended(self.receipt, outcome)
        await self._flight.leave()
