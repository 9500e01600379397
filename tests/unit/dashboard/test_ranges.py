"""Ranges of days in addresses: the usual ones, and how they are written."""

from __future__ import annotations

from datetime import date

import pytest

from app.budget.views import ReportDays
from app.dashboard import formatting
from app.dashboard.ranges import PRESETS, preset_days, span

TODAY = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [
        ("today", TODAY, TODAY),
        ("7d", date(2026, 3, 25), TODAY),
        ("month", date(2026, 3, 1), TODAY),
        ("last-month", date(2026, 2, 1), date(2026, 2, 28)),
        ("90d", date(2026, 1, 1), TODAY),
        ("year", date(2026, 1, 1), TODAY),
    ],
)
def test_each_usual_range_ends_where_it_says(preset: str, first: date, last: date) -> None:
    assert preset in PRESETS
    assert preset_days(preset, TODAY) == ReportDays(first, last)


def test_the_range_before_is_as_long_and_ends_the_day_before() -> None:
    assert ReportDays(date(2026, 3, 1), date(2026, 3, 31)).before == ReportDays(date(2026, 1, 29), date(2026, 2, 28))
    assert ReportDays(TODAY, TODAY).before == ReportDays(date(2026, 3, 30), date(2026, 3, 30))


@pytest.mark.parametrize(
    ("first", "last", "written"),
    [
        (TODAY, TODAY, "Tue 31 Mar 2026"),
        (date(2026, 3, 1), TODAY, "1 Mar to 31 Mar 2026"),
        (date(2025, 12, 31), TODAY, "31 Dec 2025 to 31 Mar 2026"),
    ],
)
def test_a_range_is_written_without_saying_a_year_twice(first: date, last: date, written: str) -> None:
    assert span(ReportDays(first, last)) == written


@pytest.mark.parametrize(
    ("now", "before", "written"),
    [(112, 100, "+12 %"), (50, 100, "\u221250 %"), (100, 100, "\u00b10 %"), (1001, 1000, "\u00b10 %"), (5, 0, ""), (0, 7, "\u2212100 %")],
)
def test_a_change_is_in_percent_of_what_was_before(now: int, before: int, written: str) -> None:
    assert formatting.change(now, before) == written
