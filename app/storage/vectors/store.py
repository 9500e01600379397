"""The Protocol of a vector store. Two implementations ship: `edge` (embedded) and `server` (a Qdrant server).

A store is an index that can be rebuilt from PostgreSQL at any time; it is never the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
VectorName = Literal["dense_384", "dense_1536"]
DIMS: Mapping[VectorName, int] = {"dense_384": 384, "dense_1536": 1536}

Where = Mapping[str, str | Sequence[str]]
"""Payload field → the value, or the values of which one must match. All fields must match."""


@dataclass(frozen=True, slots=True)
class IndexSchema:
    """Which payload fields get an index, by kind. The caller's domain names them; the store knows none."""

    keywords: tuple[str, ...]
    floats: tuple[str, ...] = ()
    datetimes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """`vectors`: unit length, float32. `text` feeds BM25. `payload`: only indexed fields; times as RFC 3339 strings."""

    id: UUID
    vectors: Mapping[VectorName, Vector]
    text: str
    payload: Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class Hit:
    """`score`: cosine for `nearest`, the fused RRF score for `hybrid`. `vector`: the stored one, where asked for."""

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

    `InvalidInput` for what no store takes: a vector of another length or not finite, a limit outside 1 to 10,000.
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
    ) -> list[Hit]:
        """By cosine, best first, int8 candidates rescored with the full vectors."""

    async def hybrid(
        self,
        vector: Vector,
        text: str,
        *,
        where: Where,
        limit: int,
        name: VectorName = "dense_384",
        with_vectors: bool = False,
    ) -> list[Hit]:
        """Dense and BM25 candidates (prefetch), fused by reciprocal rank in the engine, best first."""

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
