"""Finds the item that a new candidate duplicates, among the index's hits, undrained changes, and this batch's own items.

Merging needs a cosine of at least the threshold (for long texts, window by window too) and no difference in what is said (`app.likeness`).
A text that only restates the other needs a lower cosine: there the words decide.
The index is queried before the storing transaction, so that no lock waits for a network; later changes are read inside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
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
from app.knowledge.tables import ItemRow, OutboxRow
from app.likeness import differs, restates
from app.storage.database import Database
from app.storage.tables import AnyRow
from app.storage.vectors.store import Vector, VectorStore

NEAREST = 16
"""Nearest items compared with a candidate, in the index and in a batch. The bound keeps a session of hundreds that differ in a number alone
within its transaction's time limit."""
MARGIN = 0.03
"""The index is queried this far below the threshold, as its scores are approximate; the exact cosine is computed from PostgreSQL."""
RESTATED = 0.30
"""The threshold is lower by this for a text that has no word of its own: only reordered, inflected, or with known synonyms for others."""
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Nearby:
    """The index's hits near some vectors, at or after `since` (PostgreSQL's clock). `threshold`: a duplicate's cosine."""

    since: datetime
    items: frozenset[UUID]
    threshold: float


async def look_up(
    database: Database, vectors: VectorStore, wanted: Sequence[Vector], *, team_id: UUID, project_id: UUID, threshold: float
) -> Nearby:
    """Query the index for each vector's neighbours, AT_ONCE at a time. VectorStoreUnavailable when it is away."""
    async with database.begin() as connection:
        since: datetime = (await connection.scalars(select(func.clock_timestamp()))).one()
    concurrency = asyncio.Semaphore(AT_ONCE)
    where = {"team": str(team_id), "project": str(project_id), "type": list(KNOWLEDGE_TYPES)}

    async def one(vector: Vector) -> list[UUID]:
        async with concurrency:
            hits = await vectors.nearest(vector, where=where, limit=NEAREST, min_score=threshold - RESTATED - MARGIN)
            return [hit.id for hit in hits]

    found = await asyncio.gather(*(one(vector) for vector in wanted))
    return Nearby(since, frozenset(item for items in found for item in items), threshold)


@dataclass(slots=True)
class Neighbourhood:
    """The items that a candidate may be merged into. Valid inside one transaction that holds the project's lock."""

    threshold: float
    _items: list[UUID] = field(default_factory=list)
    _wordings: list[str] = field(default_factory=list)
    _long_forms: list[Vector | None] = field(default_factory=list)
    _vectors: Vector = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    """One row an item, spare rows at the end: grown by doubling, so that adding an item doesn't copy all."""

    @classmethod
    async def read(cls, connection: AsyncConnection, project_id: UUID, nearby: Nearby) -> Neighbourhood:
        """Read the index's hits, and the items that it hadn't applied when it was queried."""
        undrained = select(OutboxRow.point_id).where(or_(OutboxRow.drained_at.is_(None), OutboxRow.drained_at >= nearby.since))
        known = select(func.unnest(literal(list(nearby.items), ARRAY(Uuid))))
        near = ItemRow.id.in_(known.union(undrained))  # a UNION, not an OR, for which PostgreSQL would read the whole project
        made = cls(nearby.threshold)
        for row in await connection.execute(_ITEMS.where(ItemRow.project_id == project_id, near)):
            made.add(row.id, item_text(row.title, row.text), unpack(row.embedding), long_form_of(row))
        return made

    def add(self, item: UUID, wording: str, vector: Vector, long_form: Vector | None = None) -> None:
        """Add an item, also one stored in this transaction: the batch's later candidates see it. `long_form`: see `long_form_of`."""
        count = len(self._items)
        if count == len(self._vectors):
            grown = np.empty((2 * count + 64, vector.size), dtype=np.float32)
            grown[:count] = self._vectors if count else 0
            self._vectors = grown
        self._vectors[count] = vector
        self._items.append(item)
        self._wordings.append(wording)
        self._long_forms.append(long_form)

    async def duplicate_of(self, wording: str, vector: Vector, long_form: Vector | None = None) -> UUID | None:
        """Return the nearest item that says the same, also in its later windows, or None. Lets other tasks run between two neighbours."""
        if not self._items:
            return None
        cosines = self._vectors[: len(self._items)] @ vector
        for place in map(int, np.argsort(-cosines, kind="stable")[:NEAREST]):
            if cosines[place] < self.threshold - RESTATED:
                return None
            await asyncio.sleep(0)
            known = self._wordings[place]
            least = self.threshold - RESTATED if restates(known, wording) else self.threshold
            if cosines[place] >= least and _agree(self._long_forms[place], long_form, least) and not differs(known, wording):
                return self._items[place]
        return None

    def replace(self, items: Collection[UUID], by: UUID) -> None:
        """Make the wordings of some items those of another one, which took their evidence."""
        self._items = [by if item in items else item for item in self._items]

    def like(self, vector: Vector, least: float) -> list[tuple[UUID, str]]:
        """Return the NEAREST items with a cosine of at least `least`, the nearest first, each with a wording."""
        if not self._items:
            return []
        cosines = self._vectors[: len(self._items)] @ vector
        places = map(int, np.argsort(-cosines, kind="stable")[:NEAREST])
        return [(self._items[place], self._wordings[place]) for place in places if cosines[place] >= least]


def _agree(one: Vector | None, other: Vector | None, least: float) -> bool:
    """Tell whether two long texts agree window by window: texts that begin alike may end differently."""
    return one is None or other is None or len(one) == len(other) == 1 or agreement(one, other) >= least


_ITEMS: Select[UUID, str, str, bytes, bytes | None, str | None] = select(
    ItemRow.id, ItemRow.title, ItemRow.text, ItemRow.embedding, ItemRow.long_embedding, ItemRow.long_embedding_model
)


def item_text(title: str, text: str) -> str:
    """Return the text of an item that is embedded, indexed and compared."""
    return f"{title}\n{text}"


def pack(vector: Vector) -> bytes:
    """Serialize as little-endian float32, the format of the `embedding` columns."""
    return vector.astype("<f4").tobytes()


def unpack(data: bytes) -> Vector:
    return np.frombuffer(data, dtype="<f4")


def pack_half(vector: Vector) -> bytes:
    """Serialize as little-endian float16, for passages: half the size, and cosines change by less than 0.0001."""
    return vector.astype("<f2").tobytes()


def unpack_half(data: bytes) -> Vector:
    """Deserialize `pack_half`'s bytes; also 384 float32, the format of passages stored by earlier versions."""
    return np.frombuffer(data, dtype="<f4" if len(data) == 384 * 4 else "<f2").astype(np.float32)


def unpack_long(row: AnyRow) -> Vector | None:
    """Return an item's 1536-dim vector; None if the text fits into the 384-dim one, or another encoder made it."""
    return None if row.long_embedding is None or row.long_embedding_model != LONG_MODEL else unpack(row.long_embedding)


def long_form_of(row: AnyRow) -> Vector | None:
    """Return the vectors of all windows of an item's text; None until its long form is computed."""
    return parts_of(unpack(row.embedding), unpack_long(row)) if row.long_embedding_model == LONG_MODEL else None
