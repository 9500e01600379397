"""The money of attempts: a hold before each, one end after it. What ends how is the table of docs/operations.md."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from app.budget import estimate as estimates
from app.budget import shrink
from app.budget.estimate import Estimate
from app.budget.holds import Attempt, Hold, Mark, Settlement
from app.budget.ledger import Ledger
from app.budget.prices import Usage
from app.inference.chain import Candidate
from app.inference.faults import Fault
from app.inference.parameters import thinking_tokens
from app.inference.request import Asker, ChatRequest, Receipt
from app.settings import Budget
from app.telemetry import metrics, traces
from app.tokens import count_images, count_text, image_chars

T = TypeVar("T")

READ = frozenset({"functions", "response_format", "tool_choice", "function_call", "stop", "logit_bias", "user", "reasoning_effort"})
"""Parameters beside the tools that a model may read."""
MOST_BYTES_COUNTED = 2**20
"""A larger prompt is taken for as many tokens as it has bytes, or as its provider's window holds: counting it would take seconds."""
MOST_BYTES_IN_THE_LOOP = 16_384
"""Longer texts are counted in a thread: tiktoken lets go of the interpreter, but takes 10 ms for 50 kB."""


class Meter:
    def __init__(self, ledger: Ledger, options: Budget) -> None:
        self.ledger = ledger
        self._options = options
        self._ending: set[asyncio.Task[Any]] = set()

    async def hold(self, request: ChatRequest, asker: Asker, candidate: Candidate, number: int, receipt: Receipt) -> Held:
        """BudgetExceeded, or DatabaseUnavailable: then nothing may be sent."""
        wanted = await self._estimate(request, candidate)
        attempt = Attempt(asker.request_id, number, candidate.name, candidate.model)
        if self._options.shrink:
            least = self._options.shrink_least_tokens
            hold, covered = await shrink.hold(self.ledger, asker.payer, attempt, wanted, price=candidate.price, least_tokens=least)
        else:
            hold, covered = await self.ledger.hold(asker.payer, attempt, wanted), wanted
        if covered.max_tokens < wanted.max_tokens:
            receipt.shrunk_to = covered.max_tokens
        return Held(self, hold, covered, candidate, receipt, asker)

    async def hold_texts(self, texts: list[str], asker: Asker, candidate: Candidate, number: int, receipt: Receipt) -> Held:
        """The same for embeddings."""

        def counted() -> Estimate:
            return estimates.of_embeddings(texts, model=candidate.model, kind=candidate.kind, price=candidate.price)

        wanted = await _counted(counted, sum(map(len, texts)))
        attempt = Attempt(asker.request_id, number, candidate.name, candidate.model)
        held = await self.ledger.hold(asker.payer, attempt, wanted)
        return Held(self, held, wanted, candidate, receipt, asker, operation="embeddings")

    async def close(self) -> None:
        """Wait for the ends that are still being written."""
        while self._ending:
            await asyncio.wait(self._ending)

    async def _estimate(self, request: ChatRequest, candidate: Candidate) -> Estimate:
        max_tokens = request.max_tokens or self._options.default_max_tokens + thinking_tokens(request.parameters)
        size = request.bytes - image_chars(request.messages)
        if size > MOST_BYTES_COUNTED:
            window = candidate.context_tokens
            pictured = count_images(request.messages, candidate.images)
            return estimates.of_size(
                size, pictured, context_tokens=window, price=candidate.price, max_tokens=max_tokens, choices=request.choices
            )

        def counted() -> Estimate:
            return estimates.of_chat(
                request.messages,
                tools=request.tools,
                model=candidate.model,
                kind=candidate.kind,
                price=candidate.price,
                max_tokens=max_tokens,
                choices=request.choices,
                extra={name: value for name, value in request.parameters.items() if name in READ},
                images=candidate.images,
            )

        return await _counted(counted, size)

    def write(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """In a task of its own: an end is written, whoever is cancelled meanwhile."""
        task = asyncio.create_task(work, name="end of a hold")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task


class Held:
    """One attempt's hold. The first end that it is given is the one that counts."""

    def __init__(
        self,
        meter: Meter,
        hold: Hold,
        estimate: Estimate,
        candidate: Candidate,
        receipt: Receipt,
        asker: Asker,
        *,
        operation: str = "chat",
    ) -> None:
        self._meter = meter
        self._operation = operation
        self._hold = hold
        self._candidate = candidate
        self._receipt = receipt
        self._asker = asker
        self._ended = False
        self._charged = False
        self.estimate = estimate
        self.charged = Usage()
        receipt.left = hold.left

    async def settle(self, usage: Usage | None, text: str, *, model: str | None, partial: bool = False) -> None:
        """At the provider's usage; without one at our own count of the prompt and of what was produced.

        The charge is known when this returns. A whole answer needn't wait until it is written: nothing else is held for it, and
        until then its hold stands, which is more.
        """
        end = self._begin_end(lambda: self._settled(usage, text, model=model, partial=partial))
        if end is None:
            return
        if usage is not None and not partial:
            self._charge(usage)
        else:
            await asyncio.shield(end)

    async def fail(self, error: BaseException) -> None:
        """A fault that came before anything was delivered; anything else (the caller left, a bug) leaves the outcome unknown."""
        if not isinstance(error, Fault):
            await self._end(lambda: self._unknown(type(error).__name__))
        elif error.usage is not None:
            await self.settle(error.usage, "", model=None)
        elif error.unknown:
            await self._end(lambda: self._unknown(error.kind))
        else:
            await self._end(self._nothing)

    def abandon(self, usage: Usage | None, text: str, *, model: str | None) -> None:
        """The caller left in mid-stream: settled from what was produced, in the background."""
        self._begin_end(lambda: self._settled(usage, text, model=model, partial=True))

    async def _settled(self, usage: Usage | None, text: str, *, model: str | None, partial: bool) -> None:
        mark: Mark = "usage"
        if usage is None:
            mark = "partial" if partial else "counted"
            produced = await _counted(lambda: count_text(text, model=self._candidate.model), len(text))
            usage = Usage(input=self.estimate.input_tokens, output=produced)
        cost = self._charge(usage)
        settlement = Settlement(usage, cost, mark, price=self._candidate.price, provider=self._candidate.name, model=model)
        with traces.span("budget settle"):
            await self._meter.ledger.settle(self._hold, settlement)

    def _charge(self, usage: Usage) -> int:
        """On the receipt, once; of the hold's own balance, what the hold didn't take is left again."""
        cost = self._candidate.price.cost(usage)
        if not self._charged:
            self._charged = True
            self.charged = usage
            self._receipt.nanousd += cost
            self._receipt.produced += usage.output
            self._asker.used(usage.total)
            if self._hold.left is not None:
                self._receipt.left = self._hold.left + self._hold.nanousd - cost
            who, asked = self._candidate.name, self._candidate.model
            metrics.tokens_charged(self._operation, who, asked, given=usage.input, produced=usage.output, nanousd=cost)
        return cost

    async def _nothing(self) -> None:
        await self._meter.ledger.release(self._hold)

    async def _unknown(self, why: str) -> None:
        """What costs nothing can't be owed: a free model's unknown outcome takes no tokens off the team's month but the prompt's."""
        if self._hold.nanousd == 0:
            await self._settled(None, "", model=None, partial=True)
            return
        self._receipt.nanousd += self._hold.nanousd
        self._asker.used(self.estimate.tokens)
        await self._meter.ledger.leave_unreconciled(self._hold, why)

    async def _end(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Counting and writing are one task of their own: whoever is cancelled meanwhile, it comes to its end."""
        if (task := self._begin_end(work)) is not None:
            await asyncio.shield(task)

    def _begin_end(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None] | None:
        """None: it has an end already."""
        if self._ended:
            return None
        self._ended = True
        return self._meter.write(work())


async def _counted(count: Callable[[], T], size: int) -> T:
    return count() if size <= MOST_BYTES_IN_THE_LOOP else await asyncio.to_thread(count)
