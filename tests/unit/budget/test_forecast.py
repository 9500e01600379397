"""Where a month is heading."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from app.budget.forecast import extrapolate, forecast
from app.budget.periods import Calendar

PERIOD = Calendar("UTC").month_of(datetime(2026, 11, 15, tzinfo=UTC))
NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)


@given(st.lists(st.integers(0, 10**12), max_size=31))
def test_the_range_holds_the_one_figure_that_every_place_shows(past: list[int]) -> None:
    spent = sum(past)
    found = forecast(spent, past, PERIOD, NOON)
    assert found.middle == extrapolate(spent, PERIOD, NOON)
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
