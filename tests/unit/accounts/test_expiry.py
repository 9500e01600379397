"""When something expires, as people write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app import clock
from app.accounts.expiry import day_of, parse_expiry
from app.errors import InvalidInput

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        (" 4W ", NOW + timedelta(weeks=4)),
        ("2027-01-31", datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-11-29", datetime(2026, 11, 29, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2027-01-31T18:00Z", datetime(2027, 1, 31, 18, tzinfo=UTC)),
        ("2027-01-31 18:00", datetime(2027, 1, 31, 18, tzinfo=UTC)),
        ("2027-01-31T18:00+02:00", datetime(2027, 1, 31, 16, tzinfo=UTC)),
    ],
)
def test_a_time_from_now_a_day_and_a_moment_are_read(text: str, moment: datetime) -> None:
    assert parse_expiry(text) == moment


@pytest.mark.parametrize("text", ["2026-11-28", "2020-01-01", "2026-11-29T12:00Z", "0d", "0001-01-01", "2026-11-29T13:00+02:00"])
def test_what_is_past_is_refused_as_past(text: str) -> None:
    with pytest.raises(InvalidInput, match="is in the past"):
        parse_expiry(text)


@pytest.mark.parametrize("text", ["10000-01-01", "99999-01-01T00:00Z", "9999999w", "+12345-06-07", "9999-12-31T23:00-05:00"])
def test_years_beyond_9999_are_refused_as_too_far_away(text: str) -> None:
    with pytest.raises(InvalidInput, match="is after the year 9999"):
        parse_expiry(text)


@pytest.mark.parametrize(
    "text", ["", "soon", "90", "-5d", "90 days", "2027-13-01", "2027-02-30", "20270131", "2027-W05", "31.01.2027", "1e3d", "९०d\x00"]
)
def test_nonsense_is_refused_with_the_forms_that_are_read(text: str) -> None:
    with pytest.raises(InvalidInput, match="such as 12h, 90d or 4w") as refused:
        parse_expiry(text)
    assert refused.value.param == "expires"


def test_a_message_names_the_day_in_utc() -> None:
    assert day_of(datetime.fromisoformat("2027-01-31T23:30:00-05:00")) == "2027-02-01"
