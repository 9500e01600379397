"""The arithmetic of a limit: never more than it in any minute, and nobody waits much longer than that needs."""

from __future__ import annotations

from math import floor

from hypothesis import given
from hypothesis import strategies as st

from app.rate_limits.local import LocalLimits
from app.rate_limits.window import WINDOW_SECONDS, Window

LIMITS = st.integers(1, 20)
START = st.floats(0, 1e9)
PAUSES = st.lists(st.floats(0, 40) | st.floats(0, 0.1) | st.sampled_from([0.0, 20.0, 30.0]), max_size=120)


def admitted(limit: int, start: float, pauses: list[float]) -> tuple[list[float], list[float]]:
    """When requests were let through, and when refused."""
    own, now = LocalLimits(), start
    through: list[float] = []
    refused: list[float] = []
    for pause in pauses:
        now += pause
        (through if own.take("key", {"requests": limit}, now).granted else refused).append(now)
    return through, refused


@given(LIMITS, START, PAUSES)
def test_no_minute_holds_more_than_the_limit_wherever_it_begins(limit: int, start: float, pauses: list[float]) -> None:
    through, _ = admitted(limit, start, pauses)
    for begin in through:
        assert sum(begin <= each < begin + WINDOW_SECONDS for each in through) <= limit


@given(LIMITS, START, PAUSES)
def test_who_is_refused_would_have_been_over_the_limit_of_the_last_sixty_one_seconds(limit: int, start: float, pauses: list[float]) -> None:
    through, refused = admitted(limit, start, pauses)
    for at in refused:
        assert sum(floor(at) - WINDOW_SECONDS <= each <= at for each in through) >= limit


@given(LIMITS, st.integers(0, 10**6), PAUSES, st.floats(0, 70))
def test_who_is_refused_is_let_through_after_the_wait_that_was_told_and_not_before(
    limit: int, start: float, pauses: list[float], idle: float
) -> None:
    own, now = LocalLimits(), float(start)
    quota = {"requests": limit}
    for pause in pauses:
        now += pause
        own.take("key", quota, now)
    now += idle
    verdict = own.check("key", quota, now)
    wait = verdict.states["requests"].wait_seconds
    assert verdict.granted == (wait == 0)
    assert wait <= WINDOW_SECONDS + 1
    if wait > 0.01:
        assert not own.check("key", quota, now + wait - 0.005).granted
        assert own.check("key", quota, now + wait + 0.001).granted


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 10**6)), max_size=60), st.integers(1, 10**6))
def test_what_was_used_is_counted_whole_and_all_of_it_comes_back(uses: list[tuple[float, int]], limit: int) -> None:
    window, now, all_of_it = Window(), 0.0, []
    for pause, amount in uses:
        now += pause
        window.use(amount, now)
        all_of_it.append((now, amount))
    assert window.used(now) == sum(amount for at, amount in all_of_it if floor(at) >= floor(now) - WINDOW_SECONDS)
    state = window.state(limit, now)
    assert state.left == max(0, limit - window.used(now))
    assert 0 <= state.wait_seconds <= state.reset_seconds <= WINDOW_SECONDS + 1
    assert window.state(limit, now + state.reset_seconds + 0.001).left == limit


def test_tokens_that_ran_over_their_limit_are_waited_for() -> None:
    own, quota = LocalLimits(), {"requests": 10, "tokens": 100}
    assert own.take("key", quota, 0).granted
    own.use("key", "tokens", 90, 1)
    assert own.take("key", quota, 2).granted
    own.use("key", "tokens", 400, 3)
    verdict = own.take("key", quota, 4)
    assert not verdict.granted
    assert (verdict.states["tokens"].left, verdict.states["tokens"].wait_seconds) == (0, 60)
    assert verdict.states["requests"].left == 8  # who is refused uses nothing


def test_keys_that_have_gone_quiet_are_forgotten() -> None:
    own, quota = LocalLimits(), {"requests": 1}
    for number in range(30_000):
        assert own.take(f"key {number}", quota, number * 0.1).granted
    assert len(own._windows) <= 10_000
