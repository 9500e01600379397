"""Stores the sessions' shapes in PostgreSQL, and reads those of a team side by side. No index beside it: all vectors are compared.

Each search asks which sessions there are, and reads those whose shape it doesn't hold yet. A closed project's sessions are left out by that
statement, a purged session's shape is gone with it, and one of a merged project follows its session, so nothing can lag behind. 10,000
sessions are 4 MB (docs/decisions/0078-similar-sessions.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import any_, bindparam, delete, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Uuid

from app.sessions.projections import Checkpointed
from app.sessions.session import Session
from app.storage.database import Database, rows_of
from app.trajectory.embedding import DIMENSIONS
from app.trajectory.similar.held import HeldShapes, ListedShapes, ReadShapes
from app.trajectory.similar.ranking import ComparedShapes
from app.trajectory.similar.tables import SessionShapeRow

MAX_COMPARED = 20_000
"""Sessions of a team that one is compared with, the latest."""


@dataclass(frozen=True, slots=True)
class StoredShape:
    """A session's shape as it is compared. `firsts`: the seq at which each phase began; `dropped`: phases before these, not compared."""

    symbols: str
    firsts: Sequence[int]
    dropped: int
    vector: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class ShapeUpdate:
    """The result of a run of the projection. `state`: the packed shape at `settled_seq`."""

    shape: StoredShape
    settled_seq: int
    state: bytes


class ShapeRecords:
    """Reads and writes the shapes of sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held = HeldShapes()

    async def state(self, session_id: UUID) -> tuple[int, bytes] | None:
        """Return a session's settled seq and the packed shape there; None: there is none."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_STATE, {"session": session_id})).one_or_none()
        return None if row is None else (row.settled_seq, row.state)

    async def replace(self, session: Session, update: ShapeUpdate, checkpointed: Checkpointed) -> None:
        """Make this the session's shape."""
        shape = update.shape
        values = {
            "session_id": session.id,
            "symbols": shape.symbols,
            "firsts": list(shape.firsts),
            "dropped": shape.dropped,
            "vector": shape.vector.tobytes(),
            "settled_seq": update.settled_seq,
            "state": update.state,
        }
        async with self._database.begin() as connection:
            await checkpointed(connection)
            await connection.execute(_REPLACE, values)

    async def forget(self, connection: AsyncConnection, session_id: UUID) -> int:
        """Delete a session's shape in the caller's transaction. Returns the number of rows."""
        gone = delete(SessionShapeRow).where(SessionShapeRow.session_id == session_id).returning(SessionShapeRow.session_id)
        return len((await connection.execute(gone)).all())

    async def read(self, session_ids: Collection[UUID]) -> dict[UUID, StoredShape]:
        """Return the shapes of these sessions, by id; those that have none are left out."""
        known = SessionShapeRow.session_id == any_(literal([*session_ids], ARRAY(Uuid)))
        columns = (
            SessionShapeRow.session_id,
            SessionShapeRow.symbols,
            SessionShapeRow.firsts,
            SessionShapeRow.dropped,
            SessionShapeRow.vector,
        )
        rows = await self._database.read(rows_of(select(*columns).where(known)))
        return {row[0]: StoredShape(row[1], row[2], row[3], np.frombuffer(row[4], np.int8)) for row in rows}

    async def compared(self, team_id: UUID, closed: Collection[UUID]) -> ComparedShapes:
        """Return the shapes of the team's sessions, of the latest MAX_COMPARED, without those of the projects `closed`."""
        listed = await self._listed(team_id, closed)
        held = self._held.of(team_id)
        if (missing := held.missing(listed)) or held.is_outdated():
            held = await asyncio.to_thread(held.updated, missing, await self._read_missing(missing))
            self._held.hold(team_id, held)
        return held.compared(listed)

    async def _listed(self, team_id: UUID, closed: Collection[UUID]) -> ListedShapes:
        given = {"team": team_id, "closed": list(closed), "sessions": MAX_COMPARED}
        (row,) = await self._database.read(rows_of(_LISTED, given))
        return ListedShapes() if row.ids is None else ListedShapes(row.ids, row.versions)

    async def _read_missing(self, ids: Sequence[bytes]) -> ReadShapes:
        """Read the shapes of these sessions; those that are gone meanwhile are left out."""
        (row,) = await self._database.read(rows_of(_SHAPES, {"sessions": [UUID(bytes=each) for each in ids]}))
        if row.ids is None:
            return ReadShapes()
        listed, vectors = ListedShapes(row.ids, row.versions), np.frombuffer(row.vectors, np.int8).reshape(-1, DIMENSIONS)
        return ReadShapes(listed.split_ids(), listed.numbers(), row.symbols.split("\n"), vectors)


_STATE = select(SessionShapeRow.settled_seq, SessionShapeRow.state).where(SessionShapeRow.session_id == bindparam("session", type_=Uuid))
_new = insert(SessionShapeRow)
_changed = {name: _new.excluded[name] for name in ("symbols", "firsts", "dropped", "vector", "settled_seq", "state")}
_REPLACE = _new.on_conflict_do_update(index_elements=["session_id"], set_=_changed)
# A row's xmin is the transaction that wrote it: another one after each change. One row of aggregates takes a tenth of the time of 10,000 rows,
# and all aggregates read the same rows in the same order.
_LISTED = text("""
    select string_agg(uuid_send(shape.session_id), ''::bytea) as ids,
           string_agg(int8send(shape.xmin::text::int8), ''::bytea) as versions
      from (select id
              from sessions
             where team_id = :team
               and project_id <> all(:closed)
             order by started_at desc nulls last, id
             limit :sessions) as latest
      join session_shapes as shape on shape.session_id = latest.id
""").bindparams(bindparam("team", type_=Uuid), bindparam("closed", type_=ARRAY(Uuid)))
_SHAPES = text("""
    select string_agg(uuid_send(session_id), ''::bytea) as ids,
           string_agg(int8send(xmin::text::int8), ''::bytea) as versions,
           string_agg(symbols, E'\\n') as symbols,
           string_agg(vector, ''::bytea) as vectors
      from session_shapes
     where session_id = any(:sessions)
""").bindparams(bindparam("sessions", type_=ARRAY(Uuid)))
