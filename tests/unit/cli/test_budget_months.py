"""A month begins at midnight in `budget.time_zone`: the command line names that month, wherever in UTC it begins."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import available_timezones

import pytest

from app.budget.periods import Calendar
from app.cli.budget import month_of


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu"])
@pytest.mark.parametrize(("year", "month"), [(2026, 11), (2026, 1), (2024, 3), (2025, 12)])
def test_a_month_is_named_as_its_time_zone_names_it(zone: str, year: int, month: int) -> None:
    start = Calendar(zone).month_of(datetime(year, month, 15, 12, tzinfo=UTC)).start
    assert month_of(start.isoformat().replace("+00:00", "Z")) == f"{year}-{month:02}"


def test_november_in_berlin_is_not_october() -> None:
    assert month_of("2026-10-31T23:00:00Z") == "2026-11"


def test_every_known_zone_is_near_enough_to_utc() -> None:
    starts = {
        zone: Calendar(zone).month_of(datetime(2026, 7, 15, tzinfo=UTC)).start for zone in available_timezones() - {"Factory", "localtime"}
    }
    assert {month_of(start.isoformat()) for start in starts.values()} == {"2026-07"}
