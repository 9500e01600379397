"""Filters of the pages that list: read from an address, kept in the next one; dates as people pick them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self
from urllib.parse import urlencode

from fastapi import Request

from app.dashboard.visitor import Visitor
from app.errors import InvalidInput

MAX_FILTER_CHARS = 200
"""Of each filter that an address gives."""


@dataclass(frozen=True, slots=True)
class AddressFilters:
    """Filters as a page's form and its address hold them: a field each, empty where it isn't set."""

    @classmethod
    def of(cls, request: Request) -> Self:
        given = request.query_params
        return cls(**{each.name: given.get(each.name, "")[:MAX_FILTER_CHARS] for each in fields(cls)})

    @property
    def query(self) -> dict[str, str]:
        """Those that are set, for an address."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name))}


def address(who: Visitor, path: str, **query: str | None) -> str:
    """Make a page's address with what is given of its query, and the team that an admin looks at."""
    given = {name: value for name, value in query.items() if value} | ({"team": who.requester.team} if who.team_query else {})
    return f"{path}?{urlencode(given)}" if given else path


def moment_of(date: str, param: str) -> datetime | None:
    """The beginning of a day as a form's date field gives it; None where it is empty. InvalidInput for anything else."""
    try:
        return datetime.fromisoformat(date) if date else None
    except ValueError:
        raise InvalidInput("Write the date as 2026-11-28.", param=param) from None
