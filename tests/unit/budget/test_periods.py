"""Months as a time zone sees them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.periods import BudgetPeriod, Calendar
from app.errors import ConfigurationError

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe",
    "America/Havana", "America/Santiago",
]  # fmt: skip

moments = st.integers(1_577_836_800, 7_258_118_399).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""2020 to 2199."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "moment", "start", "end", "days"),
    [
        pytest.param("UTC", "2026-11-15T12:00", "2026-11-01", "2026-12-01", 30, id="a month"),
        pytest.param("UTC", "2026-11-01T00:00", "2026-11-01", "2026-12-01", 30, id="its first moment is its own"),
        pytest.param("UTC", "2026-12-31T23:59:59.999999", "2026-12-01", "2027-01-01", 31, id="December"),
        pytest.param("UTC", "2027-01-01T00:00", "2027-01-01", "2027-02-01", 31, id="New Year"),
        pytest.param("UTC", "2028-02-29T10:00", "2028-02-01", "2028-03-01", 29, id="leap February"),
        pytest.param("UTC", "2027-02-28T23:00", "2027-02-01", "2027-03-01", 28, id="February"),
        pytest.param("UTC", "2100-02-28T23:00", "2100-02-01", "2100-03-01", 28, id="2100 is no leap year"),
        pytest.param("Europe/Berlin", "2026-03-15T12:00", "2026-02-28T23:00", "2026-03-31T22:00", 31, id="summer time begins"),
        pytest.param("Europe/Berlin", "2026-10-15T12:00", "2026-09-30T22:00", "2026-10-31T23:00", 31, id="summer time ends"),
        pytest.param("Europe/Berlin", "2026-12-31T23:00", "2026-12-31T23:00", "2027-01-31T23:00", 31, id="January while it is December"),
        pytest.param("Asia/Kathmandu", "2026-01-31T18:14:59", "2025-12-31T18:15", "2026-01-31T18:15", 31, id="three quarters: before"),
        pytest.param("Asia/Kathmandu", "2026-01-31T18:15", "2026-01-31T18:15", "2026-02-28T18:15", 28, id="three quarters: after"),
        pytest.param("America/New_York", "2026-03-01T04:59", "2026-02-01T05:00", "2026-03-01T05:00", 28, id="behind"),
        pytest.param("Pacific/Kiritimati", "2026-12-31T10:00", "2026-12-31T10:00", "2027-01-31T10:00", 31, id="far ahead"),
        pytest.param("Pacific/Pago_Pago", "2027-01-01T10:59", "2026-12-01T11:00", "2027-01-01T11:00", 31, id="far behind"),
        pytest.param("America/Havana", "2026-11-01T05:30", "2026-11-01T04:00", "2026-12-01T05:00", 30, id="a first that has two midnights"),
        pytest.param("America/Asuncion", "2023-10-01T04:00", "2023-10-01T04:00", "2023-11-01T03:00", 31, id="a first that has none"),
    ],
)
def test_a_moment_lies_in_its_month(zone: str, moment: str, start: str, end: str, days: int) -> None:
    found = Calendar(zone).month_of(at(moment))
    assert found == BudgetPeriod(at(start), at(end), days)
    assert (found.start.tzinfo, found.end.tzinfo) == (UTC, UTC)


@given(st.sampled_from(ZONES), st.sampled_from(ZONES), moments)
def test_a_month_keeps_its_name_and_days_when_the_zone_is_changed(zone: str, later: str, moment: datetime) -> None:
    before, after = Calendar(zone), Calendar(later)
    opened = before.month_of(moment)
    stored = after.stored(opened.start, opened.end)
    assert stored == opened
    assert after.days_of(stored) == before.days_of(opened)
    assert len(after.days_of(stored)) == opened.days


@given(st.sampled_from(ZONES), moments)
def test_months_follow_each_other_without_gap_or_overlap(zone: str, moment: datetime) -> None:
    calendar = Calendar(zone)
    found = calendar.month_of(moment)
    assert found.start <= moment < found.end
    assert calendar.month_of(found.start) == found
    assert calendar.month_of(found.end - timedelta(microseconds=1)) == found
    assert calendar.month_of(found.end).start == found.end
    assert calendar.day_of(found.start).day == 1
    assert calendar.day_of(found.end - timedelta(microseconds=1)).day == found.days


def test_the_zone_that_a_moment_is_told_in_does_not_matter() -> None:
    moment = at("2026-12-31T23:30")
    assert Calendar("UTC").month_of(moment.astimezone(ZoneInfo("Asia/Kathmandu"))) == Calendar("UTC").month_of(moment)


@pytest.mark.parametrize(
    ("zone", "day"), [("UTC", date(2026, 12, 31)), ("Asia/Kathmandu", date(2027, 1, 1)), ("America/New_York", date(2026, 12, 31))]
)
def test_a_day_is_the_zones_own(zone: str, day: date) -> None:
    assert Calendar(zone).day_of(at("2026-12-31T20:00")) == day


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "Europe", "europe berlin", "../etc/passwd", "/etc/localtime", "a\0b", "zone.tab"])
def test_an_unknown_zone_is_named(zone: str) -> None:
    with pytest.raises(ConfigurationError, match="Europe/Berlin") as refused:
        Calendar(zone)
    assert f"budget.time_zone {zone!r}" in refused.value.message
