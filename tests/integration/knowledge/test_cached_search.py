"""A repeated question is answered from memory, and never with what was so before an acknowledged write, on any server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app import clock
from app.cache.shared import RedisTier
from app.cache.tiers import TieredCache
from app.errors import DatabaseUnavailable, InvalidInput, VectorStoreUnavailable
from app.knowledge.cached_search import CachedSearch
from app.knowledge.index import Index
from app.knowledge.results import Query, SearchResults
from app.knowledge.versions import Scope
from app.settings import QueriesCacheSettings, RedisSettings
from app.storage.redis import open_redis
from tests.fakes.redis_server import RedisServer
from tests.integration.knowledge.conftest import Bench, lesson, make_bench
from tests.integration.knowledge.servers import server

NATS = "We chose NATS over Kafka because one binary is enough for our traffic"
SMALL = "NATS runs in 20 MB of memory, so it was chosen over Kafka for this traffic"
POOL = "The payment worker timed out because its pool had only five connections"
ASKED = Query("why NATS over Kafka?")
IN_SHOP = Query("why NATS over Kafka?", project="shop")


@pytest.fixture
async def servers(bench: Bench, database_url: str) -> AsyncIterator[tuple[CachedSearch, CachedSearch]]:
    async with server(bench, database_url) as one, server(bench, database_url) as two:
        yield one, two


def said(answer: SearchResults) -> list[str]:
    return [result.text for result in answer.results]


async def warm(bench: Bench, servers: tuple[CachedSearch, CachedSearch]) -> None:
    """Both questions are in both memories."""
    for each in servers:
        for query in (ASKED, IN_SHOP):
            await each.query(bench.team_id, query)
            assert (await each.query(bench.team_id, query)).cache == "memory"


async def same_as_uncached(bench: Bench, servers: tuple[CachedSearch, CachedSearch]) -> list[str]:
    """What each server says now, to each question, twice: it is what a search says that keeps nothing."""
    for query in (ASKED, IN_SHOP):
        new = await bench.search.query(bench.team_id, query)
        for each in servers:
            first, second = [await each.query(bench.team_id, query) for _ in range(2)]
            assert (first.cache, second.cache) == ("miss", "memory")
            assert first.results == second.results == new.results
    return said(new)


async def test_a_repeated_question_is_answered_from_memory_with_the_time_that_it_took(
    bench: Bench, servers: tuple[CachedSearch, CachedSearch], monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.teach("talk", [lesson("1", NATS)])
    first = await servers[0].query(bench.team_id, ASKED)
    asked = bench.embedder.embedded.copy()
    second = await servers[0].query(bench.team_id, ASKED)
    assert (first.cache, second.cache) == ("miss", "memory")
    assert second.results == first.results
    assert bench.embedder.embedded == asked
    assert second.took_ms > 0
    assert second.took_ms != first.took_ms


Write = Callable[[Bench], Awaitable[object]]


async def learn(bench: Bench) -> None:
    await bench.teach("later", [lesson("1", SMALL)])


async def learn_again_in_other_words(bench: Bench) -> None:
    await bench.teach("talk", [lesson("1", f"{NATS}, said more clearly"), lesson("2", POOL)])


async def learn_again_without_it(bench: Bench) -> None:
    await bench.teach("talk", [lesson("2", POOL)])


async def delete(bench: Bench) -> None:
    await bench.store.delete(bench.team_id, await bench.item_id(NATS), developer_id=None)


async def purge(bench: Bench) -> None:
    await bench.purge.delete_session(bench.requester(), bench.sessions["talk"])


WRITES: dict[str, tuple[Write, list[str]]] = {
    "learnt": (learn, [NATS, SMALL]),
    "learnt again in other words": (learn_again_in_other_words, [f"{NATS}, said more clearly"]),
    "learnt again without it": (learn_again_without_it, []),
    "deleted": (delete, []),
    "purged": (purge, []),
}


@pytest.mark.parametrize("kind", WRITES)
async def test_the_next_question_shows_what_was(bench: Bench, servers: tuple[CachedSearch, CachedSearch], kind: str) -> None:
    write, expected = WRITES[kind]
    await bench.teach("talk", [lesson("1", NATS), lesson("2", POOL)])
    await warm(bench, servers)
    await write(bench)
    before = await same_as_uncached(bench, servers)
    assert sorted(before) == sorted(expected)
    if await bench.index.pending():
        await bench.index.drain_to(2**62)
        assert await same_as_uncached(bench, servers) == before


async def test_an_answer_of_yesterday_is_not_given_again_with_its_age(
    bench: Bench, servers: tuple[CachedSearch, CachedSearch], monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.teach("talk", [lesson("1", NATS)])
    await warm(bench, servers)
    (before,) = (await servers[0].query(bench.team_id, ASKED)).results
    age = before.age_days
    later = clock.now() + timedelta(days=400)
    monkeypatch.setattr(clock, "now", lambda: later)
    found = await servers[0].query(bench.team_id, replace(ASKED, explain=True))
    (after,) = (await servers[0].query(bench.team_id, ASKED)).results
    assert found.cache == "miss"
    assert age is not None
    assert after.age_days == age + 400
    assert after.score < before.score
    assert after.freshness == before.freshness == "fresh"


async def test_what_was_asked_before_the_index_had_heard_is_asked_again_once_it_has(
    bench: Bench, servers: tuple[CachedSearch, CachedSearch]
) -> None:
    await bench.teach("talk", [lesson("1", NATS)], drain=False)
    await warm(bench, servers)
    assert await bench.index.pending() == 1
    other_process = Index(bench.database, bench.vectors)
    await other_process.drain()
    assert await same_as_uncached(bench, servers) == [NATS]


async def test_a_deleted_items_place_is_free_once_the_index_has_heard(bench: Bench, database_url: str) -> None:
    """The index names it among its candidates until then: the feed of a deletion changes answers too."""
    few = bench.search._items._limits.model_copy(update={"candidates": 10})
    bench.search._items._limits = few
    await bench.teach("a", [lesson(str(n), f"{NATS} number {n}", confidence=0.5 + n / 100) for n in range(12)])
    query = replace(ASKED, limit=10, kinds=("item",))
    async with server(bench, database_url) as search:
        search._search._items._limits = few
        found = (await search.query(bench.team_id, query)).results
        await bench.store.delete(bench.team_id, found[0].id, developer_id=None)
        assert len((await search.query(bench.team_id, query)).results) == 9
        await bench.index.drain_to(2**62)
        assert len((await search.query(bench.team_id, query)).results) == 10


async def test_a_new_index_that_takes_over_answers_what_the_old_one_had_lost(
    bench: Bench, servers: tuple[CachedSearch, CachedSearch]
) -> None:
    await bench.teach("talk", [lesson("1", NATS)])
    await bench.vectors.delete([await bench.item_id(NATS)])
    await warm(bench, servers)
    assert not (await servers[0].query(bench.team_id, ASKED)).results
    await bench.index.rebuild()
    assert await same_as_uncached(bench, servers) == [NATS]


async def test_an_answer_that_a_write_overtook_hides_nothing(
    bench: Bench, servers: tuple[CachedSearch, CachedSearch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is read first: what was found before the write is kept under what was so before it."""
    await bench.teach("talk", [lesson("1", NATS)])
    search = servers[0]._search.query

    async def overtaken(team_id: UUID, query: Query) -> SearchResults:
        answer = await search(team_id, query)
        await delete(bench)
        return answer

    with monkeypatch.context() as slow:
        slow.setattr(servers[0]._search, "query", overtaken)
        assert (await servers[0].query(bench.team_id, ASKED)).results
    assert not (await servers[0].query(bench.team_id, ASKED)).results


async def test_writes_and_feeds_at_once_wait_for_each_other_and_never_in_a_circle(bench: Bench) -> None:
    async def teach(project: str) -> None:
        for n in range(8):
            await bench.teach(project, [lesson(str(n), f"{NATS} in {project}, {n}"), lesson("x", POOL)], project=project, drain=False)

    async def feed() -> None:
        for _ in range(20):
            await bench.index.drain()

    await asyncio.gather(*(teach(project) for project in ("a", "b", "c")), feed(), feed())


async def test_a_project_that_is_new_is_found(bench: Bench, servers: tuple[CachedSearch, CachedSearch]) -> None:
    query = Query(NATS, project="blog")
    for each in servers:
        assert not (await each.query(bench.team_id, query)).results
    await bench.teach("b", [lesson("1", NATS)], project="blog")
    for each in servers:
        assert [result.project for result in (await each.query(bench.team_id, query)).results] == ["blog"]


async def test_writes_elsewhere_leave_an_answer_where_it_is(bench: Bench, servers: tuple[CachedSearch, CachedSearch]) -> None:
    await bench.teach("talk", [lesson("1", NATS)])
    await warm(bench, servers)
    await bench.teach("b", [lesson("1", f"{NATS} too")], project="blog")
    assert (await servers[0].query(bench.team_id, IN_SHOP)).cache == "memory"
    assert (await servers[0].query(bench.team_id, ASKED)).cache == "miss"
    await _another_teams(bench, "elsewhere", POOL)
    assert (await servers[0].query(bench.team_id, ASKED)).cache == "memory"


async def test_what_an_older_worker_wrote_into_the_outbox_counts_once_the_index_has_heard(
    bench: Bench, servers: tuple[CachedSearch, CachedSearch]
) -> None:
    await bench.teach("talk", [lesson("1", NATS)], drain=False)
    await warm(bench, servers)
    async with bench.database.begin() as connection:
        await connection.execute(text("update index_outbox set project_id = null"))
    await bench.index.drain()
    assert await same_as_uncached(bench, servers) == [NATS]


@pytest.mark.parametrize("part", ["vectors", "incomplete"])
async def test_a_narrow_answer_is_not_kept(
    bench: Bench, servers: tuple[CachedSearch, CachedSearch], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    await bench.teach("talk", [lesson("1", NATS)])

    async def away(*args: object, **fields: object) -> list[object]:
        raise VectorStoreUnavailable("away")

    with monkeypatch.context() as broken:
        if part == "vectors":
            broken.setattr(bench.vectors, "hybrid", away)
        else:
            broken.setattr(servers[0]._index, "complete", False)
        assert (await servers[0].query(bench.team_id, ASKED)).degraded == ("vectors",)
    answer = await servers[0].query(bench.team_id, ASKED)
    assert (answer.degraded, answer.cache) == ((), "miss")


async def test_without_its_version_a_question_is_searched_and_nothing_is_kept(
    bench: Bench, servers: tuple[CachedSearch, CachedSearch], monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.teach("talk", [lesson("1", NATS)])
    await warm(bench, servers)

    async def away(*args: object) -> str:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(servers[0]._versions._direct, "value", away)
    answers = [await servers[0].query(bench.team_id, ASKED) for _ in range(2)]
    assert [(answer.cache, said(answer)) for answer in answers] == [("miss", [NATS])] * 2


async def test_the_callers_wish_is_obeyed(bench: Bench, servers: tuple[CachedSearch, CachedSearch]) -> None:
    asked = [replace(ASKED, cache=wish) for wish in ("never", "auto", "refresh", "never", "auto")]
    assert [(await servers[0].query(bench.team_id, each)).cache for each in asked] == ["miss", "miss", "miss", "miss", "memory"]


async def test_every_field_counts_and_a_mistake_is_a_mistake_each_time(bench: Bench, servers: tuple[CachedSearch, CachedSearch]) -> None:
    await warm(bench, servers)
    for different in (
        {"text": "why NATS over Kafka"},
        {"limit": 9},
        {"types": ("gotcha",)},
        {"min_score": 0.0},
        {"explain": True},
        {"prefer_project": "shop"},
    ):
        assert (await servers[0].query(bench.team_id, replace(ASKED, **different))).cache == "miss"  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(InvalidInput):
            await servers[0].query(bench.team_id, replace(ASKED, limit=0))


async def _another_teams(bench: Bench, name: str, body: str) -> UUID:
    """A team with a project `shop` of its own, which learnt this."""
    other = await make_bench(bench.database, bench.vectors)
    other.team_id = (await bench.accounts.create_team(f"{name}-{uuid4().hex[:8]}")).id
    await other.teach("theirs", [lesson("1", body)])
    return other.team_id


async def test_nothing_crosses_teams_whatever_they_ask(bench: Bench, servers: tuple[CachedSearch, CachedSearch]) -> None:
    theirs = await _another_teams(bench, "others", f"{NATS} says the other team")
    await bench.teach("talk", [lesson("1", NATS)])
    for query in (ASKED, IN_SHOP, replace(ASKED, project=f"{bench.team_id.hex}"), replace(ASKED, text=f"{ASKED.text}', '{theirs.hex}")):
        for team, only in ((theirs, f"{NATS} says the other team"), (bench.team_id, NATS)):
            for _ in range(2):
                answer = await servers[0].query(team, query)
                assert {result.text for result in answer.results} <= {only}


async def test_a_value_that_another_team_put_under_our_key_is_refused(bench: Bench, database_url: str, redis_server: RedisServer) -> None:
    """Whoever can write to Redis could: an answer says whose it is."""
    theirs = await _another_teams(bench, "others", f"{NATS} says the other team")
    await bench.teach("talk", [lesson("1", NATS)])
    async with open_redis(RedisSettings(url=redis_server.url, timeout_seconds=30)) as client:  # type: ignore[arg-type]
        assert client is not None
        async with server(bench, database_url, lower=[RedisTier(client, "q")]) as one, server(bench, database_url) as two:
            ours_key, their_key = await one._key(Scope(bench.team_id, None), ASKED), await one._key(Scope(theirs, None), ASKED)
            assert ours_key is not None
            assert their_key is not None
            await one.query(theirs, ASKED)
            await one._tiers.close()
            stolen = await client.get(b"cairn:cache:q:" + their_key)
            assert stolen is not None
            await client.set(b"cairn:cache:q:" + ours_key, stolen, px=60_000)
            answer = await one.query(bench.team_id, ASKED)
            assert (answer.cache, [result.text for result in answer.results]) == ("miss", [NATS])
            await client.set(b"cairn:cache:q:" + ours_key, b"\x00nonsense", px=60_000)
            two._tiers = TieredCache("q", two._tiers.memory, [RedisTier(client, "q")], timeout_seconds=10)
            assert [result.text for result in (await two.query(bench.team_id, ASKED)).results] == [NATS]


async def test_servers_share_answers_over_redis_and_forget_them_together(
    bench: Bench, database_url: str, redis_server: RedisServer
) -> None:
    await bench.teach("talk", [lesson("1", NATS)])
    name = uuid4().hex
    async with open_redis(RedisSettings(url=redis_server.url, timeout_seconds=30)) as client:  # type: ignore[arg-type]
        assert client is not None
        lower = [RedisTier(client, name)]
        async with server(bench, database_url, lower=lower) as one, server(bench, database_url, lower=lower) as two:
            first = await one.query(bench.team_id, ASKED)
            await one._tiers.close()
            second = await two.query(bench.team_id, ASKED)
            assert (second.cache, second.results) == ("redis", first.results)
            await delete(bench)
            assert [(await each.query(bench.team_id, ASKED)).results for each in (one, two)] == [(), ()]


async def test_a_full_cache_stays_within_its_bounds(bench: Bench, database_url: str) -> None:
    await bench.teach("talk", [lesson(str(n), f"{NATS} number {n}") for n in range(20)])
    options = QueriesCacheSettings(entries=30, max_bytes=2**16)
    async with server(bench, database_url, options=options) as search:
        for n in range(200):
            await search.query(bench.team_id, Query(f"why NATS over Kafka, number {n}?", limit=20))
        memory = search._tiers.memory
        assert 0 < len(memory) <= 30
        assert memory.size <= 2**16
        assert memory.evictions > 100
