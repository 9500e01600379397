"""Pages of lists by keyset: the rows after a place, and the place at which a page ends, as text. Knows no table and no HTTP.

A row has an id and the time at which it was made; where a list is ordered by name, its names are unique.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, Literal, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Select, tuple_

ListOrder = Literal["name", "newest", "oldest"]
_BETWEEN: Final = "/"


class Dated(Protocol):
    """An entry of a list."""

    @property
    def id(self) -> UUID: ...
    @property
    def created_at(self) -> datetime: ...


Entry = TypeVar("Entry")
DatedEntry = TypeVar("DatedEntry", bound=Dated)


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
    """Bound a query to a page, and one row more, which tells `page_of` that there is another. `row`: the table with the columns."""
    if wanted.since is not None:
        query = query.where(row.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(row.created_at < wanted.until)
    query = query.order_by(None).limit(wanted.limit + 1)
    if wanted.order == "name":
        return (query if wanted.after is None else query.where(row.name > wanted.after)).order_by(row.name)
    key, oldest = tuple_(row.created_at, row.id), wanted.order == "oldest"
    if wanted.after is not None:
        at, _, entry_id = wanted.after.partition(_BETWEEN)
        place = (datetime.fromisoformat(at), UUID(entry_id))
        query = query.where(key > place if oldest else key < place)
    return query.order_by(row.created_at, row.id) if oldest else query.order_by(row.created_at.desc(), row.id.desc())


def page_of(found: Sequence[DatedEntry], wanted: PageWanted) -> EntryPage[DatedEntry]:
    """Return the page that the entries of a `paged` query make."""
    if len(found) <= wanted.limit:
        return EntryPage(found, None)
    entries = found[: wanted.limit]
    last: Any = entries[-1]
    place = last.name if wanted.order == "name" else f"{last.created_at.isoformat()}{_BETWEEN}{last.id}"
    return EntryPage(entries, place)


async def every_entry(first: EntryPage[Entry], read: Callable[[str], Awaitable[EntryPage[Entry]]]) -> AsyncGenerator[Entry]:
    """Yield the entries of a list from its first page on. `read` reads a page from its place (`EntryPage.next`), once it is reached."""
    page = first
    while True:
        for each in page.entries:
            yield each
        if page.next is None:
            return
        page = await read(page.next)
