"""Reads when something expires: a time from now, a day or a moment. Knows no table."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from app import clock
from app.errors import InvalidInput

_FROM_NOW = re.compile(r"(\d{1,7})\s*([hdw])", re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_FORMS = "a duration such as 12h, 90d or 4w, a date such as 2027-01-31, or a time such as 2027-01-31T18:00Z"
MAX_CHARS = 64


def parse_expiry(text: str, *, param: str = "expires") -> datetime:
    """Return the moment at which something expires; a day is over at its end, in UTC. InvalidInput names `param`."""
    given, now = text.strip()[:MAX_CHARS], clock.now()
    try:
        found = _moment(given, now)
    except OverflowError:
        raise InvalidInput(f"{param} is after the year 9999: choose an earlier time, or leave it out for no expiry.", param=param) from None
    if found is None:
        raise InvalidInput(f"{param} is {given!r}, which is not a time: write {_FORMS}.", param=param)
    if found <= now:
        raise InvalidInput(f"{param} is {given!r}, which is in the past: write a later time.", param=param)
    return found


def _moment(given: str, now: datetime) -> datetime | None:
    """Return the moment that is meant; None: none is. OverflowError beyond the year 9999."""
    if found := _FROM_NOW.fullmatch(given):
        return now + int(found[1]) * _UNITS[found[2].lower()]
    if re.match(r"\+?\d{5,}-\d", given):
        raise OverflowError
    try:
        if _DAY.fullmatch(given):
            return datetime.combine(date.fromisoformat(given), time(23, 59, 59), UTC)
        if not _DAY.match(given):
            return None  # such as 20270131 or 2027-W05, which Python reads and people don't
        moment = datetime.fromisoformat(given)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def day_of(moment: datetime) -> str:
    """Write a moment for a message: its day, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d}"
