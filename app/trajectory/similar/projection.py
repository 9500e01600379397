"""The projection `shapes`: keeps the shape of each session, by which sessions like it are found.

An appended event costs itself and the few events before it: the stored state lags behind, since a tool's result comes later than its call.
"""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.projections import Checkpointed, Counts, Projected
from app.sessions.session import Session
from app.trajectory.analysis.step_reading import StepPage, StepReader
from app.trajectory.embedding import EMBEDDING_VERSION, temporal_embedding
from app.trajectory.shapes.builder import SHAPE_VERSION, SessionShape, packed, unpacked
from app.trajectory.similar.ranking import quantised
from app.trajectory.similar.records import ShapeRecords, ShapeUpdate, StoredShape

UNSETTLED_EVENTS: Final = 32
"""Events at a session's end that are read again next time; one that changes before them starts the session anew."""


class ShapesProjection:
    """The sessions' projection into shapes; see `app.sessions.projections`."""

    name = "shapes"
    version = f"{SHAPE_VERSION}.{EMBEDDING_VERSION}"
    whole = False
    result_field = "shapes"
    counted = ("phases",)

    def __init__(self, *, steps: StepReader, records: ShapeRecords) -> None:
        self._steps = steps
        self._records = records

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        """Take the events after the settled ones into the session's shape; all of them where one of those changed."""
        stored = _readable(await self._records.state(session.id)) if after else None
        began, state = stored if stored is not None and stored[0] <= after else (0, b"")
        run = _ShapeRun(began, state, max(began, session.event_count - UNSETTLED_EVENTS))
        async for page in self._steps.pages(session, began):
            await asyncio.to_thread(run.read, page)
        update = await asyncio.to_thread(run.update)
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


def _readable(stored: tuple[int, bytes] | None) -> tuple[int, bytes] | None:
    """Return a settled seq with its state; None where other code wrote that, or it was damaged: the session is then read anew."""
    if stored is not None:
        try:
            unpacked(stored[1])
        except msgspec.DecodeError:
            return None
    return stored


class _ShapeRun:
    """One run over a session: goes on from the packed state after `began` (none: from the beginning), and packs the one after `settled`."""

    def __init__(self, began: int, state: bytes, settled: int) -> None:
        self._shape = unpacked(state) if state else SessionShape()
        self._upto, self._settled = began, settled
        self._state: bytes | None = None

    def read(self, page: StepPage) -> None:
        """Take the steps of the next page."""
        for step, _ in page.after(self._upto):
            if self._state is None and step.seq > self._settled:
                self._state = packed(self._shape)
            self._shape.add(step)
        self._upto = page.last

    def update(self) -> ShapeUpdate:
        """Return what is stored of the session."""
        shape = self._shape
        vector = quantised(temporal_embedding(shape.course.series()))
        stored = StoredShape(shape.symbols, shape.firsts, shape.dropped, vector)
        return ShapeUpdate(stored, self._settled, packed(shape) if self._state is None else self._state)
