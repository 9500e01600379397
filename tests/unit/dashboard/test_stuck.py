"""Where sessions get stuck, by week: each week a column, each kind of trouble in its own colour."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

import pytest

from app.dashboard.finding_words import HEALTH_WORDS, LOOP_WORDS, state_of_finding, what_shows
from app.dashboard.stuck import by_week, minutes
from app.trajectory.analysis.trouble import TROUBLE, WEEKS, TroubleWeek
from app.trajectory.analyzers.loops import LoopRung

SINCE = date(2026, 9, 7)


def test_each_week_is_a_column_and_weeks_without_trouble_are_zero() -> None:
    found = [TroubleWeek(SINCE, "stuck", 3, 2), TroubleWeek(SINCE + timedelta(weeks=WEEKS - 1), "stuck", 1, 1)]
    chart = by_week(found, SINCE)
    (series,) = chart.series
    assert series.values == (3.0, *[0.0] * (WEEKS - 2), 1.0)
    assert (chart.titles[0], chart.totals[0], len(chart.labels)) == ("the week of 2026-09-07", "3", WEEKS)


def test_kinds_keep_their_order_and_colour_whichever_are_there() -> None:
    all_three = by_week([TroubleWeek(SINCE, name, number, 1) for number, name in enumerate(("off_track", "blocked", "stuck"), 1)], SINCE)
    assert [(each.name, each.values[0]) for each in all_three.series] == [("stuck", 3.0), ("blocked", 2.0), ("off track", 1.0)]
    (alone,) = by_week([TroubleWeek(SINCE, "blocked", 1, 1)], SINCE).series
    assert alone.tone == all_three.series[1].tone
    assert all_three.totals[0] == "6"


def test_every_kind_of_trouble_has_plain_words() -> None:
    assert {state_of_finding("loop", rung) for rung in get_args(LoopRung)} == {"stuck"}
    assert all(what_shows("loop", rung) in LOOP_WORDS.values() for rung in get_args(LoopRung))
    assert all(what_shows("health", name) in HEALTH_WORDS.values() for name in TROUBLE)
    assert state_of_finding("health", "off_track") == "off track"


def test_without_trouble_there_is_nothing_to_draw() -> None:
    assert by_week([], SINCE).empty


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "unknown"), (0, "0 s"), (89, "89 s"), (90, "2 min"), (5_399, "90 min"), (7_200, "2.0 h")]
)
def test_how_long_is_told_in_one_unit(seconds: float | None, words: str) -> None:
    assert minutes(seconds) == words
