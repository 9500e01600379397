"""Pages of lists: which rows follow a place, places that are none, and every entry page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text, Uuid, select
from sqlalchemy.dialects import postgresql

from app.errors import InvalidInput
from app.storage.pages import EntryPage, PageWanted, every_entry, page_of, page_of_log, paged, paged_log

TABLE = Table("teams", MetaData(), Column("id", Uuid), Column("name", Text), Column("created_at", DateTime(timezone=True)))
LOG = Table("entries", MetaData(), Column("id", BigInteger), Column("at", DateTime(timezone=True)))
MADE = datetime(2026, 11, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Team:
    id: UUID
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    id: int


TEAMS = [Team(UUID(int=number), f"team{number}", MADE) for number in range(3)]


def statement(query: Any) -> str:
    return " ".join(str(query.compile(dialect=postgresql.dialect())).split())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("order", "place"), [("name", "team1"), ("newest", f"{MADE.isoformat()}/{UUID(int=1)}")])
def test_the_last_entry_of_a_page_is_the_place_of_the_next(order: Any, place: str) -> None:
    assert page_of(TEAMS, PageWanted(2, order)) == EntryPage(TEAMS[:2], place)
    assert page_of(TEAMS, PageWanted(3, order)) == EntryPage(TEAMS, None)
    assert "WHERE" in statement(paged(select(TABLE), TABLE.c, PageWanted(2, order, place)))


def test_a_log_goes_on_after_the_number_of_its_last_entry() -> None:
    newest = statement(paged_log(select(LOG), LOG.c.id, LOG.c.at, PageWanted(2, after="7", since=MADE)))
    assert "entries.at >=" in newest
    assert "entries.id <" in newest
    assert "ORDER BY entries.id DESC" in newest
    assert "entries.id >" in statement(paged_log(select(LOG), LOG.c.id, LOG.c.at, PageWanted(2, "oldest", "7")))
    lines = [Line(9), Line(8), Line(5)]
    assert page_of_log(lines, PageWanted(2)) == EntryPage(lines[:2], "8")
    assert page_of_log(lines, PageWanted(3)) == EntryPage(lines, None)


@pytest.mark.parametrize(
    ("order", "place"),
    [
        ("newest", "nonsense"),
        ("newest", str(UUID(int=1))),  # as places were written before
        ("oldest", f"2026-11-30T00:00:00/{UUID(int=1)}"),  # without a time zone
        ("newest", "2026-11-30T00:00:00+00:00/7"),
        ("name", "ada\x00"),
        ("name", "ada\udc80"),
    ],
)
def test_what_is_no_place_of_a_list_is_refused(order: Any, place: str) -> None:
    with pytest.raises(InvalidInput, match="no place in the list") as refused:
        paged(select(TABLE), TABLE.c, PageWanted(2, order, place))
    assert refused.value.param == "cursor"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_postgresql_does_not_know_is_no_place(moment: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        paged(select(TABLE), TABLE.c, PageWanted(2, "newest", f"{moment}/{UUID(int=1)}"))
    assert refused.value.param == "cursor"


@pytest.mark.parametrize("place", ["", "-1", "1.5", "x", "\u0661", str(2**63), "9" * 40])
def test_what_is_no_number_of_a_log_is_refused(place: str) -> None:
    with pytest.raises(InvalidInput, match="no place in the list"):
        paged_log(select(LOG), LOG.c.id, LOG.c.at, PageWanted(2, after=place))


class Pages:
    """Pages of numbers; the place of each is its number. `read` tells which were read."""

    def __init__(self, pages: list[list[int]]) -> None:
        self._pages = pages
        self.reads: list[str] = []

    async def read(self, place: str) -> EntryPage[int]:
        self.reads.append(place)
        return self.page(int(place))

    def page(self, number: int) -> EntryPage[int]:
        return EntryPage(self._pages[number], str(number + 1) if number + 1 < len(self._pages) else None)


@given(st.lists(st.lists(st.integers(), max_size=3), min_size=1, max_size=5))
async def test_every_entry_of_every_page_comes_once_in_order_beyond_empty_pages_too(pages: list[list[int]]) -> None:
    there = Pages(pages)
    found = [each async for each in every_entry(there.page(0), there.read)]
    assert found == [each for page in pages for each in page]
    assert there.reads == [str(number) for number in range(1, len(pages))]


async def test_a_page_is_read_only_once_it_is_reached() -> None:
    there = Pages([[1, 2], [3]])
    entries = every_entry(there.page(0), there.read)
    assert [await anext(entries), await anext(entries)] == [1, 2]
    assert there.reads == []
    assert (await anext(entries), there.reads) == (3, ["1"])
    await entries.aclose()
