"""Filters of list pages: read from the query string, and written into the links to further pages. Knows no page.

What can't be obeyed is left out and said in words: a page shows the nearest view that there is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import Field, dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request

from app import clock
from app.dashboard.visitor import Visitor
from app.errors import InvalidInput
from app.storage.pages import EntryPage

MAX_FILTER_CHARS = 200
"""Longer values in the query string are cut."""
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
NONE: Final = "(none)"
"""The value of a filter for what names none: an empty one isn't set."""
NO_PAGE: Final = "The page in this address is not valid: here is the first page."
Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class AddressFilters:
    """Base class: filters as the form and the query string hold them, one field each, empty where it isn't set."""

    @classmethod
    def of(cls, request: Request) -> Self:
        given = request.query_params
        return cls(**{each.name: given.get(_name(each), "").replace("\x00", "\ufffd")[:MAX_FILTER_CHARS] for each in fields(cls)})

    @property
    def query(self) -> dict[str, str]:
        """Return the filters that are set, for a query string."""
        return {_name(each): value for each in fields(self) if (value := getattr(self, each.name))}


@dataclass(frozen=True, slots=True)
class RangedCallFilters(AddressFilters):
    """The address of a page about calls: its range of days, which calls are meant, and `by`: what their figures are broken down by."""

    range: str
    first: str = field(metadata={"name": "from"})
    last: str = field(metadata={"name": "to"})
    by: str
    developer: str
    provider: str
    model: str
    project: str
    purpose: str
    session: str

    @property
    def of_calls(self) -> dict[str, str]:
        """Return the filters on calls that are set, in the order of the page."""
        without = {"range", "from", "to", "by"}
        return {name: value for name, value in self.query.items() if name not in without}

    @property
    def named(self) -> dict[str, str]:
        """Return the names that calls must have, as an operation takes them: empty for calls that name none."""
        names = ("developer", "provider", "model", "project", "purpose", "session")
        return {name: "" if value == NONE else value for name in names if (value := getattr(self, name))}


def _name(each: Field[str]) -> str:
    """Return a filter's name in the address: its own, or the one in its metadata where that is no name in Python."""
    return str(each.metadata.get("name", each.name))


def address(who: Visitor, path: str, **query: str | None) -> str:
    """Make a page's URL from its path, the query values that are set, and the team that an admin looks at."""
    given = {name: value for name, value in query.items() if value} | ({"team": who.requester.team} if who.team_query else {})
    return f"{path}?{urlencode(given)}" if given else path


def before_of(request: Request) -> UUID | None:
    """Return the id of the entry at which the page before this one ended; None: this is the first. InvalidInput for what is no id."""
    given = request.query_params.get("before")
    try:
        return UUID(given) if given else None
    except ValueError:
        raise InvalidInput(NO_PAGE, param="before") from None


async def page_at(place: str | None, read: Callable[[str | None], Awaitable[EntryPage[Entry]]]) -> tuple[EntryPage[Entry], str]:
    """Read the page that begins at a place in the address: (the page, what is wrong with the place). The first page, where it is none."""
    try:
        return await read(place or None), ""
    except InvalidInput as error:
        if not place or error.param != "cursor":
            raise
        return await read(None), NO_PAGE


@dataclass(frozen=True, slots=True)
class ChosenProject:
    """The project that a view is of. `name` None: of all. `problem`: why it isn't the one that was asked for; empty: it is."""

    name: str | None
    problem: str = ""


async def project_of(who: Visitor, given: str) -> ChosenProject:
    """Find the project that an address names. One that was merged is the one that it belongs to now; an unknown or closed one is none."""
    if not given:
        return ChosenProject(None)
    found = await who.services.accounts.find_projects(who.requester.team_id, given)
    shown = [each.name for each in found if each.id not in who.requester.closed]
    if not shown:
        return ChosenProject(None, f"No project “{given}” is open to you: it was renamed, merged, deleted or closed. This view ignores it.")
    if shown[0] != given:
        return ChosenProject(shown[0], f"The project “{given}” was merged into “{shown[0]}”, which this view shows.")
    return ChosenProject(given)


@dataclass(frozen=True, slots=True)
class ChosenPeriod:
    """The period that a view is of, half-open. `problems`: what was wrong with the two dates; a wrong one is left out."""

    since: datetime | None
    until: datetime | None
    problems: Sequence[str]


def period_of(since: str, until: str) -> ChosenPeriod:
    """Read a form's two days, in UTC."""
    problems, read = list[str](), dict[str, datetime | None]()
    for label, text in (("From", since), ("Before", until)):
        try:
            read[label] = datetime.combine(date.fromisoformat(text), time(), UTC) if text else None
        except ValueError:
            read[label] = None
            problems.append(f"“{label}” is not a date: “{text}”. Write the date as 2026-11-28.")
            continue
        if (moment := read[label]) is not None and moment < FIRST:
            read[label] = None
            problems.append(f"“{label}” is before 1970: “{text}”. Choose a later day.")
    begin, end = read["From"], read["Before"]
    if begin is not None and begin > clock.now() + timedelta(days=1):
        begin = None
        problems.append(f"“From” is in the future: “{since}”. Choose today or an earlier day.")
    if begin is not None and end is not None and begin >= end:
        end = None
        problems.append(f"“Before” is not after “From”: “{until}”. Choose a later day.")
    return ChosenPeriod(begin, end, problems)


def day_of(text: str, param: str) -> date | None:
    """Parse a form's date field to a day; None where it is empty. InvalidInput for anything else."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput(f"`{param}` is not a date: write a day as 2026-11-28.", param=param) from None
