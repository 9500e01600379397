"""The current time. All code that needs it asks here, so that tests can set it."""

from __future__ import annotations

from datetime import UTC, datetime

from app.errors import InvalidInput


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def age_days(at: datetime) -> int:
    """Return the age of a moment in whole days, by the calendar in UTC; 0 for the future."""
    return max(0, (now().date() - at.astimezone(UTC).date()).days)


def age_in_words(days: int) -> str:
    """Return an age as people say it: "from today", "5 days old", "9 months old"."""
    if days < 1:
        return "from today"
    for unit, length, begins in (("year", 365, 730), ("month", 30, 60), ("week", 7, 14)):
        if days >= begins:
            return f"{days // length} {unit}s old"
    return "1 day old" if days == 1 else f"{days} days old"


def in_utc(moment: datetime, param: str) -> datetime:
    """Convert a time to UTC; a naive one is taken as UTC. Raises InvalidInput if it overflows."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{param} is out of range: use a year from 2 to 9998, or leave it out.", param=param) from None
