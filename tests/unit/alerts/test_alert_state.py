"""Duration and hysteresis: the transitions as a table, and what holds for every course of values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alerts.alert_state import AlertState, next_state
from app.alerts.series_rules import SeriesRule

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EVERY = timedelta(seconds=15)
ABOVE = SeriesRule(what="x", series="machine.memory", take="last", above=0.8, clear=0.7, for_seconds=60, clear_seconds=30)
BELOW = SeriesRule(what="x", series="cache.hits", of="cache.lookups", take="share", below=0.4, clear=0.5, for_seconds=60, clear_seconds=30)


def course(rule: SeriesRule, values: list[float | None]) -> str:
    """How it stands after each value: `.` inactive, `p` pending, `F` firing."""
    before: AlertState | None = None
    said = ""
    for number, value in enumerate(values):
        before = next_state(rule, before, value, NOON + number * EVERY)
        said += "." if before is None else "p" if before.state == "pending" else "F"
    return said


HIGH, MIDDLE, LOW = 0.9, 0.75, 0.5


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([HIGH] * 4, "pppp"),
        ([HIGH] * 5, "ppppF"),
        ([HIGH, HIGH, HIGH, LOW, HIGH, HIGH, HIGH, HIGH, HIGH], "ppp.ppppF"),
        ([HIGH, HIGH, MIDDLE, HIGH], "pp.p"),
        ([HIGH] * 5 + [MIDDLE] * 9, "ppppF" + "F" * 9),
        ([HIGH] * 5 + [LOW, LOW, LOW], "ppppFFF."),
        ([HIGH] * 5 + [LOW, HIGH, LOW, LOW, LOW], "ppppFFFFF."),
        ([HIGH] * 5 + [None, None, None], "ppppFFF."),
        ([None, HIGH, None, HIGH], ".p.p"),
        ([0.8] * 6, "......"),
    ],
)
def test_an_alert_fires_after_its_duration_and_ends_only_past_clear(values: list[float | None], wanted: str) -> None:
    assert course(ABOVE, values) == wanted


def test_a_rule_with_below_mirrors_one_with_above() -> None:
    assert course(BELOW, [0.3] * 5 + [0.45] * 3 + [0.6] * 3) == "ppppF" + "FFF" + "FF."


def test_an_alert_without_durations_fires_and_ends_at_once() -> None:
    at_once = ABOVE.model_copy(update={"for_seconds": 0, "clear_seconds": 0})
    assert course(at_once, [LOW, HIGH, LOW]) == ".F."


def test_after_a_gap_a_pending_alert_begins_anew_and_a_firing_one_goes_on() -> None:
    pending = AlertState("pending", NOON - timedelta(hours=1), HIGH)
    after = next_state(ABOVE, pending, HIGH, NOON, after_gap=True)
    assert after == AlertState("pending", NOON, HIGH)
    firing = AlertState("firing", NOON - timedelta(hours=1), HIGH, first=HIGH, peak=HIGH)
    assert next_state(ABOVE, firing, HIGH, NOON, after_gap=True) == firing


@pytest.mark.parametrize(("rule", "values", "peak"), [(ABOVE, [0.85, 0.95, 0.9, 0.75], 0.95), (BELOW, [0.3, 0.1, 0.2, 0.45], 0.1)])
def test_a_firing_alert_keeps_its_first_value_and_the_one_farthest_past_the_threshold(
    rule: SeriesRule, values: list[float], peak: float
) -> None:
    alert: AlertState | None = None
    for value in values:
        alert = next_state(rule.model_copy(update={"for_seconds": 0}), alert, value, NOON)
    assert alert == AlertState("firing", NOON, values[-1], first=values[0], peak=peak)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=60))
def test_an_alert_never_fires_early_and_never_flaps(values: list[float | None]) -> None:
    said = course(ABOVE, values)
    for place in range(len(said)):
        if said[place] == "F" and (place == 0 or said[place - 1] != "F"):
            before = values[max(0, place - 4) : place + 1]
            assert len(before) == 5
            assert all(value is not None and value > 0.8 for value in before)
        if said[place] != "F" and place and said[place - 1] == "F":
            assert all(value is None or value <= 0.7 for value in values[place - 2 : place + 1])
