"""The projection `shapes`: keeps the shape of each session, by which sessions like it are found.

An appended event costs itself and the few events before it: the stored state lags behind, since a tool's result comes later than its call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.event import Event
from app.sessions.journal import Journal
from app.sessions.projections import Checkpointed, Counts, Projected
from app.sessions.session import Session
from app.storage.generator_thread import through_thread
from app.trajectory.embedding import EMBEDDING_VERSION, temporal_embedding
from app.trajectory.events.steps import step_of
from app.trajectory.shapes.builder import SHAPE_VERSION, SessionShape, packed, unpacked
from app.trajectory.shapes.course import MAX_OUTPUT_CHARS
from app.trajectory.similar.ranking import quantised
from app.trajectory.similar.records import ShapeRecords, ShapeUpdate, StoredShape

UNSETTLED_EVENTS: Final = 32
"""Events at a session's end that are read again next time; one that changes before them starts the session anew."""


@dataclass(frozen=True, slots=True)
class _ReadShape:
    """The shape at the end of what was read, and its state where that was settled."""

    shape: SessionShape
    settled_seq: int
    state: bytes


class ShapesProjection:
    """The sessions' projection into shapes; see `app.sessions.projections`."""

    name = "shapes"
    version = f"{SHAPE_VERSION}.{EMBEDDING_VERSION}"
    whole = False
    result_field = "shapes"
    counted = ("phases",)

    def __init__(self, *, journal: Journal, records: ShapeRecords) -> None:
        self._journal = journal
        self._records = records

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        """Take the events after the settled ones into the session's shape; all of them where one of those changed."""
        stored = await self._records.state(session.id) if after else None
        began, state = stored if stored is not None and stored[0] <= after else (0, b"")
        settled = max(began, session.event_count - UNSETTLED_EVENTS)
        events = self._journal.numbered(session.id, after=began, until=session.event_count, max_output_chars=MAX_OUTPUT_CHARS)

        def read(numbered: Iterator[tuple[int, Event]]) -> Iterator[_ReadShape]:
            yield _read(numbered, state, settled)

        (found,) = [each async for batch in through_thread(events, read, batch=1) for each in batch]
        update = ShapeUpdate(_stored(found.shape), found.settled_seq, found.state)
        await self._records.replace(session, update, checkpointed)
        return Projected(counts={"phases": len(update.shape.symbols)})

    async def unchanged(self, session_id: UUID) -> Counts:
        stored = (await self._records.read([session_id])).get(session_id)
        return {"phases": 0 if stored is None else len(stored.symbols)}

    async def drain(self, mark: int) -> None:
        """Return at once: there is no index beside the table."""

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move nothing: a shape is of its session's project."""

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Delete a session's shape. Returns the number of rows."""
        return await self._records.forget(connection, session.id)


def _read(numbered: Iterator[tuple[int, Event]], state: bytes, settled: int) -> _ReadShape:
    """Go on from a packed state (none: from the beginning) with these events, and pack it again after the event `settled`."""
    shape = unpacked(state) if state else SessionShape()
    kept: bytes | None = None
    for seq, event in numbered:
        if kept is None and seq > settled:
            kept = packed(shape)
        shape.add(step_of(seq, event))
    return _ReadShape(shape, settled, packed(shape) if kept is None else kept)


def _stored(shape: SessionShape) -> StoredShape:
    vector = quantised(temporal_embedding(shape.course.series()))
    return StoredShape(shape.symbols, shape.firsts, shape.dropped, vector)
