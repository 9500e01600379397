"""What may be asked: times are UTC, kinds and types agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.errors import InvalidInput
from app.knowledge.results import Query, SearchResults


def test_a_time_without_a_zone_is_utc_and_one_with_another_zone_the_same_moment() -> None:
    naive, there = datetime(2026, 3, 5, 12), datetime(2026, 3, 5, 14, tzinfo=timezone(timedelta(hours=2)))  # noqa: DTZ001
    query = Query("x", since=naive, until=there)
    assert query.since == query.until == datetime(2026, 3, 5, 12, tzinfo=UTC)
    assert query == Query("x", since=there, until=naive)  # what is kept of one answers the other


@pytest.mark.parametrize("field", ["since", "until"])
def test_a_time_beyond_all_years_is_refused_by_its_name(field: str) -> None:
    beyond = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    with pytest.raises(InvalidInput) as caught:
        Query("x", **{field: beyond})  # type: ignore[arg-type]
    assert caught.value.param == field


def test_types_are_of_items_so_that_they_leave_passages_out() -> None:
    assert [Query("x").asks_for(kind) for kind in ("item", "passage")] == [True, True]
    assert [Query("x", types=("gotcha",)).asks_for(kind) for kind in ("item", "passage")] == [True, False]
    assert [Query("x", kinds=("passage",)).asks_for(kind) for kind in ("item", "passage")] == [False, True]


def test_an_answer_abstains_only_where_every_part_was_asked() -> None:
    assert SearchResults((), 1.0, ()).abstained
    assert not SearchResults((), 1.0, ("vectors",)).abstained
