"""Where a month is heading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.forecast import MIN_DAYS, extrapolate, forecast, students_t
from app.budget.periods import Calendar

PERIOD = Calendar("UTC").month_of(datetime(2026, 11, 15, tzinfo=UTC))
NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)


@given(st.lists(st.integers(0, 10**12), max_size=31))
def test_the_range_holds_the_one_figure_that_every_place_shows(past: list[int]) -> None:
    spent = sum(past)
    found = forecast(spent, past, PERIOD, NOON)
    assert found.middle == (spent if found.early else extrapolate(spent, PERIOD, NOON))
    if found.low is not None and found.high is not None:
        assert min(spent, found.middle) <= found.low <= max(spent, found.middle)
        assert found.middle <= found.high


def test_equal_days_leave_no_doubt_and_uneven_ones_do() -> None:
    even = forecast(10_000, [1000] * 10, PERIOD, NOON)
    assert even.low == even.middle == even.high
    uneven = forecast(10_000, [0, 2000] * 5, PERIOD, NOON)
    assert uneven.low is not None
    assert uneven.high is not None
    assert 10_000 <= uneven.low < uneven.middle < uneven.high


def test_after_two_days_nothing_is_said_of_a_range() -> None:
    assert forecast(10, [5, 5], PERIOD, NOON).low is None


@given(
    spent=st.integers(0, 10**12),
    began=st.timedeltas(timedelta(0), timedelta(days=29)),
    elapsed=st.timedeltas(timedelta(0), timedelta(days=30)),
)
def test_a_forecast_counts_the_pace_from_the_first_call_or_says_that_it_is_too_early(
    spent: int, began: timedelta, elapsed: timedelta
) -> None:
    first, now = PERIOD.start + began, min(PERIOD.start + began + elapsed, PERIOD.end - timedelta(seconds=1))
    days = max(0, (now - first).days)
    found = forecast(spent, [spent // (days + 1)] * days, PERIOD, now, first)
    assert found.early == (now - first < timedelta(days=MIN_DAYS))
    if found.early:
        assert (found.middle, found.low, found.high) == (spent, None, None)
    else:
        pace = spent / (now - first).total_seconds()
        assert found.middle == pytest.approx(spent + pace * (PERIOD.end - now).total_seconds(), rel=1e-9, abs=1)


def test_one_call_an_hour_ago_foretells_nothing_on_any_day_of_the_month() -> None:
    for day in range(30):
        first = PERIOD.start + timedelta(days=day)
        assert forecast(1_000_000, [], PERIOD, first + timedelta(hours=11), first).early


def test_who_begins_late_is_foretold_more_than_from_the_months_start() -> None:
    now, first = PERIOD.start + timedelta(days=24), PERIOD.start + timedelta(days=20)
    assert forecast(400, [100] * 4, PERIOD, now, first).middle == 1000
    assert forecast(400, [0] * 20 + [100] * 4, PERIOD, now).middle == 500


def test_few_days_widen_the_range_as_students_t_does() -> None:
    assert [students_t(freedom) for freedom in (2, 4, 10, 30)] == pytest.approx([1.886, 1.533, 1.372, 1.310], rel=0.025)
