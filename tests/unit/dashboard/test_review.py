"""Which items the page of a merge offers beside the results of its search."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from app.dashboard.review import CANDIDATES, folded_with
from app.knowledge.item import Quote
from app.knowledge.results import Result

AT = datetime(2026, 9, 14, tzinfo=UTC)
ITEM, COPY, OTHER, BETTER = (UUID(int=number) for number in range(1, 5))


def result(item: UUID, *like: UUID) -> Result:
    source = Quote(UUID(int=99), "pool.jsonl", "L1", "The pool needs keepalive 30.", AT)
    return Result(
        item, "item", "gotcha", "Pool", "The pool needs keepalive 30.", 0.8, 1.0, "fresh", "shop", source, AT, 1, like=like or None
    )


def test_near_copies_that_are_folded_under_an_item_are_offered() -> None:
    assert folded_with(ITEM, [result(ITEM, COPY, OTHER), result(BETTER)]) == [COPY, OTHER]


def test_those_folded_beside_it_under_a_better_one_are_too() -> None:
    assert folded_with(ITEM, [result(BETTER, COPY, ITEM)]) == [COPY]


def test_copies_of_another_item_are_not() -> None:
    assert folded_with(ITEM, [result(ITEM), result(BETTER, COPY)]) == []


def test_no_more_are_offered_than_the_page_shows() -> None:
    assert len(folded_with(ITEM, [result(ITEM, *(UUID(int=100 + number) for number in range(30)))])) == CANDIDATES
