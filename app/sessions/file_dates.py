"""Reads the date in a transcript's file name. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from app.sessions.formats.values import plausible_time

_DAY, _CLOCK = r"(20\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])", r"([01]\d|2[0-3])[-:_.h]?([0-5]\d)(?:[-:_.m]?([0-5]\d))?"
_DATED = re.compile(rf"(?<!\d){_DAY}(?:[T_ -]+{_CLOCK})?(?!\d)")


def date_in(name: str) -> datetime | None:
    """Return the date, and the time if given, in a file's name; None if it has no plausible one."""
    for found in _DATED.finditer(name):
        year, month, day, hour, minute, second = (int(part) if part else 0 for part in found.groups())
        try:
            return plausible_time(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
        except ValueError:
            continue
    return None
