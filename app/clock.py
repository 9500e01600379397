"""The time. Everything that asks "now?" asks here, so that a test can answer."""

from __future__ import annotations

from datetime import UTC, datetime

from app.errors import InvalidInput


def now() -> datetime:
    """The current moment, aware, in UTC."""
    return datetime.now(UTC)


def in_utc(moment: datetime, param: str) -> datetime:
    """The moment in UTC; without a zone it is UTC already. InvalidInput beyond the years that a time can have."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{param} lies beyond the years that a time can have: leave it out.", param=param) from None
