"""Qdrant's engine itself: one shard in one folder. Synchronous; holds the GIL in every call, so only the engine's process imports it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from app.storage.vectors.frames import Ask, ShardOptions, WireHit, WirePoint

INDEXING_THRESHOLD_KB = 1000
FULL_SCAN_THRESHOLD_KB = 1000
"""Below about 650 vectors of 384 floats, brute force is as fast as a graph. In kilobytes of vectors, not in points."""
PREFETCH = 4
"""Candidates each side of a fusion brings, in multiples of the limit."""
RRF_K = 60
SPARSE = "bm25"


class Shard:
    """Opens the folder's shard, or makes it. A second process that opens the same folder is refused by the engine's WAL."""

    def __init__(self, folder: Path, options: ShardOptions) -> None:
        self._folder = folder
        self._options = options
        self._graphed_file = folder.with_suffix(".graphed")
        existing = (folder / "edge_config.json").exists()
        if not existing:
            folder.mkdir(parents=True, exist_ok=True)
        self._shard = edge.EdgeShard.load(str(folder)) if existing else edge.EdgeShard.create(str(folder), _config(options))
        if not existing:
            self._index_payload()
        self._params = edge.SearchParams(
            hnsw_ef=options.ef, quantization=edge.QuantizationSearchParams(rescore=True, oversampling=options.oversampling)
        )

    def upsert(self, points: Sequence[WirePoint]) -> None:
        made = []
        for point in points:
            vectors: dict[str, Any] = {name: _floats(data) for name, data in point.vectors.items()}
            vectors[SPARSE] = edge.SparseVector(indices=point.sparse.indices, values=point.sparse.values)
            made.append(edge.Point(point.id, vectors, dict(point.payload)))
        self._shard.update(edge.UpdateOperation.upsert_points(made))

    def delete(self, ids: Sequence[str]) -> None:
        self._shard.update(edge.UpdateOperation.delete_points(list(ids)))

    def search(self, ask: Ask) -> list[WireHit]:
        found = self._shard.query(self._request(ask))
        return [WireHit(str(point.id), point.score, _stored(point, ask)) for point in found]

    def points(self) -> int:
        return self._shard.count(edge.CountRequest(exact=True))

    def unindexed(self) -> int:
        """Points stored since the last graph was built: the engine's own count takes plain segments for indexed ones."""
        graphed = int(self._graphed_file.read_text()) if self._graphed_file.exists() else 0
        return max(0, self.points() - graphed)

    def optimize(self) -> None:
        self._shard.optimize()
        self._shard.flush()
        self._graphed_file.write_text(str(self.points()))

    def segments(self) -> int:
        return int(self._shard.info().segments_count)

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()

    def _request(self, ask: Ask) -> edge.QueryRequest:
        where = edge.Filter(must=[edge.FieldCondition(key, match=edge.MatchAny(any=values)) for key, values in ask.where.items()])
        dense = edge.Query.Nearest(_floats(ask.vector), using=ask.using)
        vectors = [ask.using] if ask.with_vectors else False
        if ask.sparse is None:
            return edge.QueryRequest(
                limit=ask.limit, query=dense, filter=where, params=self._params, score_threshold=ask.min_score, with_vector=vectors
            )
        limit = ask.limit * PREFETCH
        prefetches = [edge.Prefetch(limit=limit, query=dense, filter=where, params=self._params)]
        if ask.sparse.indices:
            words = edge.SparseVector(indices=ask.sparse.indices, values=ask.sparse.values)
            prefetches.append(edge.Prefetch(limit=limit, query=edge.Query.Nearest(words, using=SPARSE), filter=where))
        return edge.QueryRequest(limit=ask.limit, prefetches=prefetches, query=edge.Fusion.Rrf(k=RRF_K), with_vector=vectors)

    def _index_payload(self) -> None:
        kinds = [
            (self._options.keywords, edge.PayloadSchemaType.Keyword),
            (self._options.floats, edge.PayloadSchemaType.Float),
            (self._options.datetimes, edge.PayloadSchemaType.Datetime),
        ]
        for fields, kind in kinds:
            for name in fields:
                self._shard.update(edge.UpdateOperation.create_field_index(name, kind))


def _config(options: ShardOptions) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors={name: edge.EdgeVectorParams(size=size, distance=edge.Distance.Cosine) for name, size in options.dims.items()},
        sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        hnsw_config=edge.HnswIndexConfig(m=options.m, ef_construct=options.ef_construct, full_scan_threshold=FULL_SCAN_THRESHOLD_KB),
        quantization_config=edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, quantile=0.99, always_ram=True),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=INDEXING_THRESHOLD_KB),
        wal_enabled=True,
    )


def _floats(data: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def _stored(point: edge.ScoredPoint, ask: Ask) -> bytes | None:
    if not ask.with_vectors or not isinstance(point.vector, dict):
        return None
    vector = point.vector.get(ask.using)
    return struct.pack(f"<{len(vector)}f", *vector) if isinstance(vector, list) else None
