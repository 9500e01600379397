"""Calendar months in a time zone: the periods of limits. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class BudgetPeriod:
    """One month: `start` ≤ moment < `end`, aware, in UTC. `days`: how many calendar days it has."""

    start: datetime
    end: datetime
    days: int


class Calendar:
    """Months and days as people in one time zone see them."""

    def __init__(self, zone: str) -> None:
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigurationError(
                f"budget.time_zone {zone!r} is not a known time zone. Name one such as Europe/Berlin or UTC."
            ) from None

    def month_of(self, moment: datetime) -> BudgetPeriod:
        """Return the month that a moment belongs to."""
        local = moment.astimezone(self._zone)
        first = date(local.year, local.month, 1)
        following = date(local.year + local.month // 12, local.month % 12 + 1, 1)
        return BudgetPeriod(self._midnight(first), self._midnight(following), (following - first).days)

    def day_of(self, moment: datetime) -> date:
        """Return the day that a moment belongs to."""
        return moment.astimezone(self._zone).date()

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC)
