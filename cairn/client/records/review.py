"""Records of a review: the lists of items that a lead should look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cairn.client.records.knowledge import ContradictingItem, ListedItem


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCounts:
    """The number of items in each list of a review."""

    new: int
    contradicted: int
    outdated: int
    never_used: int
    most_useful: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The sizes of the lists of a review. `new_since`: since when an item is new."""

    new_since: datetime
    counts: ReviewCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedBy:
    """The item that replaces another one."""

    id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedItem(ListedItem):
    """An item to review. `used`: sessions that did what it says, or what an item merged into it says, and whose person accepted that.

    `contradicts`: items that can't hold beside it, until a person decides.
    """

    used: int
    replaced_by: ReplacedBy | None = None
    contradicts: tuple[ContradictingItem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPage:
    """A page of a list of a review. `next_cursor`: pass it as `cursor` for the next page; None on the last one."""

    items: tuple[ReviewedItem, ...]
    next_cursor: str | None = None
