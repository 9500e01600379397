"""What every vector store promises: the same suite over the embedded engine and over the client of a Qdrant server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from app.errors import InvalidInput
from app.settings import Qdrant, Settings
from app.storage.vectors import open_store
from app.storage.vectors.store import IndexSchema, Point, Vector, VectorStore
from tests.fakes.qdrant_server import qdrant_server

SCHEMA = IndexSchema(keywords=("team", "type"), floats=("confidence",), datetimes=("created_at",))
GENERATOR = np.random.default_rng(7)


def unit(dims: int = 384) -> Vector:
    made = GENERATOR.standard_normal(dims).astype(np.float32)
    return made / np.linalg.norm(made)


def point(text: str = "", *, vector: Vector | None = None, team: str = "a", kind: str = "gotcha", point_id: UUID | None = None) -> Point:
    payload: dict[str, str | float] = {"team": team, "type": kind, "confidence": 0.5, "created_at": "2026-01-01T00:00:00+00:00"}
    return Point(point_id or uuid4(), {"dense_384": unit() if vector is None else vector}, text, payload)


async def everything(store: VectorStore) -> set[UUID]:
    return {hit.id for hit in await store.nearest(unit(), where={}, limit=10_000)}


@pytest.fixture(params=["embedded", "server"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorStore]:
    if request.param == "embedded":
        async with open_store(Settings(), SCHEMA, folder=tmp_path / "vectors", owner=True) as opened:
            yield opened
    else:
        async with (
            qdrant_server(tmp_path) as (url, _),
            open_store(Settings(qdrant=Qdrant(url=url)), SCHEMA, folder=tmp_path, owner=False) as opened,
        ):
            yield opened


async def test_an_empty_store_finds_nothing(store: VectorStore) -> None:
    assert await store.nearest(unit(), where={"team": "a"}, limit=5) == []
    assert await store.hybrid(unit(), "words", where={"team": "a"}, limit=5) == []
    assert (await store.status()).points == 0


async def test_the_nearest_are_those_of_brute_force_in_their_order(store: VectorStore) -> None:
    points = [point() for _ in range(300)]
    await store.upsert(points)
    asked = unit()
    exact = sorted(points, key=lambda each: -float(each.vectors["dense_384"] @ asked))[:10]
    hits = await store.nearest(asked, where={"team": "a"}, limit=10, with_vectors=True)
    assert [hit.id for hit in hits] == [each.id for each in exact]
    for hit, each in zip(hits, exact, strict=True):
        assert hit.score == pytest.approx(float(each.vectors["dense_384"] @ asked), abs=1e-4)
        assert hit.vector is not None
        assert np.allclose(hit.vector, each.vectors["dense_384"], atol=1e-5)


async def test_storing_a_point_again_replaces_it(store: VectorStore) -> None:
    first = point("alpha")
    await store.upsert([first])
    moved = point("beta", point_id=first.id, kind="optimization")
    await store.upsert([moved])
    await store.upsert([moved])
    hits = await store.nearest(moved.vectors["dense_384"], where={"team": "a"}, limit=5)
    assert [(hit.id, round(hit.score, 3)) for hit in hits] == [(first.id, 1.0)]
    assert await store.nearest(unit(), where={"team": "a", "type": "gotcha"}, limit=5) == []


async def test_deleting_is_final_and_unknown_ids_are_no_error(store: VectorStore) -> None:
    kept, gone = point(), point()
    await store.upsert([kept, gone])
    await store.delete([gone.id, uuid4()])
    await store.delete([gone.id])
    hits = await store.nearest(gone.vectors["dense_384"], where={"team": "a"}, limit=5)
    assert [hit.id for hit in hits] == [kept.id]


async def test_filters_keep_teams_apart_and_take_lists(store: VectorStore) -> None:
    vector = unit()
    mine, theirs = point("same", vector=vector), point("same", vector=vector, team="b")
    other = point("same", vector=vector, kind="optimization")
    await store.upsert([mine, theirs, other])
    for found in (
        await store.nearest(vector, where={"team": "a"}, limit=9),
        await store.hybrid(vector, "same", where={"team": "a"}, limit=9),
    ):
        assert {hit.id for hit in found} == {mine.id, other.id}
    some = await store.nearest(vector, where={"team": "a", "type": ["optimization", "refactoring"]}, limit=9)
    assert [hit.id for hit in some] == [other.id]


@pytest.mark.parametrize("asked", ["E0308", "--no-verify-ssl", "app/storage/edge.py", "parse_rollout_line", "HTTP 402"])
async def test_an_exact_code_is_found_where_the_vector_misses(store: VectorStore, asked: str) -> None:
    texts = [
        "rustc says E0308 here",
        "curl needs --no-verify-ssl here",
        "see app/storage/edge.py here",
        "parse_rollout_line fails",
        "answer HTTP 402 then",
    ]
    wanted = next(text for text in texts if asked.lower() in text.lower())
    away = unit()
    near = [point(f"filler number {n}", vector=_towards(away)) for n in range(40)]
    coded = [point(text) for text in texts]
    await store.upsert([*near, *coded])
    hits = await store.hybrid(away, asked, where={"team": "a"}, limit=10)
    assert coded[texts.index(wanted)].id in [hit.id for hit in hits[:3]]


async def test_a_point_may_have_another_named_vector(store: VectorStore) -> None:
    long = Point(uuid4(), {"dense_1536": unit(1536)}, "long", {"team": "a", "type": "gotcha"})
    await store.upsert([long, point()])
    hits = await store.nearest(long.vectors["dense_1536"], where={"team": "a"}, limit=5, name="dense_1536")
    assert [hit.id for hit in hits] == [long.id]


async def test_scores_below_the_minimum_are_left_out(store: VectorStore) -> None:
    near = point()
    await store.upsert([near, point()])
    hits = await store.nearest(near.vectors["dense_384"], where={"team": "a"}, limit=5, min_score=0.9)
    assert [hit.id for hit in hits] == [near.id]


async def test_a_question_without_a_term_is_searched_by_meaning_alone(store: VectorStore) -> None:
    near = point("words")
    await store.upsert([near])
    assert [hit.id for hit in await store.hybrid(near.vectors["dense_384"], "?!", where={"team": "a"}, limit=5)] == [near.id]


async def test_hits_of_both_sides_carry_their_vectors(store: VectorStore) -> None:
    meant, said = point("something else"), point("ECONNREFUSED on start")
    await store.upsert([meant, said, *(point(f"filler {n}") for n in range(30))])
    hits = await store.hybrid(meant.vectors["dense_384"], "ECONNREFUSED", where={"team": "a"}, limit=2, with_vectors=True)
    assert {hit.id for hit in hits} == {meant.id, said.id}
    for hit in hits:
        assert hit.vector is not None
        assert np.allclose(hit.vector, (meant if hit.id == meant.id else said).vectors["dense_384"], atol=1e-5)


async def test_a_rare_term_outweighs_a_frequent_one(store: VectorStore) -> None:
    """Points without the vector that is asked for are ranked by their words alone."""
    texts = [*("timeout of the pool" for _ in range(20)), "quorum of the pool"]
    points = [Point(uuid4(), {"dense_1536": unit(1536)}, text, {"team": "a"}) for text in texts]
    await store.upsert(points)
    hits = await store.hybrid(unit(), "quorum timeout", where={"team": "a"}, limit=5)
    assert hits[0].id == points[-1].id
    assert len(hits) == 5


async def test_no_condition_finds_all_and_an_empty_list_nothing(store: VectorStore) -> None:
    mine, theirs = point(), point(team="b")
    await store.upsert([mine, theirs])
    assert await everything(store) == {mine.id, theirs.id}
    assert await store.nearest(unit(), where={"team": []}, limit=5) == []
    assert await store.nearest(unit(), where={"team": "c"}, limit=5) == []


async def test_hostile_filter_values_are_only_values(store: VectorStore) -> None:
    odd = point("x", team='a\'; drop table points; --\n{"must": []}')
    await store.upsert([odd, point()])
    found = await store.nearest(unit(), where={"team": str(odd.payload["team"])}, limit=5)
    assert [hit.id for hit in found] == [odd.id]


async def test_nothing_to_do_is_no_error(store: VectorStore) -> None:
    await store.upsert([])
    await store.delete([])
    assert (await store.status()).points == 0


@pytest.mark.parametrize("limit", [0, -1, 10_001, 10**9])
async def test_a_limit_out_of_bounds_is_refused(store: VectorStore, limit: int) -> None:
    with pytest.raises(InvalidInput, match="10000"):
        await store.nearest(unit(), where={"team": "a"}, limit=limit)
    with pytest.raises(InvalidInput, match="10000"):
        await store.hybrid(unit(), "words", where={"team": "a"}, limit=limit)


async def test_one_bad_vector_keeps_its_whole_batch_out(store: VectorStore) -> None:
    bad = np.full(384, np.nan, np.float32)
    with pytest.raises(InvalidInput, match="finite"):
        await store.upsert([*(point() for _ in range(100)), point(vector=bad)])
    with pytest.raises(InvalidInput, match="384"):
        await store.upsert([point(vector=unit(100))])
    assert (await store.status()).points == 0


async def test_many_at_once_do_not_mix_up_their_answers(store: VectorStore) -> None:
    points = [point(f"number{n}") for n in range(60)]
    await asyncio.gather(*(store.upsert(points[start : start + 10]) for start in range(0, 60, 10)))
    found = await asyncio.gather(*(store.nearest(each.vectors["dense_384"], where={"team": "a"}, limit=1) for each in points))
    assert [hits[0].id for hits in found] == [each.id for each in points]


async def test_a_search_that_is_given_up_leaves_the_store_usable(store: VectorStore) -> None:
    stored = point()
    await store.upsert([stored])
    searching = asyncio.create_task(store.nearest(unit(), where={"team": "a"}, limit=5))
    await asyncio.sleep(0)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    assert await everything(store) == {stored.id}


async def test_a_rebuild_replaces_everything_while_searches_go_on(store: VectorStore) -> None:
    old, new = point("old"), point("new")
    await store.upsert([old])
    stop = asyncio.Event()

    async def searches() -> int:
        made = 0
        while not stop.is_set():
            assert len(await store.hybrid(unit(), "old new", where={"team": "a"}, limit=5)) == 1
            made += 1
        return made

    async with asyncio.TaskGroup() as group:
        searching = group.create_task(searches())
        async with store.rebuild() as staging:
            await staging.upsert([new, old])
            await staging.delete([old.id])
            await staging.optimize()
            assert await everything(store) == {old.id}
            await staging.commit()
        assert await everything(store) == {new.id}
        stop.set()
    assert searching.result() > 0
    await store.upsert([old])
    assert (await store.status()).points == 2


async def test_a_write_acknowledged_after_the_swap_is_in_the_new_index(store: VectorStore) -> None:
    """In the order of their acknowledgement, none behind the first that was kept is missing."""
    stop = asyncio.Event()

    async def writes() -> list[UUID]:
        acknowledged = []
        while not stop.is_set():
            made = point()
            await store.upsert([made])
            acknowledged.append(made.id)
        return acknowledged

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(writes())
        await store.upsert([point()])
        async with store.rebuild() as staging:
            await staging.commit()
        last = point()
        await store.upsert([last])
        stop.set()
    found = await everything(store)
    kept = [each in found for each in writing.result()]
    assert kept == sorted(kept), "a write was lost behind one that was kept"
    assert not kept[0]
    assert last.id in found


async def test_a_rebuild_that_is_not_committed_changes_nothing(store: VectorStore) -> None:
    old = point("old")
    await store.upsert([old])

    async def fail() -> None:
        async with store.rebuild() as staging:
            await staging.upsert([point("new")])
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        await fail()
    assert await everything(store) == {old.id}
    async with store.rebuild() as staging:
        await staging.commit()
    assert (await store.status()).points == 0


async def test_an_index_is_rebuilt_again_and_again(store: VectorStore) -> None:
    for _ in range(3):
        kept = point()
        async with store.rebuild() as staging:
            await staging.upsert([kept])
            await staging.commit()
        assert await everything(store) == {kept.id}


def _towards(vector: Vector) -> Vector:
    made = vector + 0.3 * unit()
    return made / np.linalg.norm(made)


async def test_another_writes_into_an_index_that_is_being_built(store: VectorStore) -> None:
    await store.upsert([point("old")])
    first, second = point("first"), point("second")
    async with store.rebuild() as staging:
        async with store.beside(staging.place) as sink:
            await sink.upsert([first, second])
            await sink.delete([first.id])
        await staging.commit()
    assert await everything(store) == {second.id}
