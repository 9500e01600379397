"""What usually follows a question is there before it is asked, at nobody's cost; and what it wasted is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from app import supervision
from app.knowledge.answer import Query
from app.knowledge.prefetch import MAX_CHARS, PrefetchingSearch
from app.settings import PrefetchSettings
from tests.integration.knowledge.conftest import Bench, lesson
from tests.integration.knowledge.servers import server

NATS = "We chose NATS over Kafka because one binary is enough for our traffic"
FIRST, THEN, OTHER = (Query(text, project="shop") for text in ("why NATS?", "NATS or Kafka for our traffic?", "something else"))
DEV = uuid4()


class Known(set[str]):
    """Texts whose vector is at hand."""

    def __call__(self, text: str) -> bool:
        return text in self


@pytest.fixture
def known() -> Known:
    return Known({FIRST.text, THEN.text, OTHER.text})


@pytest.fixture
async def search(bench: Bench, database_url: str, known: Known) -> AsyncIterator[PrefetchingSearch]:
    await bench.teach("talk", [lesson("1", NATS)])
    async with server(bench, database_url) as inner:
        options = PrefetchSettings(enabled=True, remembered=50, quiet_seconds=0.01)
        yield PrefetchingSearch(inner, options, knows=known, ttl_seconds=60)


async def ask(bench: Bench, search: PrefetchingSearch, *queries: Query, asker: UUID = DEV) -> list[str]:
    return [(await search.query(bench.team_id, replace(query, asker=asker))).cache for query in queries]


async def idle(search: PrefetchingSearch) -> None:
    """Until everything that waits has been looked at."""
    looked, fetch = asyncio.Event(), search.fetch

    async def noted(team_id: UUID, query: Query) -> bool:
        try:
            return await fetch(team_id, query)
        finally:
            if not search._waiting:
                looked.set()

    search.fetch = noted  # type: ignore[method-assign]
    running = asyncio.create_task(supervision.run(*search.loops()))
    async with asyncio.timeout(60):
        await looked.wait()
    running.cancel()
    search.fetch = fetch  # type: ignore[method-assign]


async def outdate(bench: Bench) -> None:
    """A write to the project: nothing that was kept is good any more."""
    await bench.teach(f"s{uuid4().hex}", [lesson("1", f"The proxy {uuid4().hex} listens on port 8080")])


async def test_what_followed_twice_is_there_the_third_time_though_a_write_came_between(bench: Bench, search: PrefetchingSearch) -> None:
    for _ in range(2):
        await ask(bench, search, FIRST, THEN)
        await ask(bench, search, OTHER)
    await outdate(bench)
    assert await ask(bench, search, FIRST) == ["miss"]
    await idle(search)
    assert await ask(bench, search, THEN) == ["memory"]
    assert (search.counts.ahead, search.counts.used, search.counts.wasted) == (1, 1, 0)


async def test_a_guess_that_a_write_outdated_or_nobody_asked_is_told_as_waste(bench: Bench, search: PrefetchingSearch) -> None:
    moment = 0.0
    search._now = lambda: moment
    for _ in range(2):
        await ask(bench, search, FIRST, THEN, OTHER)
    await outdate(bench)
    assert await search.fetch(bench.team_id, THEN)
    await outdate(bench)
    assert await ask(bench, search, THEN) == ["miss"]
    assert (search.counts.ahead, search.counts.used, search.counts.wasted) == (1, 0, 1)
    await outdate(bench)
    assert await search.fetch(bench.team_id, OTHER)
    moment = 61.0
    await ask(bench, search, FIRST)
    assert (search.counts.ahead, search.counts.used, search.counts.wasted) == (2, 0, 2)


async def test_no_model_is_run_and_what_is_at_hand_is_not_searched(bench: Bench, search: PrefetchingSearch, known: Known) -> None:
    known.remove(THEN.text)
    embedded = bench.embedder.embedded.copy()
    assert not await search.fetch(bench.team_id, THEN)
    assert bench.embedder.embedded == embedded
    await ask(bench, search, FIRST)
    assert not await search.fetch(bench.team_id, FIRST)
    assert search.counts.ahead == 0


async def test_one_developers_habits_say_nothing_of_anothers(bench: Bench, search: PrefetchingSearch) -> None:
    for _ in range(3):
        await ask(bench, search, FIRST, THEN)
    search._waiting.clear()
    await ask(bench, search, FIRST, asker=uuid4())
    assert not search._waiting


async def test_the_table_is_bounded_and_keeps_no_long_text(bench: Bench, search: PrefetchingSearch) -> None:
    for n in range(60):
        await ask(bench, search, Query(f"question {n}", project="shop"), asker=UUID(int=n))
        await ask(bench, search, FIRST, Query(f"question {n}", project="shop"))
    await ask(bench, search, replace(FIRST, text="x" * (MAX_CHARS + 1)))
    assert len(search._followers) <= 50
    assert len(search._last) <= 50
    assert max(len(after) for after in search._followers.values()) <= 4
    assert max(len(query.text) for query in search._last.values()) <= MAX_CHARS
    assert len(search._waiting) <= 8


async def test_while_somebody_asks_nothing_is_searched_ahead(bench: Bench, search: PrefetchingSearch) -> None:
    for _ in range(3):
        await ask(bench, search, FIRST, THEN)
    await outdate(bench)
    search._under_way = 1
    running = asyncio.create_task(supervision.run(*search.loops()))
    await asyncio.sleep(0.1)
    running.cancel()
    assert search.counts.ahead == 0
