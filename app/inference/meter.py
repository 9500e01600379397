"""Meter attempts: one hold before each, one end after it. docs/how-to/use-models.md has the table of ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Literal

import structlog

from app.budget.holds import Attempt, Estimate, Hold, Mark, Settlement, estimate_cost
from app.budget.ledger import Ledger
from app.budget.prices import TokenBounds, TokenUsage
from app.inference import allowance
from app.inference.allowance import off_the_loop
from app.inference.attempts import ProviderAttempt
from app.inference.chain import ChainProvider
from app.inference.parameters import thinks
from app.inference.provider_errors import ProviderError
from app.inference.request import CallContext, ChatRequest
from app.inference.token_bounds import bound_chat, bound_texts
from app.settings import BudgetSettings
from app.telemetry import metrics, traces
from app.tokens import count_text

log = structlog.get_logger()

Disputed = Literal["output", "usage"]
"""The disputed part of an answer: its length, or its reported usage."""


class Meter:
    """Opens holds at the ledger, and keeps the settlements that are being written until they are done."""

    def __init__(self, ledger: Ledger, options: BudgetSettings) -> None:
        self.ledger = ledger
        self._options = options
        self._ending: set[asyncio.Task[Any]] = set()

    async def hold(self, request: ChatRequest, asker: CallContext, attempt: ProviderAttempt) -> OpenHold:
        """Hold an attempt's worst-case price. Raises BudgetExceeded or DatabaseUnavailable: then nothing may be sent."""
        candidate, named = attempt.candidate, _named(attempt, asker)
        wanted = await self._estimate(request, candidate)
        if self._options.shrink:
            min_tokens = self._options.shrink_min_tokens
            hold, covered = await self.ledger.hold_affordable(asker.payer, named, wanted, price=candidate.price, min_tokens=min_tokens)
        else:
            hold, covered = await self.ledger.hold(asker.payer, named, wanted), wanted
        if covered.bounds.max_tokens < wanted.bounds.max_tokens:
            attempt.receipt.shrunk_to = covered.bounds.max_tokens
        return OpenHold(self, hold, covered.bounds, attempt, asker, thinks=thinks(candidate, request))

    async def hold_texts(self, texts: list[str], asker: CallContext, attempt: ProviderAttempt) -> OpenHold:
        """Like `hold`, for embeddings."""
        candidate = attempt.candidate
        wanted = estimate_cost(await bound_texts(texts, candidate), candidate.price)
        held = await self.ledger.hold(asker.payer, _named(attempt, asker), wanted)
        return OpenHold(self, held, wanted.bounds, attempt, asker, operation="embeddings")

    async def covers(self, request: ChatRequest, asker: CallContext, candidate: ChainProvider) -> bool:
        """Tell whether the payer's budgets cover the request now, without holding anything."""
        wanted, headroom = await self._estimate(request, candidate), await self.ledger.headroom(asker.payer)
        return headroom.covers(wanted.nanousd, wanted.tokens)

    async def input_tokens(self, request: ChatRequest, candidate: ChainProvider) -> int:
        """Return the prompt's tokens at this provider as a hold would count them: an upper bound."""
        return (await self._estimate(request, candidate)).bounds.input_tokens

    async def close(self) -> None:
        """Wait for settlements that are still being written."""
        while self._ending:
            await asyncio.wait(self._ending)

    async def _estimate(self, request: ChatRequest, candidate: ChainProvider) -> Estimate:
        max_tokens = request.max_tokens or self._options.default_max_tokens + candidate.profile.thinking_tokens(request.parameters)
        return estimate_cost(await bound_chat(request, candidate, max_tokens=max_tokens), candidate.price)

    def write(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a settlement in a task of its own, so that a caller's cancellation can't stop it."""
        task = asyncio.create_task(work, name="end of a hold")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task


def _named(attempt: ProviderAttempt, asker: CallContext) -> Attempt:
    """Return an attempt's name in the ledger."""
    return Attempt(asker.request_id, attempt.number, attempt.candidate.name, attempt.candidate.model)


class OpenHold:
    """One attempt's hold. Settle it once; later ends are ignored. Never charges more than was held."""

    def __init__(
        self,
        meter: Meter,
        hold: Hold,
        bounds: TokenBounds,
        attempt: ProviderAttempt,
        asker: CallContext,
        *,
        operation: str = "chat",
        thinks: bool = False,
    ) -> None:
        self._meter = meter
        self._operation = operation
        self._hold = hold
        self._candidate = attempt.candidate
        self._receipt = attempt.receipt
        self._ticket = attempt.ticket
        self._asker = asker
        self._thinks = thinks
        self._ended = False
        self._charged = False
        self.bounds = bounds
        self.charged = TokenUsage()
        self._receipt.left = hold.left
        self._receipt.input_tokens = bounds.input_tokens

    async def settle(self, usage: TokenUsage | None, text: str, *, model: str | None, partial: bool = False) -> None:
        """Charge the provider's usage; without one, our own count of the prompt and the output.

        An impossible usage is disputed. The charge is known on return, though the row may still be being written: until then the hold
        stands, which is more.
        """
        if (reason := self._implausibility(usage)) is not None:
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
        """Charge exactly the hold: the provider produced, or reported, more than was asked for."""
        await self._end(lambda: self._disputed(reason, kind, model=model))

    async def fail(self, error: BaseException) -> None:
        """End a failed attempt: released if nothing was sent, settled at a reported usage; anything else leaves the outcome unknown."""
        if not isinstance(error, ProviderError):
            await self._end(lambda: self._unknown(type(error).__name__))
        elif error.usage is not None:
            await self.settle(error.usage, "", model=None)
        elif error.unknown:
            await self._end(lambda: self._unknown(error.kind))
        else:
            await self._end(self._release)

    def abandon(self, usage: TokenUsage | None, text: str, *, model: str | None) -> None:
        """Settle in the background from what was produced: the caller left in mid-stream."""
        if (reason := self._implausibility(usage)) is not None:
            end = self._begin_end(lambda: self._disputed(reason, "usage", model=model))
        else:
            end = self._begin_end(lambda: self._settled(usage, text, model=model, partial=True))
        self._receipt.settling = end or self._receipt.settling

    def _implausibility(self, usage: TokenUsage | None) -> str | None:
        return None if usage is None else allowance.implausibility(usage, self.bounds, self._candidate, thinks=self._thinks)

    async def _settled(self, usage: TokenUsage | None, text: str, *, model: str | None, partial: bool) -> None:
        mark: Mark = "usage"
        if partial and self.bounds.tool_uses and self._hold.nanousd > 0:
            self.charged = usage or self.bounds.most()
            await self._unknown("the caller left while the provider's own tools may have run, whose uses are told at the end")
            return
        if usage is None:
            mark = "partial" if partial else "counted"
            produced = await off_the_loop(lambda: count_text(text, model=self._candidate.model), len(text))
            usage = replace(self.bounds.most(), output=min(produced, self.bounds.output_tokens))
            if self._thinks and self._hold.nanousd > 0:
                self.charged = usage
                await self._unknown("the provider reported no usage, and the model may have produced hidden reasoning")
                return
        await self._write(usage, mark, model=model)

    async def _disputed(self, reason: str, kind: Disputed, *, model: str | None) -> None:
        provider, bounds = self._candidate.name, self.bounds
        log.error("provider.disputed", provider=provider, model=self._candidate.model, kind=kind, reason=reason)
        metrics.provider_disputed(provider, kind)
        self._ticket.distrusted()
        self._receipt.disputed = True
        await self._write(bounds.most(), "disputed", model=model, nanousd=self._hold.nanousd, note=reason)

    async def _write(
        self, usage: TokenUsage, mark: Mark, *, model: str | None, nanousd: int | None = None, note: str | None = None
    ) -> None:
        cost, priced = self._charge(usage, nanousd), self._candidate
        settlement = Settlement(self.bounds.within(usage), cost, mark, price=priced.price, provider=priced.name, model=model, note=note)
        with traces.span("budget settle"):
            await self._meter.ledger.settle(self._hold, settlement)

    def _charge(self, usage: TokenUsage, nanousd: int | None = None) -> int:
        """Return a usage's cost; on the first call put the charge, at most the hold, on the receipt.

        The unspent part of the hold is added back to the receipt's remaining budget.
        """
        cost = self._candidate.price.cost(self.bounds.within(usage)) if nanousd is None else nanousd
        if not self._charged:
            charged = min(cost, self._hold.nanousd)
            self._charged = True
            self.charged = usage
            self._receipt.nanousd += charged
            self._receipt.charged += usage
            self._asker.used(usage.total)
            if self._hold.left is not None:
                self._receipt.left = self._hold.left + self._hold.nanousd - charged
            provider, asked_model = self._candidate.name, self._candidate.model
            metrics.tokens_charged(self._operation, provider, asked_model, given=usage.input, produced=usage.output, nanousd=charged)
        return cost

    async def _release(self) -> None:
        await self._meter.ledger.release(self._hold)

    async def _unknown(self, why: str) -> None:
        """Leave the hold charged until reconciled. A free model's hold is settled instead, at the prompt's tokens: nothing is owed."""
        if self._hold.nanousd == 0:
            await self._settled(None, "", model=None, partial=True)
            return
        self._receipt.nanousd += self._hold.nanousd
        self._asker.used(self.bounds.total)
        await self._meter.ledger.mark_unreconciled(self._hold, why)

    async def _end(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run an end to completion, even if the caller is cancelled meanwhile."""
        if (task := self._begin_end(work)) is not None:
            await asyncio.shield(task)

    def _begin_end(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None] | None:
        """Start an end; None if the hold has one already."""
        if self._ended:
            return None
        self._ended = True
        return self._meter.write(work())
