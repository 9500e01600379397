"""Where sessions get stuck, by week: each week a column, the rarest kinds together."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from app.dashboard.charts import MAX_SERIES
from app.dashboard.stuck import by_week, minutes
from app.trajectory.analysis.trouble import WEEKS, TroubleWeek

SINCE = date(2026, 9, 7)


def test_each_week_is_a_column_and_weeks_without_trouble_are_zero() -> None:
    found = [TroubleWeek(SINCE, "stuck", 3, 2), TroubleWeek(SINCE + timedelta(weeks=WEEKS - 1), "stuck", 1, 1)]
    chart = by_week(found, SINCE)
    (series,) = chart.series
    assert series.values == (3.0, *[0.0] * (WEEKS - 2), 1.0)
    assert (chart.titles[0], chart.totals[0], len(chart.labels)) == ("the week of 2026-09-07", "3", WEEKS)


def test_the_rarest_kinds_are_told_together() -> None:
    found = [TroubleWeek(SINCE, f"kind_{number}", 20 - number, 1) for number in range(MAX_SERIES + 3)]
    chart = by_week(found, SINCE)
    assert len(chart.series) == MAX_SERIES
    assert (chart.series[0].name, chart.series[-1].name, chart.series[-1].values[0]) == ("kind 0", "others", 14 + 13 + 12 + 11.0)


def test_without_trouble_there_is_nothing_to_draw() -> None:
    assert by_week([], SINCE).empty


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "unknown"), (0, "0 s"), (89, "89 s"), (90, "2 min"), (5_399, "90 min"), (7_200, "2.0 h")]
)
def test_how_long_is_told_in_one_unit(seconds: float | None, words: str) -> None:
    assert minutes(seconds) == words
