"""Hypothesis drives a breaker through calls, ends late and early, waits, and what other processes say, beside a plain model of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from app.inference.breaker import MAX_PROBE_SECONDS, CircuitBreaker, CircuitOpen, Ticket
from app.inference.provider_errors import MAX_RETRY_AFTER_SECONDS, FailureKind, ProviderError
from app.settings import BreakerSettings as Options

OPTIONS = Options(failures=3, reset_seconds=20, window_seconds=60, window_calls=6, window_share=0.5)
COUNTS, SAYS_NOTHING = ProviderError("server_error", "it answered 500", 500), ProviderError("caller", "too hot", 400)
MOMENT = 1000.0


@dataclass(slots=True)
class Call:
    """An admitted call, by its number. `openings`: how often the breaker had opened before it."""

    ticket: Ticket
    number: int
    openings: int


@dataclass(slots=True)
class Model:
    """The rules, without a machine."""

    now: float = MOMENT
    state: str = "closed"
    opened_at: float = 0.0
    not_before: float = 0.0
    for_its_rate: bool = False
    in_a_row: int = 0
    calls: list[tuple[float, bool]] = field(default_factory=list)
    admitted: int = 0
    probe: int | None = None
    probed_at: float = 0.0
    openings: int = 0
    told: list[str] = field(default_factory=list)

    def becomes(self, state: str, *, told: bool = True) -> None:
        self.state, self.in_a_row, self.calls = state, 0, []
        self.openings += state == "open"
        if told:
            self.told.append(state)

    @property
    def left(self) -> float:
        return max(0.0, self.opened_at + OPTIONS.reset_seconds - self.now) if self.state == "open" else 0.0

    def admits(self) -> int | tuple[float, bool]:
        """The call's number, or for how long not and whether the provider asked for it."""
        if self.now < self.not_before:
            return self.not_before - self.now, self.for_its_rate
        if self.left > 0:
            return self.left, False
        if self.state == "open":
            self.becomes("half-open")
        if self.state == "half-open" and self.probe is not None and self.now < self.probed_at + MAX_PROBE_SECONDS:
            return 1.0, False
        self.admitted += 1
        if self.state == "half-open":
            self.probe, self.probed_at = self.admitted, self.now
        return self.admitted

    def left_alone(self, seconds: float, *, for_its_rate: bool) -> None:
        if self.now + seconds > self.not_before:
            self.not_before, self.for_its_rate = self.now + seconds, for_its_rate

    def ended(self, call: Call, *, failed: bool | None) -> None:
        if self.probe == call.number:
            self.probe = None
            if failed is not None:
                self.opened_at = self.now if failed else self.opened_at
                self.becomes("open" if failed else "closed")
        elif self.state == "closed" and failed is not None and call.openings == self.openings:
            self.calls.append((self.now, failed))
            self.in_a_row = self.in_a_row + 1 if failed else 0
            recent = [each for at, each in self.calls if at >= self.now - OPTIONS.window_seconds]
            share = len(recent) >= OPTIONS.window_calls and sum(recent) >= OPTIONS.window_share * len(recent)
            if failed and (self.in_a_row >= OPTIONS.failures or share):
                self.opened_at = self.now
                self.becomes("open")


class Breakers(RuleBasedStateMachine):
    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.told: list[str] = []
        self.breaker = CircuitBreaker("one", OPTIONS, now=lambda: self.model.now, changed=self._changed)

    def _changed(self, breaker: CircuitBreaker, what: str) -> None:
        self.told.append(breaker.state if what == "state" else what)

    @rule(target=calls, count=st.integers(1, 4))
    def ask(self, count: int) -> Any:
        return multiple(*filter(None, (self._ask() for _ in range(count))))

    def _ask(self) -> Call | None:
        expected, found = self.model.admits(), self.breaker.admit()
        if isinstance(found, CircuitOpen):
            assert not isinstance(expected, int)
            assert expected[0] == pytest.approx(found.seconds)
            assert expected[1] == found.limited
            assert found.seconds > 0
            return None
        assert isinstance(expected, int)
        return Call(found, expected, self.model.openings)

    @rule(call=consumes(calls), failed=st.booleans(), again=st.booleans())
    def end(self, call: Call, failed: bool, again: bool) -> None:
        """Only its first end counts."""
        call.ticket.failed(COUNTS) if failed else call.ticket.passed()
        self.model.ended(call, failed=failed)
        if again:
            call.ticket.failed(ProviderError("rate_limited", "429", retry_after=1000))
            call.ticket.passed()
            call.ticket.dropped()

    @rule(call=consumes(calls), cancelled=st.booleans())
    def end_without_a_word_about_the_provider(self, call: Call, cancelled: bool) -> None:
        call.ticket.dropped() if cancelled else call.ticket.failed(SAYS_NOTHING)
        self.model.ended(call, failed=None)

    @rule(call=consumes(calls), seconds=st.sampled_from([0.0, 0.5, 20.0, 100.0]), counts=st.booleans())
    def be_asked_to_wait(self, call: Call, seconds: float, counts: bool) -> None:
        self.model.left_alone(seconds, for_its_rate=counts)
        self.model.told.append("limit")
        call.ticket.failed(ProviderError("rate_limited" if counts else "caller", "429", 429, retry_after=seconds))
        self.model.ended(call, failed=True if counts else None)

    @rule(seconds=st.sampled_from([0.5, 10.0, 19.5, 20.0, 40.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.model.now += seconds

    @rule(seconds=st.sampled_from([0.5, 7.0, 20.0]))
    def another_process_opens_it(self, seconds: float) -> None:
        self.breaker.open_until(seconds)
        if self.model.state == "closed":
            self.model.becomes("open", told=False)
            self.model.opened_at = self.model.now - OPTIONS.reset_seconds + seconds

    @rule()
    def another_process_closes_it(self) -> None:
        self.breaker.close_at_once()
        if self.model.state == "open":
            self.model.becomes("closed", told=False)

    @rule(seconds=st.sampled_from([0.5, 2.0]))
    def another_process_probes(self, seconds: float) -> None:
        self.breaker.wait(seconds)
        if self.model.state == "open":
            self.model.opened_at = self.model.now - OPTIONS.reset_seconds + seconds

    @rule(seconds=st.sampled_from([0.0, 5.0]))
    def another_process_was_asked_to_wait(self, seconds: float) -> None:
        self.breaker.hold_off(seconds, rate_limited=True)
        self.model.left_alone(seconds, for_its_rate=True)

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        assert self.breaker.state == self.model.state
        assert self.breaker.seconds_left == pytest.approx(self.model.left)
        assert self.breaker.limited_seconds == pytest.approx(max(0.0, self.model.not_before - self.model.now))
        assert self.told == self.model.told


TestBreakers = Breakers.TestCase
TestBreakers.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


class Clock:
    now = MOMENT

    def __call__(self) -> float:
        return self.now


def admitted(breaker: CircuitBreaker) -> Ticket:
    ticket = breaker.admit()
    assert isinstance(ticket, Ticket)
    return ticket


def opened() -> tuple[CircuitBreaker, Clock, Ticket]:
    """An open breaker, and a call from before it opened."""
    clock = Clock()
    breaker = CircuitBreaker("one", OPTIONS, now=clock)
    early = admitted(breaker)
    for _ in range(OPTIONS.failures):
        admitted(breaker).failed(COUNTS)
    assert breaker.state == "open"
    return breaker, clock, early


def test_of_many_at_once_one_probes_and_its_success_lets_all_in() -> None:
    breaker, clock, _ = opened()
    assert breaker.admit() == CircuitOpen(OPTIONS.reset_seconds, limited=False)
    clock.now += OPTIONS.reset_seconds
    probes = [each for each in [breaker.admit() for _ in range(20)] if isinstance(each, Ticket)]
    assert len(probes) == 1
    probes[0].passed()
    assert breaker.state == "closed"
    assert all(isinstance(breaker.admit(), Ticket) for _ in range(20))


def test_a_probe_that_fails_shuts_it_for_the_whole_time_again() -> None:
    breaker, clock, _ = opened()
    clock.now += OPTIONS.reset_seconds + 7
    admitted(breaker).failed(COUNTS)
    assert (breaker.state, breaker.seconds_left) == ("open", OPTIONS.reset_seconds)


def test_a_probe_that_says_nothing_leaves_its_place_to_the_next() -> None:
    breaker, clock, _ = opened()
    clock.now += OPTIONS.reset_seconds
    admitted(breaker).dropped()
    admitted(breaker).failed(SAYS_NOTHING)
    probe = admitted(breaker)
    assert isinstance(breaker.admit(), CircuitOpen)
    probe.passed()
    assert breaker.state == "closed"


@pytest.mark.parametrize("failed", [True, False])
@pytest.mark.parametrize("probing", [True, False])
def test_a_late_end_of_a_call_from_before_it_opened_neither_closes_nor_prolongs_it(failed: bool, probing: bool) -> None:
    breaker, clock, early = opened()
    clock.now += OPTIONS.reset_seconds - 1 + probing
    probe = admitted(breaker) if probing else None
    early.failed(COUNTS) if failed else early.passed()
    assert (breaker.state, breaker.seconds_left) == ("half-open", 0) if probe else ("open", 1)


def test_late_ends_of_calls_from_before_it_opened_do_not_shut_it_again_after_the_probe() -> None:
    clock = Clock()
    breaker = CircuitBreaker("one", OPTIONS, now=clock)
    early = [admitted(breaker) for _ in range(2 * OPTIONS.failures)]
    for ticket in early[: OPTIONS.failures]:
        ticket.failed(COUNTS)
    clock.now += OPTIONS.reset_seconds
    admitted(breaker).passed()
    for ticket in early[OPTIONS.failures :]:
        ticket.failed(COUNTS)
    assert breaker.state == "closed"


def test_half_of_the_last_calls_failing_opens_it_though_never_three_in_a_row() -> None:
    breaker = CircuitBreaker("one", OPTIONS, now=Clock())
    for _ in range(OPTIONS.window_calls // 2):
        assert breaker.state == "closed"
        admitted(breaker).passed()
        admitted(breaker).failed(COUNTS)
    assert breaker.state == "open"


@pytest.mark.parametrize(("seconds", "state"), [(OPTIONS.window_seconds, "open"), (OPTIONS.window_seconds + 1, "closed")])
def test_what_lies_just_within_the_window_still_counts(seconds: float, state: str) -> None:
    clock = Clock()
    breaker = CircuitBreaker("one", OPTIONS, now=clock)
    for failed in (True, False, True, False):
        admitted(breaker).failed(COUNTS) if failed else admitted(breaker).passed()
    clock.now += seconds
    admitted(breaker).passed()
    admitted(breaker).failed(COUNTS)
    assert breaker.state == state


def test_once_closed_it_counts_from_the_start() -> None:
    breaker, clock, _ = opened()
    clock.now += OPTIONS.reset_seconds
    for _ in range(OPTIONS.window_calls - 2):
        admitted(breaker).passed()
    admitted(breaker).failed(COUNTS)  # with those from before it opened, half of them
    assert breaker.state == "closed"


def test_what_is_older_than_the_window_is_forgotten() -> None:
    clock = Clock()
    breaker = CircuitBreaker("one", OPTIONS, now=clock)
    for _ in range(20):
        admitted(breaker).failed(COUNTS)
        admitted(breaker).passed()
        clock.now += OPTIONS.window_seconds / 2
    assert breaker.state == "closed"


def test_of_a_provider_that_never_fails_only_the_windows_calls_are_remembered() -> None:
    clock = Clock()
    breaker = CircuitBreaker("one", OPTIONS, now=clock)
    for _ in range(1000):
        admitted(breaker).passed()
        clock.now += 1
    assert len(breaker._calls) <= OPTIONS.window_seconds + 1


def test_a_providers_own_limit_keeps_everybody_off_without_opening_it() -> None:
    clock = Clock()
    breaker = CircuitBreaker("one", OPTIONS, now=clock)
    admitted(breaker).failed(ProviderError("rate_limited", "429", 429, retry_after=20))
    breaker.hold_off(5, rate_limited=False)  # the longer one stands
    assert breaker.admit() == CircuitOpen(20, limited=True)
    assert breaker.state == "closed"
    clock.now += 20
    assert isinstance(breaker.admit(), Ticket)


def test_a_provider_that_fails_and_says_until_when_is_left_alone_but_not_for_its_rate() -> None:
    breaker = CircuitBreaker("one", OPTIONS, now=Clock())
    admitted(breaker).failed(ProviderError("server_error", "503", 503, retry_after=20))
    assert breaker.admit() == CircuitOpen(20, limited=False)


def test_no_limit_is_obeyed_for_longer_than_an_hour() -> None:
    breaker = CircuitBreaker("one", OPTIONS, now=Clock())
    admitted(breaker).failed(ProviderError("rate_limited", "429", 429, retry_after=10**9))
    assert breaker.limited_seconds == MAX_RETRY_AFTER_SECONDS


def test_a_probe_that_hangs_does_not_keep_the_others_out() -> None:
    breaker, clock, _ = opened()
    clock.now += OPTIONS.reset_seconds
    hanging = admitted(breaker)
    clock.now += MAX_PROBE_SECONDS
    second = admitted(breaker)
    assert isinstance(breaker.admit(), CircuitOpen)
    hanging.failed(COUNTS)
    assert breaker.seconds_left == 0
    second.passed()
    assert breaker.state == "closed"


def test_the_echo_of_a_shared_calls_failure_does_not_count() -> None:
    breaker = CircuitBreaker("one", OPTIONS, now=Clock())
    for place in range(3 * OPTIONS.failures):
        admitted(breaker).failed(ProviderError("server_error", "it answered 500", 500, echo=place > 0))
    assert breaker.state == "closed"


def test_without_anybody_to_tell_it_works_alone() -> None:
    breaker, clock, _ = opened()
    clock.now += OPTIONS.reset_seconds
    admitted(breaker).failed(ProviderError("rate_limited", "429", 429, retry_after=90))
    assert (breaker.state, breaker.limited_seconds) == ("open", 90)


def test_the_third_answer_within_ten_minutes_that_cannot_be_true_opens_it() -> None:
    now, told = [MOMENT], []
    breaker = CircuitBreaker("one", OPTIONS, now=lambda: now[0], changed=lambda _, what: told.append(what))
    for wait in (0, 400, 250, 0):  # the first is forgotten by the third
        now[0] += wait
        ticket = admitted(breaker)
        ticket.passed()
        assert breaker.state == "closed"
        ticket.distrusted()
    assert (breaker.state, told) == ("open", ["state"])
    now[0] += OPTIONS.reset_seconds
    probe = admitted(breaker)
    probe.passed()
    probe.distrusted()
    assert breaker.state == "closed"  # it begins anew


def heard(breaker: CircuitBreaker, *kinds: FailureKind, calls: int = 1) -> list[str]:
    """Let others wait while calls fail in these ways; return who was called off."""
    off: list[str] = []
    waiting = [breaker.admit() for _ in range(calls)]
    tickets = [breaker.admit() for _ in kinds]
    with ExitStack() as stack:
        for number, ticket in enumerate(waiting):
            assert isinstance(ticket, Ticket)
            stack.enter_context(ticket.pending(partial(off.append, f"caller {number}")))
        for ticket, kind in zip(tickets, kinds, strict=True):
            assert isinstance(ticket, Ticket)
            ticket.failed(ProviderError(kind, kind))
    return off


def test_who_waits_at_a_silent_provider_is_called_off_as_it_opens() -> None:
    breaker = CircuitBreaker("p", OPTIONS)
    assert heard(breaker, *["timeout"] * OPTIONS.failures, calls=3) == ["caller 0", "caller 1", "caller 2"]
    assert breaker.state == "open"


def test_no_one_is_called_off_before_it_opens_or_for_other_failures() -> None:
    assert heard(CircuitBreaker("p", OPTIONS), *["timeout"] * (OPTIONS.failures - 1)) == []
    assert heard(CircuitBreaker("p", OPTIONS), *["timeout"] * (OPTIONS.failures - 1), "reset") == []
    assert heard(CircuitBreaker("p", OPTIONS), *["server_error"] * OPTIONS.failures) == []


def test_who_has_heard_a_word_is_not_called_off() -> None:
    breaker, off = CircuitBreaker("p", OPTIONS), []
    ticket = breaker.admit()
    assert isinstance(ticket, Ticket)
    with ticket.pending(lambda: off.append("me")):
        pass
    assert heard(breaker, *["timeout"] * OPTIONS.failures) == ["caller 0"]
    assert off == []


def test_as_many_calls_listen_at_a_time_as_open_the_breaker() -> None:
    now = 100.0
    breaker = CircuitBreaker("p", OPTIONS, now=lambda: now)
    tickets = [found for found in (breaker.admit() for _ in range(OPTIONS.failures + 2)) if isinstance(found, Ticket)]
    assert [ticket.listens(seconds=15) for ticket in tickets] == [True] * OPTIONS.failures + [False] * 2
    tickets[0].passed()
    assert tickets[-1].listens(seconds=15)
    now += 16  # a long answer that has begun doesn't keep others from listening
    assert tickets[-2].listens(seconds=15)
