"""Is it known already? A new candidate against the project's neighbours: the index, what the index has yet to hear of, this batch.

Merging takes a cosine of at least the threshold (of long texts also that of all they say) *and* no differing number, version, path,
identifier or negation (`app.likeness`).
The index is asked before the transaction that stores, so that no lock waits for a network; what changed since is read in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy import Select, Uuid, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.embeddings.longform import MODEL as LONG_MODEL
from app.embeddings.longform import agreement, parts_of
from app.knowledge.item import KNOWLEDGE_TYPES
from app.knowledge.tables import Knowledge, OutboxRow
from app.likeness import differing
from app.storage.database import Database
from app.storage.tables import AnyRow
from app.storage.vectors.store import Vector, VectorStore

NEAREST = 16
"""How many are looked at, of the index and of a batch: more look-alikes than this within the threshold would have been merged with
each other. Without a bound, a session of hundreds that differ in a number alone takes longer than its transaction may."""
MARGIN = 0.03
"""The engine's scores are taken this much below the threshold; the exact cosine is computed from PostgreSQL's vectors."""
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Nearby:
    """What the index held near some vectors, at or after `since` (PostgreSQL's clock)."""

    since: datetime
    items: frozenset[UUID]


async def look_up(
    database: Database, vectors: VectorStore, wanted: Sequence[Vector], *, team_id: UUID, project_id: UUID, threshold: float
) -> Nearby:
    """Ask the index for the neighbours of each vector, some at once. VectorStoreUnavailable when it is away."""
    async with database.begin() as connection:
        since: datetime = (await connection.scalars(select(func.clock_timestamp()))).one()
    places = asyncio.Semaphore(AT_ONCE)
    where = {"team": str(team_id), "project": str(project_id), "type": list(KNOWLEDGE_TYPES)}

    async def one(vector: Vector) -> list[UUID]:
        async with places:
            hits = await vectors.nearest(vector, where=where, limit=NEAREST, min_score=threshold - MARGIN)
            return [hit.id for hit in hits]

    found = await asyncio.gather(*(one(vector) for vector in wanted))
    return Nearby(since, frozenset(item for items in found for item in items))


@dataclass(slots=True)
class Neighbourhood:
    """The items that a candidate may be merged into. Valid inside one transaction that holds the project's lock."""

    threshold: float
    _items: list[UUID] = field(default_factory=list)
    _wordings: list[str] = field(default_factory=list)
    _wholes: list[Vector | None] = field(default_factory=list)
    _vectors: Vector = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    """One a row, the last ones still empty: an item added costs its own row, not a copy of all."""

    @classmethod
    async def read(cls, connection: AsyncConnection, project_id: UUID, nearby: Nearby, threshold: float) -> Neighbourhood:
        """What the index found, and what it had not heard of when it was asked."""
        unheard = select(OutboxRow.point_id).where(or_(OutboxRow.drained_at.is_(None), OutboxRow.drained_at >= nearby.since))
        known = select(func.unnest(literal(list(nearby.items), ARRAY(Uuid))))
        near = Knowledge.id.in_(known.union(unheard))  # not one or the other: PostgreSQL would read all of the project
        made = cls(threshold)
        for row in await connection.execute(_ITEMS.where(Knowledge.project_id == project_id, near)):
            made.add(row.id, wording(row.title, row.text), unpack(row.embedding), whole_of(row))
        return made

    def add(self, item: UUID, wording: str, vector: Vector, whole: Vector | None = None) -> None:
        """Also what is stored in this transaction: the batch's own later candidates must see it. `whole`: see `whole_of`."""
        count = len(self._items)
        if count == len(self._vectors):
            grown = np.empty((2 * count + 64, vector.size), dtype=np.float32)
            grown[:count] = self._vectors if count else 0
            self._vectors = grown
        self._vectors[count] = vector
        self._items.append(item)
        self._wordings.append(wording)
        self._wholes.append(whole)

    def twin(self, wording: str, vector: Vector, whole: Vector | None = None) -> UUID | None:
        """The nearest item that says the same, to its end, or None."""
        if not self._items:
            return None
        cosines = self._vectors[: len(self._items)] @ vector
        for place in map(int, np.argsort(-cosines, kind="stable")[:NEAREST]):
            if cosines[place] < self.threshold:
                return None
            if self._agree(self._wholes[place], whole) and not differing(self._wordings[place], wording):
                return self._items[place]
        return None

    def _agree(self, one: Vector | None, other: Vector | None) -> bool:
        """Two texts that begin alike may end otherwise."""
        return one is None or other is None or len(one) == len(other) == 1 or agreement(one, other) >= self.threshold


_ITEMS: Select[UUID, str, str, bytes, bytes | None, str | None] = select(
    Knowledge.id, Knowledge.title, Knowledge.text, Knowledge.embedding, Knowledge.long_embedding, Knowledge.long_embedding_model
)


def wording(title: str, text: str) -> str:
    """What is embedded, indexed and compared of an item."""
    return f"{title}\n{text}"


def pack(vector: Vector) -> bytes:
    """Little-endian float32, as the `embedding` columns hold it."""
    return vector.astype("<f4").tobytes()


def unpack(data: bytes) -> Vector:
    return np.frombuffer(data, dtype="<f4")


def pack_half(vector: Vector) -> bytes:
    """Little-endian float16, as passages hold their vectors: half of the room, and cosines differ by less than 0.0001."""
    return vector.astype("<f2").tobytes()


def unpack_half(data: bytes) -> Vector:
    """What `pack_half` made; also 384 float32, as passages held them before."""
    return np.frombuffer(data, dtype="<f4" if len(data) == 384 * 4 else "<f2").astype(np.float32)


def unpack_long(row: AnyRow) -> Vector | None:
    """The 1536 dims of an item; None where its 384 say it whole, or another encoder made them."""
    return None if row.long_embedding is None or row.long_embedding_model != LONG_MODEL else unpack(row.long_embedding)


def whole_of(row: AnyRow) -> Vector | None:
    """All that an item says, window by window; None while that is not known."""
    return parts_of(unpack(row.embedding), unpack_long(row)) if row.long_embedding_model == LONG_MODEL else None
