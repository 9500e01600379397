"""A question's own dates steer its search: of two passages that say the same, the one of that time comes first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app import clock
from app.knowledge.results import Query
from tests.integration.knowledge.conftest import Bench
from tests.integration.knowledge.servers import server
from tests.integration.knowledge.test_passages import ingest, reply

SAID = "The gateway answers on port {} because the proxy keeps the others"
MARCH, MAY = datetime(2026, 3, 9, 12, tzinfo=UTC), datetime(2026, 5, 20, 12, tzinfo=UTC)
TODAY = datetime(2026, 6, 3, 9, tzinfo=UTC)


@pytest.fixture
async def talks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The same was said in March and in May, with another number. It is June."""
    monkeypatch.setattr(clock, "now", lambda: TODAY)
    await ingest(bench, "old", [reply(1, SAID.format(8021), at=MARCH)])
    await ingest(bench, "new", [reply(1, SAID.format(8041), at=MAY)])
    return bench


@pytest.mark.parametrize(
    ("when", "port"),
    [("", "8041"), ("in March", "8021"), ("last month", "8041"), ("before April", "8021"), ("im März", "8021"), ("三月", "8021")],
)
async def test_of_equals_the_passage_of_the_time_asked_for_comes_first_and_hides_none(talks: Bench, when: str, port: str) -> None:
    found = (await talks.search.query(talks.team_id, Query(f"why does the gateway answer on that port {when}"))).results
    assert len(found) == 2  # nor do the words of a date make it doubt: no passage says them
    assert port in found[0].source.excerpt


async def test_what_was_kept_for_yesterday_is_not_todays_answer(talks: Bench, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is what was kept for a question without a date: how old its results are is told by the day too."""
    questions = Query("which port did the gateway get yesterday"), Query("which port did the gateway get")
    async with server(talks, database_url) as search:
        for query in questions:
            assert [(await search.query(talks.team_id, query)).cache for _ in range(2)] == ["miss", "memory"]
        monkeypatch.setattr(clock, "now", lambda: TODAY + timedelta(days=1))
        for query in questions:
            assert (await search.query(talks.team_id, query)).cache == "miss"
