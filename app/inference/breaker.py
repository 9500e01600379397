"""Circuit breakers, one per provider. pybreaker is the state machine; clock, sliding window and half-open probe are implemented here.

A breaker opens after a number of consecutive failures, or at a share of failures among enough calls within the window since it last closed.
A provider's `retry-after` rejects calls for as long as it asked, without opening the breaker. If it opens because a provider is silent,
the calls that have heard nothing either are called off: they needn't wait for their own timeout.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Literal

import structlog

from app.inference.import_blocking import import_blocked
from app.inference.provider_errors import MAX_RETRY_AFTER_SECONDS, ProviderError
from app.settings import BreakerSettings as Options
from app.telemetry import metrics

with import_blocked("redis"):  # for a storage that isn't used here; redis-py brings cryptography and OpenTelemetry's SDK with it
    import pybreaker

log = structlog.get_logger()

State = Literal["closed", "open", "half-open"]
What = Literal["state", "limit"]
Changed = Callable[["CircuitBreaker", What], None]
"""Callback for a change of a breaker in this process, to share it with the others."""
MAX_PROBE_SECONDS = 15.0
"""A half-open probe that takes longer no longer blocks others: the next call probes too."""
DISTRUST_LIMIT, DISTRUST_WINDOW_SECONDS = 3, 600.0
"""Opens the breaker: this many impossible answers or usages within this time."""
_STATES: dict[str, State] = {pybreaker.STATE_CLOSED: "closed", pybreaker.STATE_OPEN: "open", pybreaker.STATE_HALF_OPEN: "half-open"}


@dataclass(frozen=True, slots=True)
class CircuitOpen:
    """A rejected call; retry in `seconds`. `limited`: the provider limits the rate (429), rather than fails."""

    seconds: float
    limited: bool


class CircuitBreaker:
    """One provider's circuit breaker: call `admit` before each request, then exactly one of the ticket's ends."""

    def __init__(self, name: str, options: Options, *, now: Callable[[], float] = time.monotonic, changed: Changed | None = None) -> None:
        self.name = name
        self._options = options
        self._now = now
        self._changed = changed
        self._machine = pybreaker.CircuitBreaker(
            fail_max=options.failures, reset_timeout=options.reset_seconds, throw_new_error_on_trip=False, name=name
        )
        self._calls: deque[tuple[float, bool]] = deque()
        self._opened_at = 0.0
        self._not_before = 0.0
        self._rate_limited = False
        self._probe: Ticket | None = None
        self._probed_at = 0.0
        self._distrusted: deque[float] = deque(maxlen=DISTRUST_LIMIT)
        self._pending: dict[Ticket, Callable[[], None]] = {}
        self._listening: dict[Ticket, float] = {}
        self._silent = 0
        """Calls in a row that ended without a word in time."""
        self._era = 0
        """Number of times opened: results of calls admitted in an earlier era are ignored."""

    @property
    def state(self) -> State:
        return _STATES[self._machine.current_state]

    @property
    def seconds_left(self) -> float:
        """The seconds until the half-open probe; 0 unless open."""
        return max(0.0, self._opened_at + self._options.reset_seconds - self._now()) if self.state == "open" else 0.0

    @property
    def limited_seconds(self) -> float:
        """The seconds until the provider's own `retry-after` has passed."""
        return max(0.0, self._not_before - self._now())

    def admit(self) -> Ticket | CircuitOpen:
        if (seconds := self.limited_seconds) > 0:
            return CircuitOpen(seconds, limited=self._rate_limited)
        if self.state == "open":
            if (seconds := self.seconds_left) > 0:
                return CircuitOpen(seconds, limited=False)
            self._machine.half_open()
            self._announce()
        ticket = Ticket(self, self._era)
        if self.state == "half-open":
            if self._probe is not None and self._now() < self._probed_at + MAX_PROBE_SECONDS:
                return CircuitOpen(1.0, limited=False)
            self._probe, self._probed_at = ticket, self._now()
        return ticket

    def open_until(self, seconds_left: float) -> None:
        """Open because another process's breaker opened, for the time that is left of it."""
        if self.state == "closed":
            self._open(seconds_left)

    def close_at_once(self) -> None:
        """Close because another process's probe succeeded."""
        if self.state == "open":
            self._machine.close()
            self._calls.clear()
            metrics.breaker_changed(self.name, "closed")
            log.info("breaker.closed_elsewhere", provider=self.name)

    def wait(self, seconds: float) -> None:
        """Postpone the probe by `seconds`: another process is probing."""
        if self.state == "open":
            self._opened_at = self._now() - self._options.reset_seconds + seconds

    @property
    def rate_limited(self) -> bool:
        """True if the current `retry-after` came with a rate limit (429); False if it came with a failure (503)."""
        return self._rate_limited

    def hold_off(self, seconds: float, *, rate_limited: bool) -> None:
        """Reject calls for `seconds`, capped at an hour, as the provider asked; a longer wait already set stays."""
        until = self._now() + min(seconds, MAX_RETRY_AFTER_SECONDS)
        if until > self._not_before:
            self._not_before, self._rate_limited = until, rate_limited

    def asked_to_wait(self, seconds: float, *, rate_limited: bool) -> None:
        """Like `hold_off`, for a `retry-after` received by this process: also tells the other processes."""
        self.hold_off(seconds, rate_limited=rate_limited)
        if self._changed is not None:
            self._changed(self, "limit")

    def distrust(self) -> None:
        """Count an impossible answer or usage; the third within ten minutes opens the breaker."""
        self._distrusted.append(self._now())
        if len(self._distrusted) == DISTRUST_LIMIT and self._distrusted[0] > self._now() - DISTRUST_WINDOW_SECONDS:
            self._distrusted.clear()
            if self.state != "open":
                self._machine.open()
                self._opened_at = self._now()
                self._calls.clear()
                self._era += 1
                self._announce()

    def listen(self, ticket: Ticket, *, seconds: float) -> bool:
        """Tell whether a call should listen for the provider's first word, within `seconds`: as many at a time as open the breaker."""
        since = self._now() - seconds
        self._listening = {each: began for each, began in self._listening.items() if began > since}
        if len(self._listening) >= self._options.failures:
            return False
        self._listening[ticket] = self._now()
        return True

    @contextmanager
    def pending(self, ticket: Ticket, call_off: Callable[[], None]) -> Iterator[None]:
        """Let `call_off` be called if the breaker opens within the block because the provider is silent."""
        self._pending[ticket] = call_off
        try:
            yield
        finally:
            self._pending.pop(ticket, None)

    def _call_off(self) -> None:
        """End the waits of all who have heard nothing yet: as many as open the breaker heard nothing in the whole time."""
        pending, self._pending = self._pending, {}
        if pending:
            log.warning("breaker.called_off", provider=self.name, calls=len(pending))
        for call_off in pending.values():
            call_off()

    def _ended(self, ticket: Ticket, *, failed: bool | None, silent: bool = False) -> None:
        """Record the end of a ticket's call. `failed` None: the outcome says nothing about the provider."""
        self._listening.pop(ticket, None)
        probing, self._probe = self._probe is ticket, None if self._probe is ticket else self._probe
        if failed is None or (self.state != "closed" and not probing) or ticket.era != self._era:
            return  # a late end of a call from before it opened
        before = self.state
        self._silent = self._silent + 1 if silent else 0
        self._calls.append((self._now(), failed))
        self._forget()
        with suppress(_Failure):
            self._machine.call(_fail if failed else _succeed)
        if self.state == "closed" and failed and self._too_many():
            self._machine.open()
        if self.state == "open":
            self._opened_at = self._now()
        if self.state != before:
            self._era += self.state == "open"
            self._calls.clear()
            self._announce()
            if self.state == "open" and self._silent >= self._options.failures:
                self._call_off()

    def _forget(self) -> None:
        since = self._now() - self._options.window_seconds
        while self._calls and self._calls[0][0] < since:
            self._calls.popleft()

    def _too_many(self) -> bool:
        failures = sum(failed for _, failed in self._calls)
        return len(self._calls) >= self._options.window_calls and failures >= self._options.window_share * len(self._calls)

    def _open(self, seconds_left: float) -> None:
        self._machine.open()
        self._opened_at = self._now() - self._options.reset_seconds + seconds_left
        self._calls.clear()
        self._era += 1
        metrics.breaker_changed(self.name, "open")
        log.warning("breaker.opened_elsewhere", provider=self.name, seconds=round(seconds_left, 1))

    def _announce(self) -> None:
        metrics.breaker_changed(self.name, self.state)
        say = log.warning if self.state == "open" else log.info
        say("breaker.changed", provider=self.name, state=self.state)
        if self._changed is not None:
            self._changed(self, "state")


class Ticket:
    """One admitted call. Ends once; later ends are ignored."""

    def __init__(self, breaker: CircuitBreaker, era: int) -> None:
        self._breaker: CircuitBreaker | None = breaker
        self._distrusted = breaker.distrust
        self.era = era

    def passed(self) -> None:
        self._end(failed=False)

    def failed(self, fault: ProviderError) -> None:
        """End as failed; the fault decides whether the failure counts, and carries the provider's `retry-after`."""
        if self._breaker is not None and fault.retry_after is not None:
            self._breaker.asked_to_wait(fault.retry_after, rate_limited=fault.kind == "rate_limited")
        self._end(failed=True if fault.counts else None, silent=fault.kind == "timeout")

    def listens(self, *, seconds: float) -> bool:
        """Tell whether this call should listen for the provider's first word: see `CircuitBreaker.listen`."""
        return self._breaker is not None and self._breaker.listen(self, seconds=seconds)

    def pending(self, call_off: Callable[[], None]) -> AbstractContextManager[None]:
        """Wait for the provider's first word within this block: see `CircuitBreaker.pending`."""
        return nullcontext() if self._breaker is None else self._breaker.pending(self, call_off)

    def distrusted(self) -> None:
        """Report an impossible answer or usage; allowed after `passed`, since it may show only in a stream's last chunk."""
        self._distrusted()

    def dropped(self) -> None:
        """End without a verdict: cancelled, or never sent."""
        self._end(failed=None)

    def _end(self, *, failed: bool | None, silent: bool = False) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker._ended(self, failed=failed, silent=silent)  # noqa: SLF001 - a ticket is the breaker's own other half


class _Failure(Exception):
    """Makes pybreaker count a failure."""


def _succeed() -> None:
    return None


def _fail() -> None:
    raise _Failure
