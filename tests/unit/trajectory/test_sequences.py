"""Distances of sequences: metrics where they are metrics, time warping against a brute force, bounds of length."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.trajectory.sequences import (
    MAX_POINTS,
    MAX_SYMBOLS,
    common_length,
    common_runs,
    common_shares,
    edit_distance,
    thinned,
    warping_distance,
)
from app.trajectory.sequences.series import band_width

NUMBERS = st.floats(-1_000, 1_000, allow_nan=False)
SERIES = st.lists(NUMBERS, min_size=1, max_size=12)
BANDS = st.sampled_from([0.0, 0.1, 0.3, 1.0])
SYMBOLS = st.text("abcd", max_size=15)


def brute_force(one: Sequence[float], other: Sequence[float], width: int) -> float:
    """The definition, written as a table: each cell is its difference squared and the least of the three cells before it."""
    costs = {(0, 0): 0.0}
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            if -max(0, len(one) - len(other)) - width < j - i < max(0, len(other) - len(one)) + width:
                before = min(costs.get(cell, math.inf) for cell in ((i - 1, j - 1), (i - 1, j), (i, j - 1)))
                costs[i, j] = before + (one[i - 1] - other[j - 1]) ** 2
    return math.sqrt(costs[len(one), len(other)])


@given(SERIES, SERIES, BANDS)
def test_time_warping_is_what_its_definition_says(one: list[float], other: list[float], band: float) -> None:
    expected = brute_force(one, other, band_width(max(len(one), len(other)), band))
    assert warping_distance(one, other, band=band) == pytest.approx(expected)


@given(SERIES, SERIES, BANDS)
def test_time_warping_is_symmetric_and_never_negative(one: list[float], other: list[float], band: float) -> None:
    distance = warping_distance(one, other, band=band)
    assert distance >= 0
    assert warping_distance(other, one, band=band) == pytest.approx(distance)
    assert warping_distance(one, one, band=band) == 0


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=12))
def test_time_warping_is_at_most_the_straight_distance_and_narrows_with_the_band(pairs: list[tuple[float, float]]) -> None:
    one, other = [list(side) for side in zip(*pairs, strict=True)]
    straight = math.dist(one, other)
    bands = [warping_distance(one, other, band=band) for band in (1.0, 0.5, 0.2, 0.0)]
    assert all(wide <= narrow + 1e-9 for wide, narrow in itertools.pairwise(bands))
    assert bands[-1] == pytest.approx(straight)
    ends = math.hypot(one[0] - other[0], one[-1] - other[-1]) if len(one) > 1 else abs(one[0] - other[0])
    assert bands[0] >= ends - 1e-9  # the first points are always matched, and the last


def test_time_warping_obeys_no_triangle_rule() -> None:
    one, between, other = [0.0], [1.0, 2.0], [2.0, 3.0, 3.0]
    direct = warping_distance(one, other, band=1)
    assert direct > warping_distance(one, between, band=1) + warping_distance(between, other, band=1)


@pytest.mark.parametrize("series", [[], [math.nan], [1.0, math.inf], [1e200], [[1.0], [2.0]]])
def test_a_series_that_cannot_be_compared_is_refused(series: list[float]) -> None:
    with pytest.raises(ValueError, match="series has"):
        warping_distance(series, [1.0])


@pytest.mark.parametrize("band", [-0.1, 1.5, math.nan])
def test_a_band_outside_the_series_is_refused(band: float) -> None:
    with pytest.raises(ValueError, match="band"):
        warping_distance([1.0], [1.0], band=band)


@given(st.integers(1, 30_000), st.integers(1, 300))
def test_a_thinned_series_keeps_its_mean_within_its_range(length: int, points: int) -> None:
    series = np.linspace(-1, 1, length)
    short = thinned(series, points)
    assert len(short) == min(length, points)
    assert (np.diff(short) > 0).all()
    assert -1 <= short[0] <= short[-1] <= 1


def test_long_series_are_thinned_before_they_are_compared() -> None:
    series = np.sin(np.linspace(0, 20, 50 * MAX_POINTS))
    assert warping_distance(series, thinned(series, MAX_POINTS)) == pytest.approx(0, abs=1e-9)


@given(SYMBOLS, SYMBOLS, SYMBOLS)
def test_edits_are_a_metric(one: str, between: str, other: str) -> None:
    distance = edit_distance(one, other)
    assert (distance == 0) == (one == other)
    assert distance == edit_distance(other, one)
    assert distance <= edit_distance(one, between) + edit_distance(between, other)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))


def longest(one: str, other: str) -> int:
    lengths = [0] * (len(other) + 1)
    for symbol in one:
        before = 0
        for place, each in enumerate(other, 1):
            before, lengths[place] = lengths[place], before + 1 if symbol == each else max(lengths[place], lengths[place - 1])
    return lengths[-1]


@given(SYMBOLS, SYMBOLS)
def test_a_common_subsequence_is_the_longest_and_stands_in_both_in_order(one: str, other: str) -> None:
    runs = common_runs(one, other)
    assert common_length(one, other) == common_length(other, one) == longest(one, other) == sum(run.length for run in runs)
    for run in runs:
        assert one[run.first : run.first + run.length] == other[run.second : run.second + run.length]
    for before, after in itertools.pairwise(runs):
        assert before.first + before.length <= after.first
        assert before.second + before.length <= after.second


@given(SYMBOLS.filter(bool), st.lists(SYMBOLS.filter(bool), max_size=5))
def test_many_at_once_are_compared_as_each_alone(one: str, others: list[str]) -> None:
    expected = [longest(one, each) / max(len(one), len(each)) for each in others]
    assert common_shares(one, others).tolist() == pytest.approx(expected)


@example([0, 5], [2**61 - 1, 5])
@example([-1], [-2])
@given(st.lists(st.integers(-(2**63), 2**63), max_size=8), st.lists(st.integers(-(2**63), 2**63), max_size=8))
def test_symbols_may_be_hashes(one: list[int], other: list[int]) -> None:
    letters = {each: chr(0x100 + place) for place, each in enumerate({*one, *other})}
    spelled = ["".join(letters[each] for each in given_) for given_ in (one, other)]
    assert edit_distance(one, other) == edit_distance(*spelled)
    assert common_length(one, other) == common_length(*spelled)


def test_more_symbols_than_are_compared_are_refused_with_their_number() -> None:
    long = "a" * (MAX_SYMBOLS + 1)
    for compare in (common_length, common_runs, edit_distance):
        with pytest.raises(ValueError, match=f"{MAX_SYMBOLS + 1} symbols"):
            compare(long, "a")
    with pytest.raises(ValueError, match="symbols"):
        common_shares("a", [long])
