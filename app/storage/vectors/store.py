"""The Protocol of a vector store. Two implementations ship: `edge` (embedded) and `server` (a Qdrant server).

A store is an index that can be rebuilt from PostgreSQL at any time; it is never the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.storage.vectors.lexical import SparseVector

Vector = NDArray[np.float32]
VectorName = Literal["dense_384", "dense_1536"]
DIMS: Mapping[VectorName, int] = {"dense_384": 384, "dense_1536": 1536}

Where = Mapping[str, str | Sequence[str]]
"""Payload field → the value, or the values of which one must match. All fields must match."""


@dataclass(frozen=True, slots=True)
class Within:
    """A half-open period of a datetime payload field: since ≤ field < until; None: open at that end. Points without it don't match."""

    field: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class IndexSchema:
    """Which payload fields get an index, by kind, and which vectors points may have. The caller's domain names them; the store knows none.

    A field is added to an index that exists, a vector by the next rebuild. A vector takes its room in points that lack it too: 7.7 kB
    of the disk for 1536 dims.
    """

    keywords: tuple[str, ...]
    floats: tuple[str, ...] = ()
    datetimes: tuple[str, ...] = ()
    vectors: tuple[VectorName, ...] = ("dense_384",)


@dataclass(frozen=True, slots=True)
class Point:
    """`vectors`: unit length, float32. `terms`: BM25's document side. `payload`: only indexed fields; times as RFC 3339 strings."""

    id: UUID
    vectors: Mapping[VectorName, Vector]
    terms: SparseVector
    payload: Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class Hit:
    """`score`: cosine of `nearest`, raw BM25 of `lexical`, the fused RRF score of `hybrid`. `vector`: the stored one, where asked for."""

    id: UUID
    score: float
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """`unindexed`: points that no HNSW graph holds yet (searched by brute force). `unfilled`: made anew in place of one that was
    damaged or lost, and not rebuilt yet: searches are refused.
    """

    points: int
    unindexed: int
    detail: Mapping[str, str] = field(default_factory=dict)
    unfilled: bool = False


class VectorStore(Protocol):
    """Every method raises `VectorStoreUnavailable` when the store doesn't answer within its timeout.

    `InvalidInput` for what no store takes: a vector of another length or not finite, malformed terms, a limit outside 1 to 10,000,
    a period without a beginning and an end, or with a time that has no time zone.
    """

    async def upsert(self, points: Sequence[Point]) -> None:
        """Store or replace, by id. Durable against a crash of the process when it returns."""

    async def delete(self, ids: Sequence[UUID]) -> None:
        """Unknown ids are no error."""

    async def nearest(
        self,
        vector: Vector,
        *,
        where: Where,
        limit: int,
        name: VectorName = "dense_384",
        min_score: float | None = None,
        with_vectors: bool = False,
        within: Within | None = None,
    ) -> list[Hit]:
        """Search by cosine, best first; int8 candidates are rescored with the full vectors."""

    async def lexical(
        self, terms: SparseVector, *, where: Where, limit: int, within: Within | None = None, corpus: Where | None = None
    ) -> list[Hit]:
        """Search by BM25, best first: the points that share a term. No terms find nothing.

        `corpus`: document frequencies are those of the points that match it, so that the words of others make no score higher or lower;
        exact, and the dearer the more they are. None: those of all points; replaced and deleted ones count until the next rebuild.
        """

    async def hybrid(
        self,
        vector: Vector,
        terms: SparseVector,
        *,
        where: Where,
        limit: int,
        name: VectorName = "dense_384",
        with_vectors: bool = False,
        within: Within | None = None,
        corpus: Where | None = None,
    ) -> list[Hit]:
        """Fuse dense and BM25 candidates (prefetch) by reciprocal rank in the engine, best first. Without terms: the dense ones alone."""

    async def status(self) -> StoreStatus: ...

    def rebuild(self) -> AbstractAsyncContextManager[Staging]:
        """Open an empty index beside the live one. Queries go on against the live one until `Staging.commit()`.

        Leaving the context without a commit throws the new index away.
        """

    def beside(self, place: str) -> AbstractAsyncContextManager[Sink]:
        """Write into the index that another process is building: `place` is its `Staging.place`."""

    async def close(self) -> None: ...


class Sink(Protocol):
    """What points can be written into."""

    async def upsert(self, points: Sequence[Point]) -> None: ...

    async def delete(self, ids: Sequence[UUID]) -> None: ...


class Staging(Sink, Protocol):
    """An index under construction. `place`: where it is, for another process of this machine or team."""

    @property
    def place(self) -> str: ...

    async def optimize(self) -> None:
        """Build the HNSW graphs. Takes seconds to minutes; the live index is not disturbed."""

    async def commit(self) -> None:
        """Take the live index's place, atomically."""
