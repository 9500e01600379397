"""Parameters that lists of what has a time, and mostly a name, have in common: `cursor`, `limit`, `order`, `since` and `until`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import Depends, Query

from app.api.periods import Moment, check_period
from app.storage.pages import ListOrder, PageWanted
from app.web.paging import Page, Paging

DEFAULT_LIMIT: Final = 200
MAX_LIMIT: Final = 1000

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Maximum number of entries.")]
Since = Annotated[Moment | None, Query(description="Only what was made at this time or later. Without a time zone: UTC.")]
Until = Annotated[Moment | None, Query(description="Only what was made before this time.")]


class Listing:
    """The page that a request asks for, and the cursor of the page after it."""

    def __init__(self, wanted: PageWanted, paging: Paging) -> None:
        check_period(wanted.since, wanted.until)
        self.wanted = wanted
        self.next_cursor = paging.next_cursor


async def _by_name(
    *,
    order: Annotated[ListOrder, Query(description="By name, or which was made first or last.")] = "name",
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    paging: Page,
) -> Listing:
    return Listing(PageWanted(limit, order, paging.after, since, until), paging)


async def _by_time(
    *,
    order: Annotated[Literal["newest", "oldest"], Query(description="Which comes first.")] = "newest",
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    paging: Page,
) -> Listing:
    return Listing(PageWanted(limit, order, paging.after, since, until), paging)


NamedListing = Annotated[Listing, Depends(_by_name)]
TimedListing = Annotated[Listing, Depends(_by_time)]
