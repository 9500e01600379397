"""Decide whether a key may make one more request: counted across servers in Redis if configured, else (or if it is down) per process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from app.errors import RateLimitExceeded
from app.rate_limits.local import LocalLimits, Quota, Unit, Verdict
from app.rate_limits.window import WINDOW_SECONDS, LimitState
from app.settings import LimitsSettings as Options
from app.telemetry import metrics

if TYPE_CHECKING:
    from app.rate_limits.shared import SharedLimits


class Admission:
    """One request's verdict. `refusal`: the error for the caller, None if granted."""

    def __init__(self, verdict: Verdict, refusal: RateLimitExceeded | None, use: Callable[[int], None]) -> None:
        self.refusal = refusal
        self._verdict = verdict
        self._use = use
        self._used = 0

    def used(self, tokens: int) -> None:
        """Record the tokens that the request's model call really used."""
        self._used += tokens
        if tokens > 0 and "tokens" in self._verdict.states:
            self._use(tokens)

    def state(self, unit: Unit) -> LimitState | None:
        """Return a limit's state as this request knows it; None if there is no such limit."""
        found = self._verdict.states.get(unit)
        if found is None or unit == "requests" or not self._used:
            return found
        return LimitState(found.limit, max(0, found.left - self._used), found.wait_seconds, WINDOW_SECONDS + 1)


class RateLimits:
    """Sliding-window limits of one minute per key; model calls and other requests are counted separately."""

    def __init__(self, options: Options, shared: SharedLimits | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        self._models = _quota(requests=options.model_requests_a_minute, tokens=options.model_tokens_a_minute)
        self._others = _quota(requests=options.requests_a_minute)
        self._shared = shared
        self._local = LocalLimits()
        self._now = now

    @property
    def any(self) -> bool:
        return bool(self._models or self._others)

    async def admit(self, key_id: UUID, *, model: bool) -> Admission | None:
        """Check a key's request and count it if granted. None: the key has no limit."""
        quota = self._models if model else self._others
        if not quota:
            return None
        subject = f"{key_id}:{'models' if model else 'others'}"
        verdict = await self._verdict(subject, quota)
        refusal = None if verdict.granted else _refusal(verdict, model=model)

        def use(tokens: int) -> None:
            self._local.use(subject, "tokens", tokens, self._now())
            if self._shared is not None:
                self._shared.use(subject, "tokens", tokens)

        return Admission(verdict, refusal, use)

    async def _verdict(self, subject: str, quota: Quota) -> Verdict:
        """Decide by all servers' count in Redis; by this process's own while Redis is down."""
        if self._shared is None or self._shared.unavailable:
            return self._local.take(subject, quota, self._now())
        ours = self._local.check(subject, quota, self._now())
        if not ours.granted:
            return ours
        verdict = await self._shared.take(subject, quota)
        if verdict is None:
            return self._local.take(subject, quota, self._now())
        if verdict.granted:
            self._local.count(subject, quota, self._now())
        return verdict


def _quota(*, requests: int | None = None, tokens: int | None = None) -> Quota:
    given: dict[Unit, int | None] = {"requests": requests, "tokens": tokens}
    return {unit: limit for unit, limit in given.items() if limit is not None}


def _refusal(verdict: Verdict, *, model: bool) -> RateLimitExceeded:
    """Return the error, which names the limit with the longest wait."""
    full = {unit: state for unit, state in verdict.states.items() if state.left == 0}
    unit, state = max(full.items(), key=lambda each: each[1].wait_seconds)
    what = "tokens" if unit == "tokens" else "calls of models" if model else "requests"
    seconds = max(1, math.ceil(state.wait_seconds))
    metrics.rate_limited("model_tokens" if unit == "tokens" else "model_requests" if model else "requests")
    return RateLimitExceeded(
        f"Rate limit: this key has used its {state.limit:,} {what} of the last minute. Try again in {seconds} s."
        " This is not the budget: nothing was charged.",
        retry_after=state.wait_seconds,
    )
