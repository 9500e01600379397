"""The Protocol of a vector store. Two implementations ship: `edge` (embedded) and `server` (a Qdrant server).

A store is an index that can be rebuilt from PostgreSQL at any time; it is never the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.storage.vectors.lexical import SparseVector
from app.storage.vectors.recipe import DENSE

Vector = NDArray[np.float32]
DIMS: Mapping[str, int] = {DENSE: 384}
"""Dimensions of the vectors that a point may have, by name."""

PayloadValue = str | float | list[str]
Where = Mapping[str, str | Sequence[str]]
"""Payload field → the value, or the values of which one must match. All fields must match."""
NOTHING: Where = MappingProxyType({})
"""No filter."""


@dataclass(frozen=True, slots=True)
class Within:
    """A half-open period of a datetime field: since ≤ field < until; None: unbounded. Points without the field don't match."""

    field: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class IndexSchema:
    """The payload fields to index, by kind, named by the caller's domain; and the vectors that points may have, with their dimensions.

    A new field is added to an existing index, a new vector by the next rebuild. A vector takes space in points without it too: 1.9 kB of
    disk for 384 dims.
    """

    keywords: tuple[str, ...]
    floats: tuple[str, ...] = ()
    datetimes: tuple[str, ...] = ()
    vectors: Mapping[str, int] = field(default_factory=lambda: DIMS)


@dataclass(frozen=True, slots=True)
class VectorPoint:
    """A point to store. `vectors`: unit length, float32. `terms`: BM25 document weights. `payload`: indexed fields; times as RFC 3339; of a
    list one value must match.
    """

    id: UUID
    vectors: Mapping[str, Vector]
    terms: SparseVector
    payload: Mapping[str, PayloadValue]


@dataclass(frozen=True, slots=True)
class Hit:
    """A search result. `score`: cosine (`nearest`), raw BM25 (`lexical`) or RRF (`hybrid`). `vector`: the stored one, if asked for."""

    id: UUID
    score: float
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """The store's state. `unindexed`: points not in an HNSW graph yet, searched by brute force.

    `unfilled`: recreated after damage or loss and not rebuilt yet; searches are refused.
    """

    points: int
    unindexed: int
    detail: Mapping[str, str] = field(default_factory=dict)
    unfilled: bool = False


class VectorStore(Protocol):
    """A vector index. Every method raises `VectorStoreUnavailable` if the store doesn't answer within its timeout.

    Raises `InvalidInput` for a vector of wrong length or not finite, malformed terms, a limit outside 1 to 10,000, and a period without any
    bound or with a time that lacks a time zone.
    """

    async def upsert(self, points: Sequence[VectorPoint]) -> None:
        """Insert or replace points by id. On return they survive a crash of the process."""

    async def delete(self, ids: Sequence[UUID]) -> None:
        """Delete points; unknown ids are ignored."""

    async def nearest(
        self,
        vector: Vector,
        *,
        where: Where,
        limit: int,
        min_score: float | None = None,
        with_vectors: bool = False,
        within: Within | None = None,
        without: Where = NOTHING,
    ) -> list[Hit]:
        """Search by cosine, best first; int8 candidates are rescored with the full vectors. `without`: leave out what matches a field."""

    async def lexical(
        self,
        terms: SparseVector,
        *,
        where: Where,
        limit: int,
        within: Within | None = None,
        corpus: Where | None = None,
        without: Where = NOTHING,
    ) -> list[Hit]:
        """Search by BM25, best first, among points that share a term. No terms find nothing.

        `corpus`: filter of the points whose document frequencies count, so that others' texts don't affect scores; exact, and slower the
        more they are. None: all points, replaced and deleted ones included until the next rebuild.
        """

    async def hybrid(
        self,
        vector: Vector,
        terms: SparseVector,
        *,
        where: Where,
        limit: int,
        within: Within | None = None,
        corpus: Where | None = None,
        without: Where = NOTHING,
    ) -> list[Hit]:
        """Fuse dense and BM25 candidates (prefetch) by reciprocal rank in the engine, best first. Without terms: dense only."""

    async def status(self) -> StoreStatus: ...

    def rebuild(self) -> AbstractAsyncContextManager[Staging]:
        """Open an empty index beside the live one, which serves queries until `Staging.commit()`.

        Leaving the context without a commit discards the new index.
        """

    def beside(self, place: str) -> AbstractAsyncContextManager[Sink]:
        """Open the index that another process is building, named by its `Staging.place`, for writing."""

    async def close(self) -> None: ...


class Sink(Protocol):
    """An index that points can be written to."""

    async def upsert(self, points: Sequence[VectorPoint]) -> None: ...

    async def delete(self, ids: Sequence[UUID]) -> None: ...


class Staging(Sink, Protocol):
    """An index under construction. `place`: its address for other processes of this machine or team."""

    @property
    def place(self) -> str: ...

    async def optimize(self) -> None:
        """Build the HNSW graphs, in seconds to minutes, without disturbing the live index."""

    async def commit(self) -> None:
        """Replace the live index atomically."""
