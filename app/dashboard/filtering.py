"""Filters of list pages: read from the query string, and written into the links to further pages. Knows no page."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self
from urllib.parse import urlencode

from fastapi import Request

from app.dashboard.visitor import Visitor
from app.errors import InvalidInput

MAX_FILTER_CHARS = 200
"""Longer values in the query string are cut."""


@dataclass(frozen=True, slots=True)
class AddressFilters:
    """Base class: filters as the form and the query string hold them, one field each, empty where it isn't set."""

    @classmethod
    def of(cls, request: Request) -> Self:
        given = request.query_params
        return cls(**{each.name: given.get(each.name, "")[:MAX_FILTER_CHARS] for each in fields(cls)})

    @property
    def query(self) -> dict[str, str]:
        """The filters that are set, for a query string."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name))}


def address(who: Visitor, path: str, **query: str | None) -> str:
    """Make a page's URL from its path, the query values that are set, and the team that an admin looks at."""
    given = {name: value for name, value in query.items() if value} | ({"team": who.requester.team} if who.team_query else {})
    return f"{path}?{urlencode(given)}" if given else path


def moment_of(date: str, param: str) -> datetime | None:
    """Parse a form's date field to the beginning of that day; None where it is empty. InvalidInput for anything else."""
    try:
        return datetime.fromisoformat(date) if date else None
    except ValueError:
        raise InvalidInput("The date is not valid. Write the date as 2026-11-28.", param=param) from None
