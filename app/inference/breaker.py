"""Circuit breakers, one a provider: who is left alone for a while. pybreaker is the state machine; time, window and probe are ours.

Opened by so many failures in a row, or by a share of failures among enough calls of the last minute, counted since it last closed.
`retry-after` keeps every request off for as long as the provider asked, without opening anything.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import pybreaker
import structlog

from app.inference.faults import MAX_RETRY_AFTER_SECONDS, Fault
from app.settings import Breaker as Options
from app.telemetry import metrics

log = structlog.get_logger()

State = Literal["closed", "open", "half-open"]
What = Literal["state", "limit"]
Changed = Callable[["Breaker", What], None]
"""Told of a breaker that changed here: to share it."""
MOST_PROBE_SECONDS = 15.0
"""A probe that takes longer doesn't keep the others out: one of them probes too."""
DISTRUSTED_TIMES, DISTRUSTED_SECONDS = 3, 600.0
"""So many answers or usages that can't be true, within so long, open it."""
_STATES: dict[str, State] = {pybreaker.STATE_CLOSED: "closed", pybreaker.STATE_OPEN: "open", pybreaker.STATE_HALF_OPEN: "half-open"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not now: for `seconds` more. `limited`: because it limits the rate (429), not because it fails."""

    seconds: float
    limited: bool


class Breaker:
    """`admit` before a call, then exactly one of the ticket's ends."""

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
        self._distrusted: deque[float] = deque(maxlen=DISTRUSTED_TIMES)
        self._era = 0
        """How often it has opened: what began before says nothing about afterwards."""

    @property
    def state(self) -> State:
        return _STATES[self._machine.current_state]

    @property
    def seconds_left(self) -> float:
        """Until a probe; 0 when it isn't open."""
        return max(0.0, self._opened_at + self._options.reset_seconds - self._now()) if self.state == "open" else 0.0

    @property
    def limited_seconds(self) -> float:
        """Until the provider's own `retry-after` has passed."""
        return max(0.0, self._not_before - self._now())

    def admit(self) -> Ticket | Refusal:
        if (seconds := self.limited_seconds) > 0:
            return Refusal(seconds, limited=self._rate_limited)
        if self.state == "open":
            if (seconds := self.seconds_left) > 0:
                return Refusal(seconds, limited=False)
            self._machine.half_open()
            self._say()
        ticket = Ticket(self, self._era)
        if self.state == "half-open":
            if self._probe is not None and self._now() < self._probed_at + MOST_PROBE_SECONDS:
                return Refusal(1.0, limited=False)
            self._probe, self._probed_at = ticket, self._now()
        return ticket

    def open_until(self, seconds_left: float) -> None:
        """Another process opened it: so do we, for what is left of its time."""
        if self.state == "closed":
            self._open(seconds_left)

    def close_at_once(self) -> None:
        """Another process's probe succeeded."""
        if self.state == "open":
            self._machine.close()
            self._calls.clear()
            metrics.breaker_changed(self.name, "closed")
            log.info("breaker.closed_elsewhere", provider=self.name)

    def wait(self, seconds: float) -> None:
        """Another process is probing: not us, for so long."""
        if self.state == "open":
            self._opened_at = self._now() - self._options.reset_seconds + seconds

    @property
    def rate_limited(self) -> bool:
        """Whether it asked to be left alone because it limits the rate; else because it fails (a 503 with `retry-after`)."""
        return self._rate_limited

    def hold_off(self, seconds: float, *, rate_limited: bool) -> None:
        """The provider asked for it: nobody is sent there before."""
        until = self._now() + min(seconds, MAX_RETRY_AFTER_SECONDS)
        if until > self._not_before:
            self._not_before, self._rate_limited = until, rate_limited

    def asked_to_wait(self, seconds: float, *, rate_limited: bool) -> None:
        """The same, heard here: the others are told."""
        self.hold_off(seconds, rate_limited=rate_limited)
        if self._changed is not None:
            self._changed(self, "limit")

    def distrust(self) -> None:
        """Its answer, or the usage that it reported, can't be true. Opens at the third time within ten minutes."""
        self._distrusted.append(self._now())
        if len(self._distrusted) == DISTRUSTED_TIMES and self._distrusted[0] > self._now() - DISTRUSTED_SECONDS:
            self._distrusted.clear()
            if self.state != "open":
                self._machine.open()
                self._opened_at = self._now()
                self._calls.clear()
                self._era += 1
                self._say()

    def _ended(self, ticket: Ticket, *, failed: bool | None) -> None:
        """`failed` None: it says nothing about the provider."""
        probing, self._probe = self._probe is ticket, None if self._probe is ticket else self._probe
        if failed is None or (self.state != "closed" and not probing) or ticket.era != self._era:
            return  # a late end of a call from before it opened
        before = self.state
        self._calls.append((self._now(), failed))
        self._forget()
        with suppress(_Failure):
            self._machine.call(_fail if failed else _pass)
        if self.state == "closed" and failed and self._too_many():
            self._machine.open()
        if self.state == "open":
            self._opened_at = self._now()
        if self.state != before:
            self._era += self.state == "open"
            self._calls.clear()
            self._say()

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

    def _say(self) -> None:
        metrics.breaker_changed(self.name, self.state)
        say = log.warning if self.state == "open" else log.info
        say("breaker.changed", provider=self.name, state=self.state)
        if self._changed is not None:
            self._changed(self, "state")


class Ticket:
    """One admitted call. Ends once; what comes after its end is passed over."""

    def __init__(self, breaker: Breaker, era: int) -> None:
        self._breaker: Breaker | None = breaker
        self._distrusted = breaker.distrust
        self.era = era

    def passed(self) -> None:
        self._end(failed=False)

    def failed(self, fault: Fault) -> None:
        """The fault says whether it counts, and how long the provider wants to be left alone."""
        if self._breaker is not None and fault.retry_after is not None:
            self._breaker.asked_to_wait(fault.retry_after, rate_limited=fault.kind == "rate_limited")
        self._end(failed=True if fault.counts else None)

    def distrusted(self) -> None:
        """What it brought can't be true. This may show long after it has passed: with a stream's last chunk."""
        self._distrusted()

    def dropped(self) -> None:
        """Cancelled, or never sent: it says nothing."""
        self._end(failed=None)

    def _end(self, *, failed: bool | None) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker._ended(self, failed=failed)  # noqa: SLF001 - a ticket is the breaker's own other half


class _Failure(Exception):
    """What pybreaker has to see to count."""


def _pass() -> None:
    return None


def _fail() -> None:
    raise _Failure
