"""The range of days that a page is about, as its address says it: one of a few usual ones, or from one day to another.

An address that can't be obeyed is told what is wrong with it, and shown the nearest range that can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from app.budget.views import ReportDays
from app.dashboard import formatting
from app.dashboard.filtering import day_of
from app.errors import InvalidInput
from app.services import Services

PRESETS: Final[Mapping[str, str]] = {
    "today": "Today",
    "7d": "7 days",
    "month": "This month",
    "last-month": "Last month",
    "90d": "90 days",
    "year": "This year",
}
"""Name in an address → words."""


@dataclass(frozen=True, slots=True)
class ChosenRange:
    """The days, and how the address says them. `preset`: empty for a range from one day to another."""

    days: ReportDays
    preset: str
    problems: tuple[str, ...]

    @property
    def query(self) -> dict[str, str]:
        """Return the range, for a query string: a usual one stays relative to the day on which it is opened."""
        return {"range": self.preset} if self.preset else {"from": str(self.days.first), "to": str(self.days.last)}

    @property
    def text(self) -> str:
        return span(self.days)


def chosen_range(services: Services, given: Mapping[str, str], *, default: str, today: date) -> ChosenRange:
    """Read the range of an address. What is wrong with it is in `problems`."""
    preset, typed = given.get("range", ""), [given.get(name, "") for name in ("from", "to")]
    problems, ends = [], list[date | None]()
    for name, text in zip(("from", "to"), typed, strict=True):
        try:
            ends.append(day_of(text, name))
        except InvalidInput as error:
            problems.append(error.message)
            ends.append(None)
    if preset and preset not in PRESETS:
        problems.append("There is no such range: choose one from the list.")
    if any(ends):
        days, wrong = services.budget.spend.nearest_days(*ends)
        return ChosenRange(days, "", (*problems, *([wrong] if wrong else [])))
    name = preset if preset in PRESETS else default
    return ChosenRange(preset_days(name, today), name, tuple(problems))


def preset_days(preset: str, today: date) -> ReportDays:
    """Return the days of a usual range, as of today."""
    first = today.replace(day=1)
    match preset:
        case "today":
            return ReportDays(today, today)
        case "7d":
            return ReportDays(today - timedelta(days=6), today)
        case "last-month":
            return ReportDays((first - timedelta(days=1)).replace(day=1), first - timedelta(days=1))
        case "90d":
            return ReportDays(today - timedelta(days=89), today)
        case "year":
            return ReportDays(today.replace(month=1, day=1), today)
        case _:
            return ReportDays(first, today)


def span(days: ReportDays) -> str:
    """Write a range of days for a person."""
    if days.days == 1:
        return f"{formatting.day(days.first)} {days.first.year}"
    first = formatting.short_day(days.first) + ("" if days.first.year == days.last.year else f" {days.first.year}")
    return f"{first} to {formatting.short_day(days.last)} {days.last.year}"
