"""Recurrence: the counts agree with their definition, whatever the window; a sequence that goes on reuses what was counted."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trajectory.analyzers.recurrence import (
    MAX_CACHED,
    RecurrenceAnalyzer,
    RecurrenceCache,
    RecurrenceCounter,
    rolling_hashes,
    symbols_of,
)
from app.trajectory.events.steps import steps_of
from tests.loop_cases import CASES, LoopCase, bash, say

symbols = st.lists(st.integers(0, 6), max_size=40)


def counted(given: list[int], window: int | None = None) -> RecurrenceCounter:
    counter = RecurrenceCounter(window)
    for symbol in given:
        counter.add(symbol)
    return counter


def by_definition(given: list[int]) -> tuple[int, int]:
    """Return the pairs of places with equal symbols, and those of them that stand in a run of at least two."""
    equal = {(i, j) for i, j in combinations(range(len(given)), 2) if given[i] == given[j]}
    return len(equal), sum((i - 1, j - 1) in equal or (i + 1, j + 1) in equal for i, j in equal)


@given(symbols)
def test_the_counts_are_those_of_the_definition(given: list[int]) -> None:
    found, (equal, runs) = counted(given).measure(), by_definition(given)
    pairs = len(given) * (len(given) - 1) / 2
    assert found.recurrence_rate == (equal / pairs if pairs else 0.0)
    assert found.determinism == (runs / equal if equal else 0.0)
    assert found.novelty_rate == (len(set(given)) / len(given) if given else 0.0)


@given(symbols, st.integers(1, 12))
def test_a_window_counts_as_if_it_were_all(given: list[int], window: int) -> None:
    assert counted(given, window).measure() == counted(given[-window:], window).measure()


@given(symbols)
def test_counting_by_arrays_agrees(given: list[int]) -> None:
    assert RecurrenceCounter.whole(given).measure() == counted(given).measure()


@given(symbols)
def test_every_beginning_by_the_cache_is_as_from_scratch(given: list[int]) -> None:
    cache = RecurrenceCache()
    for length in range(len(given) + 1):
        assert cache.measure(given[:length], "fast") == RecurrenceCache().measure(given[:length], "fast")
    assert cache.reused == max(0, len(given) - 1)


@given(symbols)
def test_a_longer_sequence_hashes_its_beginning_alike(given: list[int]) -> None:
    hashes = rolling_hashes(given)
    assert all(rolling_hashes(given[: length + 1])[-1] == hashes[length] for length in range(len(given)))


def test_the_cache_is_bounded() -> None:
    cache = RecurrenceCache()
    for n in range(MAX_CACHED * 3):
        cache.measure([n, n], "fast")
    assert len(cache._held) == MAX_CACHED


@pytest.mark.parametrize(
    ("given", "attractor", "period"),
    [
        ([1, 2, 3, 9, 9, 9, 9], "fixed_point", 1),
        ([7, *[1, 2] * 3], "limit_cycle", 2),
        ([7, 8, *[1, 2, 3] * 3], "limit_cycle", 3),
        (list(range(30)), "drift", 0),
        ([1, 2, 1, 3, 2, 3, 1, 4, 2, 4], "mixed", 0),
        ([1, 2], "short", 0),
        ([], "short", 0),
    ],
)
def test_a_sequence_settles_where_it_does(given: list[int], attractor: str, period: int) -> None:
    found = counted(given).measure()
    assert (found.attractor, found.period) == (attractor, period)


def test_words_alone_are_no_sequence() -> None:
    events = LoopCase("", None, (say("a"), say("b"), say("c"))).events
    assert symbols_of(steps_of(enumerate(events, 1))) == []


def test_a_period_is_seen_in_a_sessions_calls() -> None:
    acts = tuple(bash(f"cat {name}", f"{name} is here") for _ in range(3) for name in "xyz")
    analyzer = RecurrenceAnalyzer()
    for step in steps_of(enumerate(LoopCase("", None, acts).events, 1)):
        analyzer.add(step)
    assert analyzer.measure().period == 3


def test_novelty_falls_as_a_session_repeats_itself() -> None:
    rates = [counted([*range(10), *[1, 2, 3] * n]).measure().novelty_rate for n in range(5)]
    assert all(later < earlier for earlier, later in pairwise(rates))


def test_every_sequence_of_the_set_can_be_measured() -> None:
    for case in CASES:
        found = RecurrenceCache().measure(symbols_of(steps_of(enumerate(case.events, 1))), "normal")
        assert 0.0 <= found.recurrence_rate <= 1.0
