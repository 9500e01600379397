"""Qdrant's embedded engine: one shard in one folder. Knows no process or socket.

Synchronous, and holds the GIL in every call: only the engine's process imports it.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal
from uuid import UUID

import qdrant_edge as edge

from app.storage.vectors import breadth
from app.storage.vectors.frames import ShardOptions, SparseParts, VectorQuery, WireHit, WirePoint
from app.storage.vectors.recipe import (
    DENSE,
    EXACT_MATCHES,
    EXACT_SHARE,
    FULL_SCAN_THRESHOLD_KB,
    INDEXING_THRESHOLD_KB,
    QUANTILE,
    RRF_K,
    SPARSE,
    candidates,
    is_of_several,
)
from app.storage.vectors.ungraphed import Ungraphed

FieldKind = Literal["keyword", "float", "datetime"]
_KINDS = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "float": edge.PayloadSchemaType.Float,
    "datetime": edge.PayloadSchemaType.Datetime,
}


SEARCH_THREADS = max(1, (os.cpu_count() or 1) // 2)
"""One request runs at a time over few segments: on two cores, the engine's default of eight threads spent a fifth of their time idling
in search of work."""
LONG = 1024
"""Dimensions from which a vector is kept on disk."""


class Shard:
    """A generation's shard, opened or created. `ef`: its search breadth.

    The engine's WAL refuses a second process on the same folder.
    """

    def __init__(self, folder: Path, options: ShardOptions) -> None:
        self._options = options
        self._shard = _opened(folder, options)
        self._ungraphed = Ungraphed(folder / "ungraphed", self._existing)
        self._tuned = folder / "ef"
        self.ef = options.ef or _kept(self._tuned)
        self._index_payload()

    def upsert(self, points: Sequence[WirePoint]) -> None:
        self._ungraphed.add(UUID(point.id) for point in points)
        self._shard.update(edge.UpdateOperation.upsert_points([_point(point) for point in points]))

    def delete(self, ids: Sequence[str]) -> None:
        self._shard.update(edge.UpdateOperation.delete_points(list(ids)))
        self._ungraphed.discard(UUID(each) for each in ids)

    def search(self, ask: VectorQuery) -> list[WireHit]:
        found = self._shard.query(self._request(ask))
        return [WireHit(str(point.id), point.score, _stored(point, ask)) for point in found]

    def points(self) -> int:
        return self._shard.count(edge.CountRequest(exact=True))

    def unindexed(self) -> int:
        """Count the points written since the last `optimize`, which are searched by brute force."""
        return len(self._ungraphed)

    def segments(self) -> int:
        return int(self._shard.info().segments_count)

    def optimize(self) -> None:
        """Build the graphs. Blocks the whole process meanwhile."""
        self._shard.optimize()
        self._shard.flush()
        self._ungraphed.clear()

    def tune(self, recall: float) -> int:
        """Measure the search breadth for this recall and use it from now on, unless it is configured. Returns it."""
        if not self._options.ef:
            enough = self.points() >= breadth.WORTH_MEASURING
            self.ef = breadth.min_breadth(self._sample(), self._nearest, recall=recall) if enough else breadth.UNMEASURED
            self._tuned.write_text(str(self.ef))
        return self.ef

    def index(self, field: str, kind: FieldKind) -> None:
        self._shard.update(edge.UpdateOperation.create_field_index(field, _KINDS[kind]))

    def flush(self) -> None:
        self._shard.flush()

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()
        self._ungraphed.close()

    def _sample(self) -> list[list[float]]:
        """Return up to `breadth.STORED` vectors. Ids are random, so any page is a fair sample."""
        records, _ = self._shard.scroll(edge.ScrollRequest(limit=breadth.STORED, with_payload=False, with_vector=[DENSE]))
        vectors = [record.vector[DENSE] for record in records if isinstance(record.vector, dict) and DENSE in record.vector]
        return [vector for vector in vectors if isinstance(vector, list) and isinstance(vector[0], float)]

    def _nearest(self, question: breadth.Vector, ef: int | None) -> list[str]:
        params = edge.SearchParams(exact=True) if ef is None else self._params(ef)
        asked = edge.Query.Nearest(list(question), using=DENSE)
        return [str(point.id) for point in self._shard.query(edge.QueryRequest(limit=breadth.K, query=asked, params=params))]

    def _params(self, ef: int | None = None) -> edge.SearchParams:
        rescored = edge.QuantizationSearchParams(rescore=True, oversampling=self._options.oversampling)
        return edge.SearchParams(hnsw_ef=ef or self.ef, quantization=rescored)

    def _params_of(self, ask: VectorQuery, where: edge.Filter) -> edge.SearchParams:
        if ask.without or is_of_several(ask.where):
            matching = self._shard.count(edge.CountRequest(filter=where, exact=False))  # an estimate, in 0.03 ms
            if matching <= min(EXACT_MATCHES, EXACT_SHARE * self._shard.count(edge.CountRequest(exact=False))):
                return edge.SearchParams(exact=True)
        # Left-out points lead nowhere in the graph: a broader search makes up for most of that (docs/decisions/0058-project-members.md).
        return self._params(2 * (ask.ef or self.ef)) if ask.without else self._params(ask.ef)

    def _request(self, ask: VectorQuery) -> edge.QueryRequest:
        where = _filter(ask)
        words = None if ask.sparse is None else edge.Query.Nearest(_sparse(ask.sparse), using=SPARSE)
        rarity = None if ask.corpus is None else edge.SearchParams(idf=edge.IdfParams(corpus=edge.Filter(must=_matches(ask.corpus))))
        if ask.vector is None:
            return edge.QueryRequest(limit=ask.limit, query=words, filter=where, params=rarity)
        dense, params = edge.Query.Nearest(_floats(ask.vector), using=ask.using), self._params_of(ask, where)
        vectors = [ask.using] if ask.with_vectors else False
        if words is None:
            return edge.QueryRequest(
                limit=ask.limit,
                query=dense,
                filter=where,
                params=params,
                score_threshold=ask.min_score,
                with_vector=vectors,
            )
        limit = candidates(ask.limit)
        prefetches = [edge.Prefetch(limit=limit, query=dense, filter=where, params=params)]
        if ask.sparse is not None and ask.sparse.indices:
            prefetches.append(edge.Prefetch(limit=limit, query=words, filter=where, params=rarity))
        fused: edge.Fusion = edge.Fusion.Rrf(k=RRF_K)  # type: ignore[assignment]  # the stub forgets that it is one
        return edge.QueryRequest(limit=ask.limit, prefetches=prefetches, query=fused, with_vector=vectors)

    def _index_payload(self) -> None:
        """Index the payload fields, also of an existing shard: a newer Cairn may filter by more fields."""
        indexed = self._shard.info().payload_schema
        kinds: tuple[tuple[FieldKind, list[str]], ...] = (
            ("keyword", self._options.keywords),
            ("float", self._options.floats),
            ("datetime", self._options.datetimes),
        )
        for kind, fields in kinds:
            for field in fields:
                if field not in indexed:
                    self.index(field, kind)

    def _existing(self, ids: list[UUID]) -> Iterable[UUID]:
        found = self._shard.retrieve([str(each) for each in ids], with_payload=False, with_vector=False)
        return (UUID(str(record.id)) for record in found)


def _kept(tuned: Path) -> int:
    """Read the measured breadth; the default if the file is absent or incomplete."""
    with suppress(OSError, ValueError):
        return int(tuned.read_text())
    return breadth.UNMEASURED


def _opened(folder: Path, options: ShardOptions) -> edge.EdgeShard:
    """Load the shard, or create it. `made` is written last: without it creation was interrupted, and is repeated."""
    shard, made = folder / "shard", folder / "made"
    if made.exists():
        # The engine requires at least one kind of vector; parameters not given stay as created, until the next generation.
        kept = edge.EdgeConfig(sparse_vectors=_sparse_vectors(), max_search_threads=SEARCH_THREADS)
        return edge.EdgeShard.load(str(shard), kept)
    shutil.rmtree(shard, ignore_errors=True)
    shard.mkdir(parents=True)
    created = edge.EdgeShard.create(str(shard), _config(options))
    made.touch()
    return created


def _config(options: ShardOptions) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors={name: _vector(size) for name, size in options.dims.items()},
        sparse_vectors=_sparse_vectors(),
        hnsw_config=edge.HnswIndexConfig(
            m=options.m,
            ef_construct=options.ef_construct,
            full_scan_threshold=FULL_SCAN_THRESHOLD_KB,
            # Half of the cores: the live engine and the server go on beside a rebuild.
            max_indexing_threads=max(1, (os.cpu_count() or 1) // 2),
        ),
        quantization_config=edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, quantile=QUANTILE, memory=edge.Memory.Pinned),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=INDEXING_THRESHOLD_KB),
        max_search_threads=SEARCH_THREADS,
        wal_enabled=True,
    )


def _sparse_vectors() -> dict[str, edge.EdgeSparseVectorParams]:
    return {SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}


def _vector(size: int) -> edge.EdgeVectorParams:
    """Configure a vector. Long ones are memory-mapped from disk: 100,000 take 730 MB even if few points have them."""
    if size < LONG:
        return edge.EdgeVectorParams(size=size, distance=edge.Distance.Cosine)
    mapped = edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, quantile=QUANTILE, memory=edge.Memory.Cold)
    return edge.EdgeVectorParams(size=size, distance=edge.Distance.Cosine, memory=edge.Memory.Cold, quantization_config=mapped)


def _matches(where: Mapping[str, list[str]]) -> list[edge.ConditionType]:
    return [edge.FieldCondition(key, match=edge.MatchAny(any=values)) for key, values in where.items()]


def _filter(ask: VectorQuery) -> edge.Filter:
    conditions = _matches(ask.where)
    if (period := ask.within) is not None:
        conditions.append(edge.FieldCondition(period.field, range=edge.RangeDateTime(gte=period.since, lt=period.until)))
    return edge.Filter(must=conditions, must_not=_matches(ask.without)) if ask.without else edge.Filter(must=conditions)


def _sparse(parts: SparseParts) -> edge.SparseVector:
    return edge.SparseVector(indices=parts.indices, values=parts.values)


def _point(point: WirePoint) -> edge.Point:
    vectors: dict[str, list[float] | edge.SparseVector | list[list[float]]] = {name: _floats(data) for name, data in point.vectors.items()}
    vectors[SPARSE] = _sparse(point.sparse)
    return edge.Point(point.id, vectors, dict(point.payload))


def _floats(data: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def _stored(point: edge.ScoredPoint, ask: VectorQuery) -> bytes | None:
    if not ask.with_vectors or not isinstance(point.vector, dict):
        return None
    vector = point.vector.get(ask.using)
    return struct.pack(f"<{len(vector)}f", *vector) if isinstance(vector, list) else None
