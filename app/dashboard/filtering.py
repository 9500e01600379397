"""What the pages with filters share: addresses that keep them, and the dates that people pick."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from app.dashboard.visitor import Visitor
from app.errors import InvalidInput


def address(who: Visitor, path: str, **query: str | None) -> str:
    """Make a page's address with what is given of its query, and the team that an admin looks at."""
    given = {name: value for name, value in query.items() if value} | ({"team": who.principal.team} if who.team_query else {})
    return f"{path}?{urlencode(given)}" if given else path


def moment_of(date: str, param: str) -> datetime | None:
    """The beginning of a day as a form's date field gives it; None where it is empty. InvalidInput for anything else."""
    try:
        return datetime.fromisoformat(date) if date else None
    except ValueError:
        raise InvalidInput("Write the date as 2026-11-28.", param=param) from None
