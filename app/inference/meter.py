"""The money of attempts: a hold before each, one end after it. What ends how is the table of docs/operations.md."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import structlog

from app.budget import estimate as estimates
from app.budget import shrink
from app.budget.estimate import Estimate
from app.budget.holds import Attempt, Hold, Mark, Settlement
from app.budget.ledger import Ledger
from app.budget.prices import Usage
from app.inference import allowance
from app.inference.allowance import off_the_loop
from app.inference.breaker import Ticket
from app.inference.chain import Candidate
from app.inference.faults import Fault
from app.inference.parameters import thinking_tokens, thinks
from app.inference.request import Asker, ChatRequest, Receipt
from app.settings import Budget
from app.telemetry import metrics, traces
from app.tokens import count_images, count_text, image_chars

log = structlog.get_logger()

READ = frozenset({"functions", "response_format", "tool_choice", "function_call", "stop", "logit_bias", "user", "reasoning_effort"})
"""Parameters beside the tools that a model may read."""
MOST_BYTES_COUNTED = 2**20
"""A larger prompt is taken for as many tokens as it has bytes, or as its provider's window holds: counting it would take seconds."""
Disputed = Literal["output", "usage"]
"""What of an answer can't be true: how long it is, or the usage that is reported for it."""


class Meter:
    def __init__(self, ledger: Ledger, options: Budget) -> None:
        self.ledger = ledger
        self._options = options
        self._ending: set[asyncio.Task[Any]] = set()

    async def hold(self, request: ChatRequest, asker: Asker, candidate: Candidate, number: int, receipt: Receipt, ticket: Ticket) -> Held:
        """BudgetExceeded, or DatabaseUnavailable: then nothing may be sent. The ticket hears of what can't be true."""
        wanted = await self._estimate(request, candidate)
        attempt = Attempt(asker.request_id, number, candidate.name, candidate.model)
        if self._options.shrink:
            least = self._options.shrink_min_tokens
            hold, covered = await shrink.hold(self.ledger, asker.payer, attempt, wanted, price=candidate.price, least_tokens=least)
        else:
            hold, covered = await self.ledger.hold(asker.payer, attempt, wanted), wanted
        if covered.max_tokens < wanted.max_tokens:
            receipt.shrunk_to = covered.max_tokens
        return Held(self, hold, covered, candidate, receipt, asker, ticket, thinks=thinks(candidate, request))

    async def hold_texts(self, texts: list[str], asker: Asker, candidate: Candidate, number: int, receipt: Receipt, ticket: Ticket) -> Held:
        """The same for embeddings."""

        def counted() -> Estimate:
            return estimates.of_embeddings(texts, model=candidate.model, kind=candidate.kind, price=candidate.price)

        wanted = await off_the_loop(counted, sum(map(len, texts)))
        attempt = Attempt(asker.request_id, number, candidate.name, candidate.model)
        held = await self.ledger.hold(asker.payer, attempt, wanted)
        return Held(self, held, wanted, candidate, receipt, asker, ticket, operation="embeddings")

    async def covers(self, request: ChatRequest, asker: Asker, candidate: Candidate) -> bool:
        """Say whether the payer's budgets could pay for it now. Holds nothing."""
        wanted, room = await self._estimate(request, candidate), await self.ledger.room(asker.payer)
        return room.covers(wanted.nanousd, wanted.tokens)

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

        return await off_the_loop(counted, size)

    def write(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """In a task of its own: an end is written, whoever is cancelled meanwhile."""
        task = asyncio.create_task(work, name="end of a hold")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task


class Held:
    """One attempt's hold. The first end that it is given is the one that counts, and none charges more than was held."""

    def __init__(
        self,
        meter: Meter,
        hold: Hold,
        estimate: Estimate,
        candidate: Candidate,
        receipt: Receipt,
        asker: Asker,
        ticket: Ticket,
        *,
        operation: str = "chat",
        thinks: bool = False,
    ) -> None:
        self._meter = meter
        self._operation = operation
        self._hold = hold
        self._candidate = candidate
        self._receipt = receipt
        self._asker = asker
        self._ticket = ticket
        self._thinks = thinks
        self._ended = False
        self._charged = False
        self.estimate = estimate
        self.charged = Usage()
        receipt.left = hold.left

    async def settle(self, usage: Usage | None, text: str, *, model: str | None, partial: bool = False) -> None:
        """Charge the provider's usage; without one our own count of the prompt and of what was produced.

        A usage that can't be true is disputed. The charge is known when this returns. A whole answer needn't wait until it is written:
        nothing else is held for it, and until then its hold stands, which is more.
        """
        if (reason := self._disbelief(usage)) is not None:
            await self.dispute(reason, kind="usage", model=model)
            return
        end = self._begin_end(lambda: self._settled(usage, text, model=model, partial=partial))
        if end is None:
            return
        if usage is not None and not partial:
            self._charge(usage)
        else:
            await asyncio.shield(end)

    async def dispute(self, reason: str, *, kind: Disputed, model: str | None) -> None:
        """Charge the hold, and no more: the provider made, or says that it made, more than it was asked for."""
        await self._end(lambda: self._disputed(reason, kind, model=model))

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
        if (reason := self._disbelief(usage)) is not None:
            self._begin_end(lambda: self._disputed(reason, "usage", model=model))
        else:
            self._begin_end(lambda: self._settled(usage, text, model=model, partial=True))

    def _disbelief(self, usage: Usage | None) -> str | None:
        return None if usage is None else allowance.disbelief(usage, self.estimate, self._candidate, thinks=self._thinks)

    async def _settled(self, usage: Usage | None, text: str, *, model: str | None, partial: bool) -> None:
        mark: Mark = "usage"
        if usage is None:
            mark = "partial" if partial else "counted"
            produced = await off_the_loop(lambda: count_text(text, model=self._candidate.model), len(text))
            usage = Usage(input=self.estimate.input_tokens, output=min(produced, self.estimate.max_tokens * self.estimate.choices))
            if self._thinks and self._hold.nanousd > 0:
                self.charged = usage
                await self._unknown("no usage came of a model that may have thought unseen")
                return
        await self._write(usage, mark, model=model)

    async def _disputed(self, reason: str, kind: Disputed, *, model: str | None) -> None:
        who, most = self._candidate.name, self.estimate
        log.error("provider.disputed", provider=who, model=self._candidate.model, kind=kind, reason=reason)
        metrics.provider_disputed(who, kind)
        self._ticket.distrusted()
        self._receipt.disputed = True
        usage = Usage(input=most.input_tokens, output=most.max_tokens * most.choices)
        await self._write(usage, "disputed", model=model, nanousd=self._hold.nanousd, note=reason)

    async def _write(self, usage: Usage, mark: Mark, *, model: str | None, nanousd: int | None = None, note: str | None = None) -> None:
        cost, priced = self._charge(usage, nanousd), self._candidate
        settlement = Settlement(usage, cost, mark, price=priced.price, provider=priced.name, model=model, note=note)
        with traces.span("budget settle"):
            await self._meter.ledger.settle(self._hold, settlement)

    def _charge(self, usage: Usage, nanousd: int | None = None) -> int:
        """Return what a usage costs, and put what is charged of it, no more than was held, on the receipt: once.

        Of the hold's own balance, what the hold didn't take is left again.
        """
        cost = self._candidate.price.cost(usage) if nanousd is None else nanousd
        if not self._charged:
            charged = min(cost, self._hold.nanousd)
            self._charged = True
            self.charged = usage
            self._receipt.nanousd += charged
            self._receipt.produced += usage.output
            self._asker.used(usage.total)
            if self._hold.left is not None:
                self._receipt.left = self._hold.left + self._hold.nanousd - charged
            who, asked = self._candidate.name, self._candidate.model
            metrics.tokens_charged(self._operation, who, asked, given=usage.input, produced=usage.output, nanousd=charged)
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
