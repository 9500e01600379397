"""Is it known already? A new candidate against the project's neighbours: the index, what the index has yet to hear of, this batch.

Merging takes a cosine of at least the threshold *and* no differing number, version, path, identifier or negation (`app.likeness`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.tables import Knowledge, OutboxRow
from app.likeness import differing
from app.storage.vectors.store import Vector, VectorStore

NEAREST = 16
"""How many of the index are looked at: more look-alikes than this within the threshold would have been merged with each other."""
MARGIN = 0.03
"""The engine's scores are taken this much below the threshold; the exact cosine is computed from PostgreSQL's vectors."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    id: UUID
    wording: str
    vector: Vector


@dataclass(slots=True)
class Neighbourhood:
    """The items of one project that a candidate may be merged into. Valid inside one transaction that holds the project's lock."""

    connection: AsyncConnection
    vectors: VectorStore
    team_id: UUID
    project_id: UUID
    threshold: float
    _held: dict[UUID, Neighbour] = field(default_factory=dict)
    _gone: set[UUID] = field(default_factory=set)

    async def load_pending(self) -> None:
        """Read what the index hasn't heard of yet."""
        pending = select(OutboxRow.knowledge_id).where(OutboxRow.drained_at.is_(None))
        await self._read(select(*_COLUMNS).where(Knowledge.project_id == self.project_id, Knowledge.id.in_(pending)))

    async def twin(self, wording: str, vector: Vector) -> UUID | None:
        """The nearest item that says the same, or None."""
        hits = await self.vectors.nearest(
            vector,
            where={"team": str(self.team_id), "project": str(self.project_id)},
            limit=NEAREST,
            min_score=self.threshold - MARGIN,
        )
        unread = [hit.id for hit in hits if hit.id not in self._held and hit.id not in self._gone]
        if unread:
            await self._read(select(*_COLUMNS).where(Knowledge.project_id == self.project_id, Knowledge.id.in_(unread)))
            self._gone.update(item for item in unread if item not in self._held)
        return self._nearest_twin(wording, vector)

    def add(self, item: UUID, wording: str, vector: Vector) -> None:
        """An item stored in this transaction: the batch's own later candidates must see it."""
        self._held[item] = Neighbour(item, wording, vector)

    def _nearest_twin(self, wording: str, vector: Vector) -> UUID | None:
        held = list(self._held.values())
        if not held:
            return None
        cosines = np.stack([neighbour.vector for neighbour in held]) @ vector
        for place in map(int, np.argsort(-cosines, kind="stable")):
            if cosines[place] < self.threshold:
                return None
            if not differing(held[place].wording, wording):
                return held[place].id
        return None

    async def _read(self, query: object) -> None:
        for row in await self.connection.execute(query):  # type: ignore[call-overload]
            self._held[row.id] = Neighbour(row.id, wording(row.title, row.text), unpack(row.embedding))


_COLUMNS = (Knowledge.id, Knowledge.title, Knowledge.text, Knowledge.embedding)


def wording(title: str, text: str) -> str:
    """What is embedded, indexed and compared of an item."""
    return f"{title}\n{text}"


def pack(vector: Vector) -> bytes:
    """Little-endian float32, as the `embedding` columns hold it."""
    return vector.astype("<f4").tobytes()


def unpack(data: bytes) -> Vector:
    return np.frombuffer(data, dtype="<f4")


def cosines(vectors: Sequence[Vector], query: Vector) -> list[float]:
    """Cosines of unit vectors with a unit query."""
    return [] if not vectors else [float(value) for value in np.stack(vectors) @ query]
