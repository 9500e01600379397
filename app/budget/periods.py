"""Calendar months in a time zone: the periods of limits. Pure."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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
                f"budget.time_zone {zone!r} is not a known time zone. Use a name such as Europe/Berlin or UTC."
            ) from None

    def month_of(self, moment: datetime) -> BudgetPeriod:
        """Return the month that a moment belongs to."""
        local = moment.astimezone(self._zone)
        first = date(local.year, local.month, 1)
        following = date(local.year + local.month // 12, local.month % 12 + 1, 1)
        return BudgetPeriod(self._midnight(first), self._midnight(following), (following - first).days)

    def days_of(self, period: BudgetPeriod) -> list[date]:
        """Return the days of a month, in order. It is told by its middle: its ends may be those of the zone that was set before."""
        middle = self.day_of(period.start + (period.end - period.start) / 2)
        return [middle.replace(day=1) + timedelta(days=number) for number in range(monthrange(middle.year, middle.month)[1])]

    def stored(self, start: datetime, end: datetime) -> BudgetPeriod:
        """Return a month as it was opened, also where it was in another time zone."""
        month = self.month_of(start + (end - start) / 2)
        return BudgetPeriod(start.astimezone(UTC), end.astimezone(UTC), month.days)

    def day_of(self, moment: datetime) -> date:
        """Return the day that a moment belongs to."""
        return moment.astimezone(self._zone).date()

    def beginning_of(self, first_day: date | None, period: BudgetPeriod) -> datetime:
        """Return the midnight before a subject's first day of spending, but no earlier than the month's start; None: it never spent."""
        return period.start if first_day is None else max(period.start, self._midnight(first_day))

    def start_of(self, day: date) -> datetime:
        """Return the moment at which a day begins."""
        return self._midnight(day)

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC)
