"""Pages of lists by keyset: the rows after a place, and the place at which a page ends, as text. Knows no table and no HTTP.

A row has an id and the time at which it was made; where a list is ordered by name, its names are unique. Rows of a log are numbered as they
are written: their id is their place.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, Literal, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Select, tuple_

from app.clock import in_utc
from app.errors import InvalidInput

ListOrder = Literal["name", "newest", "oldest"]
NO_PLACE: Final = "This is no place in the list, or one of an older version: leave it out to begin with the first page."
MAX_NUMBER: Final = 2**63 - 1
_BETWEEN: Final = "/"


class Dated(Protocol):
    """An entry of a list."""

    @property
    def id(self) -> UUID: ...
    @property
    def created_at(self) -> datetime: ...


class Numbered(Protocol):
    """An entry of a log."""

    @property
    def id(self) -> int: ...


Entry = TypeVar("Entry")
DatedEntry = TypeVar("DatedEntry", bound=Dated)
NumberedEntry = TypeVar("NumberedEntry", bound=Numbered)


@dataclass(frozen=True, slots=True)
class PageWanted:
    """The page of a list that is asked for. `after`: the place at which the page before ended (`EntryPage.next`); None: the first.

    `since` and `until` bound the time at which entries were made: half-open, None: no bound.
    """

    limit: int
    order: ListOrder = "newest"
    after: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)  # with slots, Python 3.11 can't make a frozen generic one
class EntryPage(Generic[Entry]):
    """A page of a list. `next`: the place at which the following one begins; None: this is the last."""

    entries: Sequence[Entry]
    next: str | None


def paged(query: Select[Any], row: Any, wanted: PageWanted) -> Select[Any]:
    """Bound a query to a page, and one row more, which tells `page_of` that there is another. `row`: the table with the columns.

    InvalidInput for a place that isn't one of such a list.
    """
    query = _bounded(query, row.created_at, wanted)
    if wanted.order == "name":
        return (query if wanted.after is None else query.where(row.name > _name(wanted.after))).order_by(row.name)
    key, oldest = tuple_(row.created_at, row.id), wanted.order == "oldest"
    if wanted.after is not None:
        place = moment_and_id(wanted.after)
        query = query.where(key > place if oldest else key < place)
    return query.order_by(row.created_at, row.id) if oldest else query.order_by(row.created_at.desc(), row.id.desc())


def page_of(found: Sequence[DatedEntry], wanted: PageWanted) -> EntryPage[DatedEntry]:
    """Return the page that the entries of a `paged` query make."""
    if len(found) <= wanted.limit:
        return EntryPage(found, None)
    entries = found[: wanted.limit]
    last: Any = entries[-1]
    return EntryPage(entries, last.name if wanted.order == "name" else place_of(last))


async def every_entry(first: EntryPage[Entry], read: Callable[[str], Awaitable[EntryPage[Entry]]]) -> AsyncGenerator[Entry]:
    """Yield the entries of a list from its first page on. `read` reads a page from its place (`EntryPage.next`), once it is reached."""
    page = first
    while True:
        for each in page.entries:
            yield each
        if page.next is None:
            return
        page = await read(page.next)


def paged_log(query: Select[Any], number: Any, at: Any, wanted: PageWanted) -> Select[Any]:
    """Bound a query to a page of a log, and one row more, as `paged`. `number`, `at`: the columns of an entry's number and time."""
    query, oldest = _bounded(query, at, wanted), wanted.order == "oldest"
    if wanted.after is not None:
        place = number_of(wanted.after)
        query = query.where(number > place if oldest else number < place)
    return query.order_by(number if oldest else number.desc())


def page_of_log(found: Sequence[NumberedEntry], wanted: PageWanted) -> EntryPage[NumberedEntry]:
    """Return the page that the entries of a `paged_log` query make."""
    entries = found[: wanted.limit]
    return EntryPage(entries, str(entries[-1].id) if len(found) > wanted.limit else None)


def _bounded(query: Select[Any], at: Any, wanted: PageWanted) -> Select[Any]:
    """Bound a query to the period that is wanted, and to the entries of a page and one more; its order is the page's to say."""
    if wanted.since is not None:
        query = query.where(at >= wanted.since)
    if wanted.until is not None:
        query = query.where(at < wanted.until)
    return query.order_by(None).limit(wanted.limit + 1)


def _name(place: str) -> str:
    if not place.isprintable():  # PostgreSQL refuses to be asked for NUL or a lone surrogate
        raise InvalidInput(NO_PLACE, param="cursor")
    return place


def place_of(entry: Dated) -> str:
    """Write the place of an entry in a list by time."""
    return f"{entry.created_at.isoformat()}{_BETWEEN}{entry.id}"


def moment_and_id(place: str) -> tuple[datetime, UUID]:
    """Read what `place_of` wrote. InvalidInput for what is no such place, or a time that PostgreSQL doesn't know."""
    moment, _, entry_id = place.partition(_BETWEEN)
    try:
        found = datetime.fromisoformat(moment), UUID(entry_id)
    except ValueError:
        raise InvalidInput(NO_PLACE, param="cursor") from None
    if found[0].tzinfo is None:
        raise InvalidInput(NO_PLACE, param="cursor")
    return in_utc(found[0], "cursor"), found[1]


def number_of(place: str) -> int:
    """Read a number of at most MAX_NUMBER, as a place has it. InvalidInput for anything else."""
    found = int(place) if place.isascii() and place.isdecimal() and len(place) < 20 else MAX_NUMBER + 1
    if found > MAX_NUMBER:
        raise InvalidInput(NO_PLACE, param="cursor")
    return found
