"""Walk along a request's chain: ask each provider's breaker, make the attempt, and decide after a fault what follows.

Knows neither money nor formats: what an attempt does is its caller's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import structlog

from app.errors import BudgetExceeded
from app.inference import chain
from app.inference.breaker import CircuitOpen, Ticket
from app.inference.chain import AttemptLog, ChainProvider, Step
from app.inference.provider_errors import ProviderError
from app.inference.request import Receipt
from app.telemetry import metrics, traces

log = structlog.get_logger()

Got = TypeVar("Got")
RETRY_MARGIN_SECONDS = 0.01
"""Added to a provider's `retry-after`: clocks differ."""
OPERATOR_FAULTS = frozenset({"key", "quota", "model"})
"""Kinds of fault that only an operator can fix: logged as errors."""
Admit = Callable[[ChainProvider], Ticket | CircuitOpen]


@dataclass(frozen=True, slots=True)
class ProviderAttempt:
    """One call to one provider. `number`: of the request's attempts, from 1; `receipt`: the request's."""

    candidate: ChainProvider
    ticket: Ticket
    number: int
    receipt: Receipt

    @asynccontextmanager
    async def waiting(self, until: float) -> AsyncIterator[None]:
        """Wait for the provider's first word. Raises TimeoutError at `until` (loop's clock), or as the breaker calls such waits off."""
        async with asyncio.timeout_at(until) as clock:

            def call_off() -> None:
                if not clock.expired():
                    clock.reschedule(0)

            with self.ticket.pending(call_off):
                yield

    def again(self) -> ProviderAttempt:
        """Return a further attempt of the same request, on the same ticket."""
        self.receipt.attempts += 1
        return replace(self, number=self.receipt.attempts)

    def succeeded(self, model: str | None) -> None:
        """Tell the breaker, the metrics and the receipt that this provider answers, with this model."""
        self.ticket.passed()
        metrics.provider_attempted(self.candidate.name, "ok")
        self.receipt.provider, self.receipt.asked_model = self.candidate.name, self.candidate.model
        self.receipt.model = model or self.candidate.model


class ChainWalk(Generic[Got]):
    """One request's way along its chain, until the first attempt that succeeds.

    Consumes `left` from its front: what remains afterwards wasn't asked.
    """

    def __init__(
        self,
        left: list[ChainProvider],
        receipt: Receipt,
        attempt: Callable[[ProviderAttempt], Awaitable[Got]],
        *,
        admit: Admit,
        retries: int,
    ) -> None:
        self._left = left
        self._receipt = receipt
        self._attempt = attempt
        self._admit = admit
        self._retries = retries
        self._log = AttemptLog()

    async def run(self, *, deadline: float) -> Got:
        """Return the first result. Raises ContentRejected, BudgetExceeded, RateLimited, AllProvidersFailed or DeadlineExceeded."""
        try:
            async with asyncio.timeout_at(deadline):
                while self._left:
                    candidate, tries = self._left.pop(0), 0
                    while isinstance(found := await self._try(candidate, tries), Step):
                        if found.to == "next":
                            break
                        tries += 1
                        await asyncio.sleep(found.seconds + RETRY_MARGIN_SECONDS)
                    else:
                        return found
        except TimeoutError:
            raise self._log.out_of_time() from None
        raise self._log.error()

    async def _try(self, candidate: ChainProvider, tries: int) -> Got | Step:
        """Make one attempt; return its result, or what follows its fault. Its ticket has ended on return."""
        ticket = self._admit(candidate)
        if isinstance(ticket, CircuitOpen):
            self._log.open_circuits.append((candidate, ticket))
            return Step("next")
        self._receipt.attempts += 1
        number = self._receipt.attempts
        try:
            with traces.span(f"attempt {candidate.name}", "client", **_attributes(candidate, number)):
                return await self._attempt(ProviderAttempt(candidate, ticket, number, self._receipt))
        except BudgetExceeded as error:
            self._receipt.attempts -= 1
            self._log.unaffordable.append((candidate, error))
            return Step("next")
        except ProviderError as fault:
            return self._after(fault, candidate, ticket, tries)
        finally:
            ticket.dropped()  # no effect if it has ended already

    def _after(self, fault: ProviderError, candidate: ChainProvider, ticket: Ticket, tries: int) -> Step:
        """End the ticket of a failed attempt, and decide what follows. Raises ContentRejected if nothing does."""
        self._log.faults.append((candidate, fault))
        if candidate.profile.runs_here:
            ticket.dropped()  # the built-in model can't be down: a timeout means that one caller's batch is large
        else:
            ticket.failed(fault)
        _report_fault(candidate, fault)
        step = chain.next_step(fault, retries_left=self._retries - tries)
        if step.to == "stop":
            raise chain.content_rejected(fault) from fault
        if fault.kind == "context_too_long":
            self._left[:] = chain.with_larger_context(self._left, candidate)
        return step


def _attributes(candidate: ChainProvider, number: int) -> dict[str, str | int]:
    if not traces.on():
        return {}
    return {"gen_ai__provider__name": candidate.name, "gen_ai__request__model": candidate.model, "cairn__attempt": number}


def _report_fault(candidate: ChainProvider, fault: ProviderError) -> None:
    metrics.provider_attempted(candidate.name, fault.kind)
    say = log.error if fault.kind in OPERATOR_FAULTS else log.warning if fault.counts else log.info
    reason = fault.message if fault.counts else fault.kind
    say("provider.failed", provider=candidate.name, model=candidate.model, kind=fault.kind, reason=reason)
