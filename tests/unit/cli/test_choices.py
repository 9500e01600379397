"""The command line names the same choices as the rooms, which it doesn't import: that would slow every command."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from app.accounts.requester import DeveloperRole
from app.alerts import digest
from app.budget.requests import CallEnd
from app.budget.views import SpendDimension
from app.cli import accounts, jobs, review, spending
from app.cli.pages import first_entries
from app.dashboard.review import LISTS
from app.knowledge.item import ReviewList
from app.queue.jobs import State
from cairn.client import inputs


@pytest.mark.parametrize(
    ("named", "known"),
    [
        (jobs.State, State),
        (spending.Dimension, SpendDimension),
        (spending.Outcome, CallEnd),
        (accounts.Role, DeveloperRole),
        (review.Name, ReviewList),
        (inputs.ReviewList, ReviewList),
    ],
    ids=["state of a job", "dimension of spending", "outcome of a call", "role", "list of a review", "list of a review in the client"],
)
def test_the_choices_of_an_option_are_those_of_its_room(named: object, known: object) -> None:
    assert set(get_args(named)) == set(get_args(known))


def test_every_list_of_a_review_has_its_words_wherever_it_is_told() -> None:
    named = set(get_args(ReviewList))
    assert (set(review.HEADINGS), set(LISTS), set(digest.LISTS)) == (named, named, named)


class Pages:
    """A server's list of entries, in pages of at most three."""

    def __init__(self, count: int) -> None:
        self.entries, self.limits = list(range(count)), list[int]()

    async def get(self, route: str, *, cursor: str | None, limit: int, **wanted: Any) -> Any:
        assert (route, wanted) == ("/v1/things", {"kind": "x"})
        self.limits.append(limit)
        begin = int(cursor or 0)
        end = begin + min(limit, 3)
        return {"things": self.entries[begin:end], "next_cursor": str(end) if end < len(self.entries) else None}


@pytest.mark.parametrize(
    ("count", "limits", "found", "more"),
    [(7, [3, 3, 1], 7, True), (4, [3, 1], 4, True), (3, [3], 3, True), (20, [3, 3, 3, 3], 10, False)],
    ids=["over three pages", "over two", "one page", "more than there are"],
)
async def test_the_first_entries_of_a_list_are_fetched_page_by_page(count: int, limits: list[int], found: int, more: bool) -> None:
    server = Pages(10)
    page = await first_entries(server, "/v1/things", "things", count, size=3, kind="x")  # type: ignore[arg-type]
    assert page["things"] == server.entries[:found]
    assert (server.limits, page["next_cursor"] is not None) == (limits, more)
