"""What is foretold of a month, and what remains of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.forecast import extrapolate
from app.budget.periods import Calendar
from app.budget.views import Budget
from tests.unit.budget.test_periods import at

NOVEMBER = Calendar("UTC").month_of(at("2026-11-01"))
MONTH = NOVEMBER.end - NOVEMBER.start
STATE = Budget(NOVEMBER, 1000, 0, 0, 0, 0, 0, None, 0, 0, (), NOVEMBER.start, too_early_to_tell=False)


@pytest.mark.parametrize(
    ("elapsed", "foretold"),
    [
        pytest.param(MONTH / 2, 2000, id="half of the month: twice"),
        pytest.param(timedelta(days=10), 3000, id="a third: three times"),
        pytest.param(timedelta(days=3), 10_000, id="three days: ten times"),
        pytest.param(timedelta(days=2), 1000, id="two days: too early to tell"),
        pytest.param(timedelta(0), 1000, id="its first moment too"),
        pytest.param(timedelta(days=-3), 1000, id="a clock that is behind"),
        pytest.param(MONTH, 1000, id="its end: what is spent"),
        pytest.param(MONTH * 2, 1000, id="afterwards too"),
    ],
)
def test_the_pace_so_far_goes_on_to_the_months_end(elapsed: timedelta, foretold: int) -> None:
    assert extrapolate(1000, NOVEMBER, NOVEMBER.start + elapsed) == foretold


@given(st.integers(0, 10**13), st.timedeltas(timedelta(0), MONTH))
def test_a_forecast_lies_between_what_is_spent_and_ten_times_that(spent: int, elapsed: timedelta) -> None:
    assert spent <= extrapolate(spent, NOVEMBER, NOVEMBER.start + elapsed) <= 10 * spent


@pytest.mark.parametrize(
    ("added", "spent", "held", "remaining"), [(0, 0, 0, 1000), (0, 300, 200, 500), (500, 300, 200, 1000), (0, 800, 200, 0), (0, 1500, 0, 0)]
)
def test_what_remains_is_neither_spent_nor_held_and_never_less_than_nothing(added: int, spent: int, held: int, remaining: int) -> None:
    assert replace(STATE, added=added, spent=spent, held=held).remaining == remaining


def test_without_a_limit_there_is_no_remainder() -> None:
    assert replace(STATE, limit=None, added=5, spent=10).remaining is None
