"""What every vector store promises: the same suite over the embedded engine and over the client of a Qdrant server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from app.errors import InvalidInput
from app.settings import QdrantSettings, Settings
from app.storage.vectors import open_store
from app.storage.vectors.lexical import SparseVector, document, query
from app.storage.vectors.store import Hit, IndexSchema, Vector, VectorPoint, VectorStore, Within
from tests.fakes.qdrant_server import qdrant_server

pytestmark = pytest.mark.long

SCHEMA = IndexSchema(keywords=("team", "type"), floats=("confidence",), datetimes=("created_at",))
GENERATOR = np.random.default_rng(7)


def unit(dims: int = 384) -> Vector:
    made = GENERATOR.standard_normal(dims).astype(np.float32)
    return made / np.linalg.norm(made)


def point(
    text: str = "", *, vector: Vector | None = None, team: str = "a", kind: str = "gotcha", point_id: UUID | None = None
) -> VectorPoint:
    payload: dict[str, str | float] = {"team": team, "type": kind, "confidence": 0.5, "created_at": "2026-01-01T00:00:00+00:00"}
    return VectorPoint(point_id or uuid4(), {"dense_384": unit() if vector is None else vector}, document(text), payload)


def dated(text: str, at: str | None, *, team: str = "a", kind: str = "passage") -> VectorPoint:
    """`at`: absent from the payload where None."""
    payload: dict[str, str | float] = {"team": team, "type": kind}
    return VectorPoint(uuid4(), {"dense_384": unit()}, document(text), payload if at is None else payload | {"created_at": at})


def bm25(asked: SparseVector, points: Sequence[VectorPoint]) -> dict[UUID, float]:
    """The plain computation: idf × the document side, summed over the shared terms. A point without terms is no document."""
    documents = {each.id: dict(zip(each.terms.indices, each.terms.values, strict=True)) for each in points if each.terms.indices}
    scores: dict[UUID, float] = {}
    for index, weight in zip(asked.indices, asked.values, strict=True):
        having = [key for key, weights in documents.items() if index in weights]
        idf = math.log(1 + (len(documents) - len(having) + 0.5) / (len(having) + 0.5))
        for key in having:
            scores[key] = scores.get(key, 0.0) + weight * idf * documents[key][index]
    return scores


def as_computed(hits: Sequence[Hit], scores: Mapping[UUID, float], *, limit: int) -> bool:
    """Whether the hits are the best of these, as many as there may be, in order and with their scores."""
    best = sorted(scores.values(), reverse=True)[:limit]
    return [hit.score for hit in hits] == pytest.approx(best, rel=1e-4) and all(
        hit.score == pytest.approx(scores[hit.id], rel=1e-4) for hit in hits
    )


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
            open_store(Settings(qdrant=QdrantSettings(url=url)), SCHEMA, folder=tmp_path, owner=False) as opened,
        ):
            yield opened


async def test_an_empty_store_finds_nothing(store: VectorStore) -> None:
    assert await store.nearest(unit(), where={"team": "a"}, limit=5) == []
    assert await store.lexical(query("words"), where={"team": "a"}, limit=5) == []
    assert await store.hybrid(unit(), query("words"), where={"team": "a"}, limit=5) == []
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
        await store.hybrid(vector, query("same"), where={"team": "a"}, limit=9),
    ):
        assert {hit.id for hit in found} == {mine.id, other.id}
    some = await store.nearest(vector, where={"team": "a", "type": ["optimization", "refactoring"]}, limit=9)
    assert [hit.id for hit in some] == [other.id]


async def test_a_point_with_several_values_of_a_field_matches_by_any_of_them(store: VectorStore) -> None:
    made = point("a lock"), point("a lock"), point("a lock")
    both, one, none = (
        replace(each, payload={**each.payload, "type": kinds}) for each, kinds in zip(made, (["bug", "test"], ["test"], []), strict=True)
    )
    await store.upsert([both, one, none])

    async def found(*values: str) -> set[UUID]:
        where = {"team": "a", "type": list(values)}
        nearest = {each.id for each in await store.nearest(unit(), where=where, limit=5)}
        assert {each.id for each in await store.lexical(query("lock"), where=where, limit=5)} == nearest
        assert {each.id for each in await store.hybrid(unit(), query("lock"), where=where, limit=5)} == nearest
        return nearest

    assert await found("bug") == {both.id}
    assert await found("test") == {both.id, one.id}
    assert await found("bug", "test") == {both.id, one.id}
    assert await found("doc") == set()
    await store.upsert([replace(both, payload={**both.payload, "type": ["doc"]})])
    assert (await found("bug"), await found("doc")) == (set(), {both.id})


async def test_what_a_search_is_to_leave_out_is_in_none_of_its_legs(store: VectorStore) -> None:
    vector = unit()
    kept, gone, gone_too = (point("same", vector=vector, kind=kind) for kind in ("gotcha", "optimization", "refactoring"))
    await store.upsert([kept, gone, gone_too])
    asked, without = {"team": "a"}, {"type": ["optimization", "refactoring"]}
    for found in (
        await store.nearest(vector, where=asked, limit=9, without=without),
        await store.lexical(query("same"), where=asked, limit=9, without=without),
        await store.hybrid(vector, query("same"), where=asked, limit=9, without=without),
        await store.nearest(vector, where=asked | {"type": ["gotcha", "refactoring"]}, limit=9, without=without),
    ):
        assert [hit.id for hit in found] == [kept.id]
    assert await store.nearest(vector, where=asked, limit=9, without={"team": ["a"]}) == []
    assert len(await store.nearest(vector, where=asked, limit=9, without={"team": ["b"]})) == 3


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
    hits = await store.hybrid(away, query(asked), where={"team": "a"}, limit=10)
    assert coded[texts.index(wanted)].id in [hit.id for hit in hits[:3]]


async def test_a_point_may_have_no_vector_and_is_then_found_by_its_words_alone(store: VectorStore) -> None:
    plain = VectorPoint(uuid4(), {}, document("plain"), {"team": "a", "type": "gotcha"})
    other = point()
    await store.upsert([plain, other])
    assert [hit.id for hit in await store.nearest(unit(), where={"team": "a"}, limit=5)] == [other.id]
    assert [hit.id for hit in await store.lexical(query("plain"), where={"team": "a"}, limit=5)] == [plain.id]


async def test_scores_below_the_minimum_are_left_out(store: VectorStore) -> None:
    near = point()
    await store.upsert([near, point()])
    hits = await store.nearest(near.vectors["dense_384"], where={"team": "a"}, limit=5, min_score=0.9)
    assert [hit.id for hit in hits] == [near.id]


async def test_a_question_without_a_term_is_searched_by_meaning_alone(store: VectorStore) -> None:
    near = point("words")
    await store.upsert([near])
    assert [hit.id for hit in await store.hybrid(near.vectors["dense_384"], query("?!"), where={"team": "a"}, limit=5)] == [near.id]


async def test_a_rare_term_outweighs_a_frequent_one(store: VectorStore) -> None:
    """Points without the vector that is asked for are ranked by their words alone."""
    texts = [*("timeout of the pool" for _ in range(20)), "quorum of the pool"]
    points = [VectorPoint(uuid4(), {}, document(text), {"team": "a"}) for text in texts]
    await store.upsert(points)
    hits = await store.hybrid(unit(), query("quorum timeout"), where={"team": "a"}, limit=5)
    assert hits[0].id == points[-1].id
    assert len(hits) == 5


def said(count: int, *, seed: int = 3) -> list[str]:
    """Texts of 1 to 30 words, some of them frequent and some rare."""
    chance = np.random.default_rng(seed)
    return [" ".join(f"word{chance.zipf(1.5) % 500}" for _ in range(chance.integers(1, 30))) for _ in range(count)]


async def test_lexical_scores_are_those_of_bm25_computed_by_hand(store: VectorStore) -> None:
    points = [point(text) for text in [*said(200), ""]]
    await store.upsert(points)
    for asked in map(query, ["word1", "word1 word2 word3 word40", "word7 never_said", said(1, seed=9)[0]]):
        scores = bm25(asked, points)
        assert as_computed(await store.lexical(asked, where={"team": "a"}, limit=20), scores, limit=20)
        assert {hit.id for hit in await store.lexical(asked, where={}, limit=1000)} == set(scores)


async def test_the_weights_of_a_question_count(store: VectorStore) -> None:
    points = [point("alpha one"), point("beta two"), point("gamma three")]
    await store.upsert(points)
    weighed = query("alpha beta")
    first = weighed.indices.index(query("alpha").indices[0])
    for place in (first, 1 - first):
        asked = SparseVector(weighed.indices, [3.0 if number == place else 0.5 for number in range(2)])
        hits = await store.lexical(asked, where={"team": "a"}, limit=5)
        assert hits[0].id == points[0 if place == first else 1].id
        assert as_computed(hits, bm25(asked, points), limit=5)


async def test_document_frequencies_may_be_those_of_a_part(store: VectorStore) -> None:
    """A word that a project is full of says little there, however rare it is elsewhere."""
    ours = [point(f"cairn {text}", kind="passage") for text in said(30, seed=1)]
    items = [point(text) for text in said(30, seed=2)]
    theirs = [point(text, team="b", kind="passage") for text in said(60, seed=4)]
    await store.upsert([*ours, *items, *theirs])
    asked, part = query("cairn word1 word2"), {"team": "a", "type": ["passage"]}
    everywhere = await store.lexical(asked, where=part, limit=10)
    within = await store.lexical(asked, where=part, limit=10, corpus=part)
    wanted = bm25(asked, [*ours, *items, *theirs])
    assert as_computed(everywhere, {each.id: wanted[each.id] for each in ours}, limit=10)
    assert as_computed(within, bm25(asked, ours), limit=10)
    assert within[0].score < everywhere[0].score


async def test_a_fusion_may_take_the_document_frequencies_of_a_part(store: VectorStore) -> None:
    """`common` is rarer than `seldom` in team a, and more frequent over all: the first place changes with whose frequencies count."""
    first, second = (VectorPoint(uuid4(), {}, document(text), {"team": "a"}) for text in ("common here", "seldom here"))
    others = [VectorPoint(uuid4(), {}, document("seldom there"), {"team": "a"}) for _ in range(10)]
    elsewhere = [VectorPoint(uuid4(), {}, document("common there"), {"team": "b"}) for _ in range(50)]
    await store.upsert([first, second, *others, *elsewhere])
    asked, ours = query("common seldom here"), {"team": "a"}
    over_all = await store.hybrid(unit(), asked, where=ours, limit=3)
    of_ours = await store.hybrid(unit(), asked, where=ours, limit=3, corpus=ours)
    assert [over_all[0].id, of_ours[0].id] == [second.id, first.id]


async def test_lexical_takes_lists_and_a_period_at_once(store: VectorStore) -> None:
    points = {
        name: dated("quorum lost", at, kind=kind, team=team)
        for name, at, kind, team in [
            ("before", "2026-02-28T23:59:59.999999+00:00", "passage", "a"),
            ("first", "2026-03-01T00:00:00+00:00", "passage", "a"),
            ("offset", "2026-03-02T01:30:00+05:30", "gotcha", "a"),
            ("last", "2026-03-31T23:59:59.999999+00:00", "passage", "a"),
            ("after", "2026-04-01T00:00:00+00:00", "passage", "a"),
            ("unknown", None, "passage", "a"),
            ("kind", "2026-03-05T00:00:00+00:00", "workflow", "a"),
            ("team", "2026-03-05T00:00:00+00:00", "passage", "b"),
        ]
    }
    await store.upsert(list(points.values()))
    where = {"team": "a", "type": ["passage", "gotcha"]}
    march = Within("created_at", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    wanted = {points[name].id for name in ("first", "offset", "last")}
    for found in (
        await store.lexical(query("quorum"), where=where, limit=9, within=march),
        await store.nearest(unit(), where=where, limit=9, within=march),
        await store.hybrid(unit(), query("quorum"), where=where, limit=9, within=march),
    ):
        assert {hit.id for hit in found} == wanted


@pytest.mark.parametrize(
    ("since", "until", "wanted"),
    [
        (datetime(2026, 1, 2, tzinfo=UTC), None, "cd"),
        (None, datetime(2026, 1, 2, tzinfo=UTC), "ab"),
        (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 1, 3, tzinfo=timezone(-timedelta(hours=8))), "bcd"),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, 0, 0, 0, 1, tzinfo=UTC), "c"),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), ""),
        (datetime(2026, 1, 3, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), ""),
        (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), "abcd"),
        (datetime(1880, 1, 1, tzinfo=timezone(timedelta(minutes=19, seconds=32))), None, "abcd"),
    ],
)
async def test_a_period_is_half_open(store: VectorStore, since: datetime | None, until: datetime | None, wanted: str) -> None:
    times = {
        "a": "2025-12-31T23:59:59Z",
        "b": "2026-01-01T22:00:00Z",
        "c": "2026-01-02T00:00:00.000000Z",
        "d": "2026-01-02T23:00:00.5Z",
        "unknown": None,
    }
    points = {name: dated("said", at) for name, at in times.items()}
    await store.upsert(list(points.values()))
    ids = {points[name].id for name in wanted}
    within = Within("created_at", since, until)
    assert {hit.id for hit in await store.lexical(query("said"), where={}, limit=9, within=within)} == ids
    assert {hit.id for hit in await store.nearest(unit(), where={"team": "a"}, limit=9, within=within)} == ids


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("迁移失败因为索引缺失", "索引"),
        ("データベースの移行に失敗した", "移行"),
        ("인덱스가 없어서 실패했다", "인덱스"),
        ("Größe der Straße geändert", "größe"),
        ("Миграция не прошла", "миграция"),
        ("ｆｕｌｌｗｉｄｔｈ letters", "fullwidth"),
        ("cafe\u0301 opened", "café"),
        ("部署到Kubernetes集群", "kubernetes"),
        ("see app/storage/edge.py:42 there", "edge.py"),
    ],
)
async def test_words_of_any_script_are_found_lexically(store: VectorStore, text: str, asked: str) -> None:
    points = [point(text), *(point(f"filler number {n}") for n in range(20))]
    await store.upsert(points)
    hits = await store.lexical(query(asked), where={"team": "a"}, limit=5)
    assert [hit.id for hit in hits] == [points[0].id]
    assert as_computed(hits, bm25(query(asked), points), limit=5)


async def test_a_question_without_terms_finds_nothing_lexically(store: VectorStore) -> None:
    await store.upsert([point("words"), point("")])
    assert await store.lexical(query("?!"), where={"team": "a"}, limit=5) == []
    assert await store.lexical(query("never_said"), where={"team": "a"}, limit=5) == []


async def test_words_are_replaced_and_deleted_with_their_points(store: VectorStore) -> None:
    first, second = point("alpha"), point("alpha")
    await store.upsert([first, second])
    await store.upsert([point("beta", point_id=first.id)])
    assert [hit.id for hit in await store.lexical(query("alpha"), where={"team": "a"}, limit=5)] == [second.id]
    await store.delete([second.id])
    assert await store.lexical(query("alpha"), where={"team": "a"}, limit=5) == []
    assert [hit.id for hit in await store.lexical(query("beta"), where={"team": "a"}, limit=5)] == [first.id]


async def test_lexical_scores_stay_the_same_after_a_rebuild(store: VectorStore) -> None:
    points, asked = [point(text) for text in said(700)], query("word1 word2 word30")
    async with store.rebuild() as staging:
        await staging.upsert(points[:-100])
        await staging.optimize()
        await staging.commit()
    await store.upsert(points[-100:])  # what came later lies in a segment of its own
    scores, ours = bm25(asked, points), {"team": "a"}
    assert as_computed(await store.lexical(asked, where=ours, limit=60), scores, limit=60)
    assert as_computed(await store.lexical(asked, where=ours, limit=60, corpus=ours), scores, limit=60)


async def test_malformed_terms_and_periods_are_refused(store: VectorStore) -> None:
    twice, endless = SparseVector([7, 7], [1.0, 1.0]), Within("created_at", None, None)
    with pytest.raises(InvalidInput, match="twice"):
        await store.lexical(twice, where={}, limit=5)
    with pytest.raises(InvalidInput, match="twice"):
        await store.hybrid(unit(), twice, where={}, limit=5)
    with pytest.raises(InvalidInput, match="twice"):
        await store.upsert([point("good"), VectorPoint(uuid4(), {"dense_384": unit()}, twice, {"team": "a"})])
    for search in (
        store.nearest(unit(), where={}, limit=5, within=endless),
        store.lexical(query("words"), where={}, limit=5, within=endless),
        store.hybrid(unit(), query("words"), where={}, limit=5, within=endless),
    ):
        with pytest.raises(InvalidInput, match="neither beginning nor end"):
            await search
    assert (await store.status()).points == 0


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
        await store.hybrid(unit(), query("words"), where={"team": "a"}, limit=limit)
    with pytest.raises(InvalidInput, match="10000"):
        await store.lexical(query("words"), where={"team": "a"}, limit=limit)


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
            assert len(await store.hybrid(unit(), query("old new"), where={"team": "a"}, limit=5)) == 1
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
