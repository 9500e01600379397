"""Backfill of the relations of items that were stored before there were any, by code of another version, or in a project merged since.

Works in small batches, each of one project, and can be repeated.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.locks import lock_project
from app.knowledge.relations import refresh_relations
from app.knowledge.subject_rows import VERSION
from app.knowledge.tables import ItemRow
from app.storage.database import Database

BATCH = 100
"""Items of one transaction, which holds their project's lock: about a second of work."""
DONE_SECONDS = 86_400
"""Pause once nothing is left: only a worker of an older version and a merge of projects make more, and to look takes reading all items."""


_OUTDATED = ItemRow.subjects_version != VERSION
_COLUMNS = (ItemRow.id, ItemRow.project_id, ItemRow.team_id, ItemRow.created_at)


class _Place(NamedTuple):
    """A place in the order of the index `ix_knowledge_project_created`."""

    project_id: UUID
    created_at: datetime
    id: UUID


class SubjectsBackfill:
    """Finds the subjects of one batch at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._due = 0.0
        self._place: _Place | None = None
        """The last item done: the next batch begins behind it, so that all batches together read each item once."""

    async def maintain(self) -> int:
        """Do one batch. Returns its size; after 0, nothing is looked for until tomorrow."""
        if time.monotonic() < self._due:
            return 0
        done = await self.fill()
        if not done:
            self._due = time.monotonic() + DONE_SECONDS
        return done

    async def fill(self) -> int:
        """Find the subjects and links of a batch, under its project's lock. Returns its size; after 0, the next one is the first again."""
        async with self._database.begin() as connection:
            project_id = await self._project(connection)
            if project_id is None:
                self._place = None
                return 0
            await lock_project(connection, project_id)
            wanted = select(*_COLUMNS).where(_OUTDATED, *self._behind(project_id)).order_by(ItemRow.created_at.desc(), ItemRow.id.desc())
            rows = (await connection.execute(wanted.limit(BATCH))).all()
            await refresh_relations(connection, [row.id for row in rows])
            # One point is enough: nothing changes in the index, only what was cached of the project.
            await record_changes(connection, [ChangedPoint(row.id, row.project_id, row.team_id) for row in rows[:1]])
        if rows:
            self._place = _Place(project_id, rows[-1].created_at, rows[-1].id)
        return len(rows)

    async def _project(self, connection: AsyncConnection) -> UUID | None:
        """Return the project of the next batch: the one of the last item done while it has more, else the next one by id."""
        if self._place is not None:
            rest = select(ItemRow.project_id).where(_OUTDATED, *self._behind(self._place.project_id)).limit(1)
            if (same := await connection.scalar(rest)) is not None:
                return same
        further = [] if self._place is None else [ItemRow.project_id > self._place.project_id]
        first = select(ItemRow.project_id).where(_OUTDATED, *further).order_by(ItemRow.project_id).limit(1)
        found: UUID | None = await connection.scalar(first)
        return found

    def _behind(self, project_id: UUID) -> list[ColumnElement[bool]]:
        of_project: list[ColumnElement[bool]] = [ItemRow.project_id == project_id]
        if self._place is None or self._place.project_id != project_id:
            return of_project
        return [*of_project, tuple_(ItemRow.created_at, ItemRow.id) < tuple_(self._place.created_at, self._place.id)]
