"""The entries of a list are read page by page, each page when it is reached."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.storage.pages import EntryPage, every_entry


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
