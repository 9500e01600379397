"""What a session taught is exactly what extraction finds in it; the same lesson from two sessions is one item."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.errors import NotFound, NotPermitted, VectorStoreUnavailable
from app.knowledge.locks import lock_project
from app.knowledge.results import Query
from app.knowledge.store import lock_item
from tests.integration.knowledge.conftest import Bench, lesson
from tests.waiting import patience

NATS = "We chose NATS over Kafka because one binary is enough for our traffic"
POOL = "The payment worker timed out because its pool had only five connections"


async def test_the_same_candidates_again_change_nothing(bench: Bench) -> None:
    first = await bench.teach("a", [lesson("1", NATS), lesson("2", POOL)])
    again = await bench.teach("a", [lesson("1", NATS), lesson("2", POOL)])
    assert (first.new, first.merged) == (2, 0)
    assert (again.new, again.merged, again.updated, again.withdrawn, again.known) == (0, 0, 0, 0, 2)
    assert await bench.items() == [("Lesson", POOL, 1), ("Lesson", NATS, 1)]


async def test_known_candidates_are_not_embedded_again(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    bench.embedder.embedded.clear()
    await bench.teach("a", [lesson("1", NATS), lesson("2", POOL)])
    assert bench.embedder.embedded == [f"Lesson\n{POOL}"]


async def test_a_lesson_learnt_in_two_sessions_is_one_item_with_two_citations(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    learnt = await bench.teach("b", [lesson("1", NATS)])
    assert (learnt.new, learnt.merged) == (0, 1)
    item = await bench.store.get(bench.team_id, await bench.item_id(NATS))
    assert item.evidence_count == 2
    assert sorted(quote.transcript for quote in item.evidence) == ["a.jsonl", "b.jsonl"]


async def test_citations_of_the_same_key_and_time_have_one_order_whichever_was_learnt_first(bench: Bench) -> None:
    for name in "abcdef":
        await bench.teach(name, [lesson("1", NATS)])
    item = await bench.store.get(bench.team_id, await bench.item_id(NATS))
    sessions = [quote.session_id for quote in item.evidence]
    assert (len(sessions), sessions) == (6, sorted(sessions, key=str))


async def test_what_the_index_has_not_heard_of_yet_is_still_a_neighbour(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)], drain=False)
    learnt = await bench.teach("b", [lesson("1", NATS)], drain=False)
    assert learnt.merged == 1


async def test_twins_within_one_batch_are_stored_once(bench: Bench) -> None:
    learnt = await bench.teach("a", [lesson("1", NATS), lesson("2", NATS)])
    assert (learnt.new, learnt.merged) == (1, 1)
    assert await bench.items() == [("Lesson", NATS, 2)]


async def test_a_burst_of_the_same_lesson_from_many_sessions_at_once_is_stored_once(bench: Bench) -> None:
    for name in "abcdefgh":
        await bench.session(name)
    await asyncio.gather(*(bench.teach(name, [lesson("1", NATS)], drain=False) for name in "abcdefgh"))
    assert await bench.items() == [("Lesson", NATS, 8)]


async def test_texts_that_differ_in_a_number_are_not_merged(bench: Bench) -> None:
    words = "The staging database of the shop listens on port {} behind the proxy and needs a client certificate to connect to it"
    await bench.teach("a", [lesson("1", words.format(5433))])
    await bench.teach("b", [lesson("1", words.format(5434))])
    assert [count for _, _, count in await bench.items()] == [1, 1]


async def test_other_projects_are_no_neighbours(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)], project="shop")
    learnt = await bench.teach("b", [lesson("1", NATS)], project="blog")
    assert (learnt.new, learnt.merged) == (1, 0)


async def test_the_better_text_wins_and_the_other_stays_as_evidence(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS, confidence=0.5)])
    await bench.teach("b", [lesson("1", f"{NATS} indeed", confidence=0.9)])
    item = await bench.store.get(bench.team_id, await bench.item_id(f"{NATS} indeed"))
    assert {quote.excerpt for quote in item.evidence} == {NATS, f"{NATS} indeed"}


async def test_corroboration_by_another_session_raises_the_confidence(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS, confidence=0.6)])
    await bench.teach("b", [lesson("1", NATS, confidence=0.6)])
    item = await bench.store.get(bench.team_id, await bench.item_id(NATS))
    assert item.confidence == pytest.approx(0.65)


async def test_what_extraction_no_longer_finds_is_withdrawn(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS), lesson("2", POOL)])
    learnt = await bench.teach("a", [lesson("2", POOL)])
    assert learnt.withdrawn == 1
    assert await bench.items() == [("Lesson", POOL, 1)]
    assert not (await bench.search.query(bench.team_id, Query(NATS))).results


async def test_a_reworded_candidate_rewords_its_item(bench: Bench) -> None:
    candidate = lesson("1", NATS)
    await bench.teach("a", [candidate])
    learnt = await bench.teach("a", [replace(candidate, text=POOL, confidence=0.9)])
    assert (learnt.new, learnt.updated) == (0, 1)
    assert await bench.items() == [("Lesson", POOL, 1)]


async def test_a_deleted_item_does_not_come_back_from_its_session(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    await bench.store.delete(bench.team_id, await bench.item_id(NATS), developer_id=None)
    learnt = await bench.teach("a", [lesson("1", NATS)])
    assert learnt.new == 0
    assert await bench.items() == []
    await bench.index.drain_to(2**62)
    assert not (await bench.search.query(bench.team_id, Query(NATS))).results


async def test_only_the_author_or_an_admin_deletes(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    with pytest.raises(NotPermitted):
        await bench.store.delete(bench.team_id, await bench.item_id(NATS), developer_id=uuid4())


async def test_another_teams_item_is_not_found(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    item = await bench.item_id(NATS)
    with pytest.raises(NotFound):
        await bench.store.get(uuid4(), item)
    with pytest.raises(NotFound):
        await bench.store.delete(uuid4(), item, developer_id=None)


async def test_nothing_is_stored_while_neighbours_cannot_be_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*args: object, **fields: object) -> list[object]:
        raise VectorStoreUnavailable("away")

    monkeypatch.setattr(bench.store._vectors, "nearest", away)
    with pytest.raises(VectorStoreUnavailable):
        await bench.teach("a", [lesson("1", NATS)])
    assert await bench.items() == []


async def test_future_times_do_not_make_knowledge_younger_than_now(bench: Bench) -> None:
    from datetime import UTC, datetime, timedelta

    await bench.teach("a", [lesson("1", NATS, at=datetime.now(UTC) + timedelta(days=400))])
    item = await bench.store.get(bench.team_id, await bench.item_id(NATS))
    assert item.created_at <= datetime.now(UTC)


WAITING = text(
    "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    " and database = (select oid from pg_database where datname = current_database())"
)


async def test_an_item_whose_project_is_merged_meanwhile_is_locked_in_its_new_one(bench: Bench) -> None:
    await bench.teach("one", [lesson("1", "Ports below 1024 are the gateway's")], project="shop")
    await bench.teach("two", [lesson("1", "The depot opens at noon")], project="till")
    item = await bench.item_id("Ports below 1024 are the gateway's")
    shop, till = [await bench.accounts.project_named(bench.team_id, name, closed=frozenset()) for name in ("shop", "till")]
    assert shop is not None
    assert till is not None
    async with bench.database.begin() as merging, bench.database.begin() as waiting:
        await lock_project(merging, shop)
        locked = asyncio.ensure_future(lock_item(waiting, bench.team_id, item, closed=()))
        async with patience():
            while not await merging.scalar(WAITING):
                await asyncio.sleep(0.02)
        await bench.store.move(merging, bench.team_id, shop, till)
        await merging.commit()
        assert (await locked).project_id == till
        async with bench.database.begin() as other:
            query = text("select pg_try_advisory_xact_lock(hashtextextended(:project, 0))")
            assert not await other.scalar(query, {"project": str(till)})
