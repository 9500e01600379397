"""Age: what an item weighs by it, and how it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import clock
from app.clock import age_days, age_in_words
from app.knowledge.age import age_factor, band_of

NOW = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.mark.parametrize(
    ("days", "band"),
    [
        (0, "under_30_days"),
        (29, "under_30_days"),
        (30, "30_to_90_days"),
        (89, "30_to_90_days"),
        (90, "90_to_180_days"),
        (180, "over_180_days"),
        (4000, "over_180_days"),
        (-2, "under_30_days"),
    ],
)
def test_an_age_is_in_the_band_that_its_days_name(days: int, band: str) -> None:
    assert band_of(NOW - timedelta(days=days)) == band


def test_older_never_weighs_more() -> None:
    factors = [age_factor(NOW - timedelta(days=days)) for days in range(400)]
    assert factors == sorted(factors, reverse=True)


@given(st.integers(0, 86_399), st.integers(0, 2_000))
def test_an_age_does_not_change_within_a_day(second: int, days: int) -> None:
    at = NOW.replace(hour=0, minute=0) - timedelta(days=days) + timedelta(seconds=second)
    assert age_days(at) == days


def test_a_time_in_the_future_is_from_today() -> None:
    assert age_days(NOW + timedelta(days=3)) == 0


def test_an_age_is_counted_in_utc_whatever_the_zone_of_its_moment() -> None:
    assert age_days(datetime.fromisoformat("2026-11-01T09:00:00+09:30")) == 1  # 23:30 of the day before in UTC


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0, "from today"),
        (1, "1 day old"),
        (13, "13 days old"),
        (14, "2 weeks old"),
        (59, "8 weeks old"),
        (60, "2 months old"),
        (275, "9 months old"),
        (729, "24 months old"),
        (730, "2 years old"),
    ],
)
def test_an_age_is_told_as_people_say_it(days: int, words: str) -> None:
    assert age_in_words(days) == words
