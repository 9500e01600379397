"""Tells when something was said, with its age."""

from __future__ import annotations

from datetime import UTC, datetime

from app.clock import age_in_words


def dated(moment: str, now: datetime | None = None) -> str:
    """Return the day of a moment (ISO 8601) with its age: `2026-02-11, 9 months old`; its beginning alone where it is no moment."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return moment[:10]
    then = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
    days = ((now or datetime.now(UTC)).date() - then.astimezone(UTC).date()).days
    return f"{moment[:10]}, {age_in_words(days)}"
