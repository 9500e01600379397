"""The engine itself, with graphs over few points: a filter must not cost what is near."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np
import pytest
import qdrant_edge as edge

from app.storage.vectors import shard as shards
from app.storage.vectors.frames import ShardOptions, SparseParts, VectorQuery, WirePoint
from app.storage.vectors.recipe import EXACT_SHARE
from app.storage.vectors.shard import Shard

COUNT, KINDS, SHARE, LIMIT = 4000, 12, 0.05, 20
GENERATOR = np.random.default_rng(23)
VECTORS = GENERATOR.standard_normal((COUNT, 384)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
KIND = np.where(GENERATOR.random(COUNT) < SHARE, GENERATOR.integers(0, KINDS, COUNT), -1)
"""-1: a passage; few others, of many kinds, among them."""
OPTIONS = ShardOptions(
    dims={"dense_384": 384}, keywords=["team", "type"], floats=[], datetimes=[], m=8, ef_construct=64, ef=32, oversampling=2.0
)
ITEMS = [f"kind{number}" for number in range(KINDS)]


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shard]:
    with pytest.MonkeyPatch.context() as patched:  # so that 4,000 points are searched by a graph
        patched.setattr(shards, "FULL_SCAN_THRESHOLD_KB", 50)
        patched.setattr(shards, "INDEXING_THRESHOLD_KB", 50)
        made = Shard(tmp_path_factory.mktemp("shard"), OPTIONS)
        made.upsert([_point(number) for number in range(COUNT)])
        made.optimize()
        yield made
        made.close()


def recall(shard: Shard, where: Mapping[str, list[str]], among: np.ndarray) -> float:
    found = 0
    for question in range(30):
        asked = VECTORS[question] + 0.8 * VECTORS[-1 - question]
        hits = shard.search(VectorQuery(asked.tobytes(), "dense_384", None, dict(where), LIMIT, None, False))
        best = among[np.argsort(-(VECTORS[among] @ asked))[:LIMIT]]
        found += len({UUID(hit.id).int for hit in hits} & set(best.tolist()))
    return found / (30 * LIMIT)


def test_few_of_many_kinds_among_many_others_are_all_found(shard: Shard) -> None:
    assert recall(shard, {"team": ["a"], "type": ITEMS}, np.flatnonzero(KIND >= 0)) == 1.0
    assert recall(shard, {"team": ["a"], "type": ITEMS[:5]}, np.flatnonzero((KIND >= 0) & (KIND < 5))) == 1.0


def test_what_is_near_is_found_however_much_is_left_out(shard: Shard) -> None:
    asked = VECTORS[0] + 0.8 * VECTORS[-1]
    for without in ({"type": ["passage"]}, {"type": ["passage", *ITEMS[5:]]}, {"type": ITEMS[:3]}):
        hits = shard.search(VectorQuery(asked.tobytes(), "dense_384", None, {"team": ["a"]}, LIMIT, None, False, without=without))
        left = {number for number in range(COUNT) if (ITEMS[KIND[number]] if KIND[number] >= 0 else "passage") not in without["type"]}
        among = np.array(sorted(left))
        best = among[np.argsort(-(VECTORS[among] @ asked))[:LIMIT]]
        found = {UUID(hit.id).int for hit in hits}
        assert found <= left
        assert len(found & set(best.tolist())) >= (LIMIT if "passage" in without["type"] else LIMIT / 2)


def test_by_the_graph_alone_they_would_be_missed(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why such a filter is searched exactly; once the engine does better, that can go."""
    monkeypatch.setattr(shards, "EXACT_MATCHES", 0)
    assert recall(shard, {"team": ["a"], "type": ITEMS}, np.flatnonzero(KIND >= 0)) < 0.9


def test_what_most_points_match_is_searched_by_the_graph(shard: Shard) -> None:
    assert SHARE < EXACT_SHARE
    where = edge.Filter(must=[edge.FieldCondition("type", match=edge.MatchAny(any=["passage", *ITEMS]))])
    asked = VectorQuery(VECTORS[0].tobytes(), "dense_384", None, {"type": ["passage", *ITEMS]}, LIMIT, None, False)
    assert not shard._params_of(asked, where).exact


def _point(number: int) -> WirePoint:
    kind = "passage" if KIND[number] < 0 else ITEMS[KIND[number]]
    return WirePoint(str(UUID(int=number)), {"dense_384": VECTORS[number].tobytes()}, SparseParts([], []), {"team": "a", "type": kind})


def test_a_shard_of_before_keeps_how_it_was_made_and_is_searched_by_as_many_threads_as_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SEARCH_THREADS", None)
    before = Shard(tmp_path, OPTIONS)
    before.upsert([_point(number) for number in range(10)])
    before.close()
    monkeypatch.undo()
    again = Shard(tmp_path, msgspec.structs.replace(OPTIONS, m=32))
    assert again.points() == 10
    again.close()
    kept = json.loads((tmp_path / "shard" / "edge_config.json").read_text())
    assert (kept["max_search_threads"], kept["hnsw_config"]["m"]) == (shards.SEARCH_THREADS, OPTIONS.m)
