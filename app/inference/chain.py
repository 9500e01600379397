"""Decide which provider to ask next, and which error to return when none answered. Pure decisions: calls nobody."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.budget.prices import Price
from app.errors import AllProvidersFailed, BudgetExceeded, CairnError, ContentRejected, DeadlineExceeded, RateLimited
from app.inference.breaker import CircuitOpen
from app.inference.profiles import Dialect, ProviderProfile
from app.inference.provider_errors import ProviderError
from app.inference.wires.wire import Wire
from app.tokens import ANY_MEDIA, MediaTokens

MAX_RETRY_WAIT_SECONDS = 2.0
"""Longest `retry-after` of a 429 for which the same provider is retried instead of the next one asked."""
RETRY_PAUSE_SECONDS = 0.05
QUOTING_FAULTS = frozenset({"caller", "content_policy", "context_too_long", "unsupported"})
"""Kinds of fault whose message may quote the caller's prompt."""


@dataclass(frozen=True, slots=True)
class ChainProvider:
    """A provider in a chain. `context_tokens` None: unknown context window."""

    name: str
    profile: ProviderProfile
    model: str
    price: Price
    wire: Wire
    context_tokens: int | None = None
    prefill: bool = False
    media: MediaTokens = ANY_MEDIA
    reasoning: bool = False
    """The model may produce hidden reasoning, billed as output."""
    reasoning_apart: int = 0
    """The most tokens of it that are billed beside `max_tokens`, of each choice."""
    streams: bool = False
    """True if a plain request may be asked as a stream and put together again (`assembly.py`)."""
    connections: int = 500
    """Chat calls under way at once; others wait."""

    @property
    def dialect(self) -> Dialect:
        """The dialect in which requests are written for it; litellm takes Chat Completions."""
        return self.profile.dialect or "chat"


@dataclass(frozen=True, slots=True)
class Step:
    """The decision after a fault. `seconds`: pause before a retry."""

    to: Literal["retry", "next", "stop"]
    seconds: float = 0.0


def next_step(fault: ProviderError, *, retries_left: int) -> Step:
    """Decide what follows a fault: a caller's mistake and a content policy stop the chain; they are not routed around."""
    if fault.kind in {"caller", "content_policy"}:
        return Step("stop")
    if retries_left > 0 and (wait := _retry_pause(fault)) is not None:
        return Step("retry", wait)
    return Step("next")


def _retry_pause(fault: ProviderError) -> float | None:
    """Return the pause in seconds after which the same provider is worth a retry; None if it is not."""
    match fault.kind:
        case "reset":
            return RETRY_PAUSE_SECONDS
        case "server_error" if fault.status == 500:
            return RETRY_PAUSE_SECONDS
        case "rate_limited" if fault.retry_after is not None and fault.retry_after <= MAX_RETRY_WAIT_SECONDS:
            return fault.retry_after
        case _:
            return None


def with_larger_context(candidates: Sequence[ChainProvider], than: ChainProvider) -> list[ChainProvider]:
    """Return the candidates whose context window may hold a prompt that was too long for `than`."""
    if than.context_tokens is None:
        return list(candidates)
    return [each for each in candidates if each.context_tokens is None or each.context_tokens > than.context_tokens]


@dataclass(slots=True)
class AttemptLog:
    """The attempts of one request so far: faults, open circuits, and providers that the budget doesn't cover."""

    faults: list[tuple[ChainProvider, ProviderError]] = field(default_factory=list)
    open_circuits: list[tuple[ChainProvider, CircuitOpen]] = field(default_factory=list)
    unaffordable: list[tuple[ChainProvider, BudgetExceeded]] = field(default_factory=list)

    @property
    def attempts(self) -> int:
        """The number of calls made."""
        return len(self.faults)

    def summary(self) -> str:
        """Describe each attempt for a person."""
        parts = [f"{candidate.name} ({candidate.model}): {_describe(fault)}" for candidate, fault in self.faults]
        parts += [f"{candidate.name}: not tried, paused for {circuit.seconds:.0f} s more" for candidate, circuit in self.open_circuits]
        parts += [f"{candidate.name}: the budget doesn't cover it" for candidate, _ in self.unaffordable]
        return "; ".join(parts)

    def error(self) -> CairnError:
        """Return the error for a chain that is exhausted."""
        if self.unaffordable and not self.faults:
            return min((error for _, error in self.unaffordable), key=lambda error: error.asked)
        kinds = {fault.kind for _, fault in self.faults}
        if kinds and kinds <= {"context_too_long", "unsupported"} and not self._larger_one_held_back():
            return content_rejected(self.faults[-1][1])
        waits = [fault.retry_after for _, fault in self.faults] + [circuit.seconds for _, circuit in self.open_circuits]
        soonest = min((wait for wait in waits if wait is not None), default=None)
        if kinds <= {"rate_limited"} and all(circuit.limited for _, circuit in self.open_circuits) and not self.unaffordable:
            wait = 1.0 if soonest is None else soonest
            told = f"Every provider refused the call because of its rate limit. {self.summary()}. Try again in {max(1, math.ceil(wait))} s."
            return RateLimited(told, retry_after=wait)
        when = "later" if soonest is None else f"in {max(1, math.ceil(soonest))} s"
        advice = f"Try again {when}; if it happens again, ask an admin to look at the providers."
        return AllProvidersFailed(f"No provider answered. {self.summary()}. {advice}", retry_after=soonest)

    def _larger_one_held_back(self) -> bool:
        """Tell whether a provider that its breaker held back has a larger context window than those that refused the prompt as too long."""
        absent = [candidate for candidate, _ in self.open_circuits]
        for candidate, fault in self.faults:
            if fault.kind == "context_too_long":
                absent = with_larger_context(absent, candidate)
        return bool(absent)

    def out_of_time(self) -> CairnError:
        done = f" {self.summary()}." if self.summary() else ""
        return DeadlineExceeded(f"The request's deadline passed before any provider answered.{done} Try again later.")


def content_rejected(fault: ProviderError) -> ContentRejected:
    """Return a provider's refusal in its own words, with OpenAI's `code` and `param`."""
    return ContentRejected(fault.message, code=fault.code, param=fault.param)


def _describe(fault: ProviderError) -> str:
    return fault.kind.replace("_", " ") if fault.kind in QUOTING_FAULTS else fault.message
