"""Who is asked next, and what the caller is told when nobody answered. Decisions only: it calls nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.budget.prices import Price
from app.errors import AllProvidersFailed, BudgetExceeded, CairnError, DeadlineExceeded, RateLimited, Refused
from app.inference.breaker import Refusal
from app.inference.faults import Fault
from app.inference.wires.wire import Wire
from app.tokens import ANY_IMAGE, ImageTokens

SHORT_WAIT_SECONDS = 2.0
"""A 429 that asks for no more is worth waiting for."""
RETRY_PAUSE_SECONDS = 0.05
CALLERS = frozenset({"caller", "content_policy", "context_too_long", "unsupported"})
"""Faults whose words may hold what the caller sent."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider as the chain sees it. `context_tokens` None: its window isn't known."""

    name: str
    kind: str
    model: str
    price: Price
    wire: Wire
    context_tokens: int | None = None
    prefill: bool = False
    images: ImageTokens = ANY_IMAGE
    reasoning: bool = False
    """It may think unseen, and what it thinks is output that is paid."""


@dataclass(frozen=True, slots=True)
class Step:
    """What follows a fault. `seconds`: to wait before a retry."""

    to: Literal["retry", "next", "stop"]
    seconds: float = 0.0


def after(fault: Fault, *, retries_left: int) -> Step:
    """The caller's own mistakes and a content policy stop: they are not routed around."""
    if fault.kind in {"caller", "content_policy"}:
        return Step("stop")
    if retries_left > 0 and (wait := _passing(fault)) is not None:
        return Step("retry", wait)
    return Step("next")


def _passing(fault: Fault) -> float | None:
    """Seconds after which it has likely passed; None: it has not."""
    match fault.kind:
        case "reset":
            return RETRY_PAUSE_SECONDS
        case "server_error" if fault.status == 500:
            return RETRY_PAUSE_SECONDS
        case "rate_limited" if fault.retry_after is not None and fault.retry_after <= SHORT_WAIT_SECONDS:
            return fault.retry_after
        case _:
            return None


def larger(candidates: Sequence[Candidate], than: Candidate) -> list[Candidate]:
    """Of those that are left, the ones that may take a prompt which was too long for `than`."""
    if than.context_tokens is None:
        return list(candidates)
    return [each for each in candidates if each.context_tokens is None or each.context_tokens > than.context_tokens]


@dataclass(slots=True)
class Trail:
    """What happened to a request so far, provider by provider."""

    faults: list[tuple[Candidate, Fault]] = field(default_factory=list)
    refusals: list[tuple[Candidate, Refusal]] = field(default_factory=list)
    unaffordable: list[tuple[Candidate, BudgetExceeded]] = field(default_factory=list)

    @property
    def attempts(self) -> int:
        """Calls that were made."""
        return len(self.faults)

    def told(self) -> str:
        """Each attempt by name, for a person."""
        parts = [f"{candidate.name} ({candidate.model}): {_said(fault)}" for candidate, fault in self.faults]
        parts += [f"{candidate.name}: left alone for {refusal.seconds:.0f} s more" for candidate, refusal in self.refusals]
        parts += [f"{candidate.name}: the budget doesn't cover it" for candidate, _ in self.unaffordable]
        return "; ".join(parts)

    def error(self) -> CairnError:
        """When the chain is at its end."""
        if self.unaffordable and not self.faults:
            return min((error for _, error in self.unaffordable), key=lambda error: error.asked)
        kinds = {fault.kind for _, fault in self.faults}
        if kinds and kinds <= {"context_too_long", "unsupported"} and not self._may_take_it_later():
            return refused(self.faults[-1][1])
        waits = [fault.retry_after for _, fault in self.faults] + [refusal.seconds for _, refusal in self.refusals]
        soonest = min((wait for wait in waits if wait is not None), default=None)
        if kinds <= {"rate_limited"} and all(refusal.limited for _, refusal in self.refusals) and not self.unaffordable:
            message = f"Every provider limits the rate. Try again later. {self.told()}."
            return RateLimited(message, retry_after=soonest if soonest is not None else 1.0)
        return AllProvidersFailed(f"No provider answered. {self.told()}.", retry_after=soonest)

    def _may_take_it_later(self) -> bool:
        """Whether somebody who wasn't asked has room for what was too long for the others."""
        absent = [candidate for candidate, _ in self.refusals]
        for candidate, fault in self.faults:
            if fault.kind == "context_too_long":
                absent = larger(absent, candidate)
        return bool(absent)

    def out_of_time(self) -> CairnError:
        done = f" {self.told()}." if self.told() else ""
        return DeadlineExceeded(f"The request's time ran out before any provider answered.{done}")


def refused(fault: Fault) -> Refused:
    """In the provider's words, as OpenAI would say it."""
    return Refused(fault.message, code=fault.code, param=fault.param)


def _said(fault: Fault) -> str:
    return fault.kind.replace("_", " ") if fault.kind in CALLERS else fault.message
