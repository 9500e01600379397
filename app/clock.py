"""The current time. All code that needs it asks here, so that tests can set it."""

from __future__ import annotations

from datetime import UTC, datetime

from app.errors import InvalidInput


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def in_utc(moment: datetime, param: str) -> datetime:
    """Convert a time to UTC; a naive one is taken as UTC. Raises InvalidInput if it overflows."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{param} is out of range: use a year from 2 to 9998, or leave it out.", param=param) from None
