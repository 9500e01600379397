"""Fetches lists of the server page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

PAGE_SIZE: Final = 1000
"""Entries of one reply: the most that these routes give."""


async def every_page(client: ServerClient, route: str, name: str, **wanted: str | int | None) -> Json:
    """Fetch all pages of a list; `name`: the field of a reply that holds the entries."""
    found: list[Json] = []
    cursor: str | None = None
    while True:
        page = await client.get(route, **wanted, cursor=cursor, limit=PAGE_SIZE)
        found += page[name]
        if (cursor := page["next_cursor"]) is None:
            return {name: found}


async def first_entries(client: ServerClient, route: str, name: str, count: int, *, size: int, **wanted: str | int | None) -> Json:
    """Fetch the first `count` entries of a list, in pages of at most `size`; `next_cursor` stays where there are more."""
    found: list[Json] = []
    cursor: str | None = None
    while True:
        page = await client.get(route, **wanted, cursor=cursor, limit=min(size, count - len(found)))
        found += page[name]
        cursor = page["next_cursor"]
        if cursor is None or len(found) >= count:
            return {**page, name: found}
