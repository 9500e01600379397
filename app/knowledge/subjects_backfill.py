"""Backfill of the subjects and links of items that were stored before there were any, or by code of another version.

Works in small batches, each of one project, and can be repeated.
"""

from __future__ import annotations

import time

from sqlalchemy import select

from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.locks import lock_project
from app.knowledge.relations import refresh_relations
from app.knowledge.subject_rows import VERSION
from app.knowledge.tables import ItemRow
from app.storage.database import Database

BATCH = 500
"""Items of one transaction, which holds their project's lock: about a second of work."""
DONE_SECONDS = 86_400
"""Pause once nothing is left: only a worker of an older version makes more, and to look takes reading all items."""


class SubjectsBackfill:
    """Finds the subjects of one batch at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._due = 0.0

    async def maintain(self) -> int:
        """Do one batch. Returns its size; after 0, nothing is looked for until tomorrow."""
        if time.monotonic() < self._due:
            return 0
        done = await self.fill()
        if not done:
            self._due = time.monotonic() + DONE_SECONDS
        return done

    async def fill(self) -> int:
        """Find the subjects and links of a batch, under its project's lock. Returns its size."""
        outdated = ItemRow.subjects_version != VERSION
        async with self._database.begin() as connection:
            project_id = await connection.scalar(select(ItemRow.project_id).where(outdated).limit(1))
            if project_id is None:
                return 0
            await lock_project(connection, project_id)
            columns = (ItemRow.id, ItemRow.project_id, ItemRow.team_id)
            wanted = select(*columns).where(ItemRow.project_id == project_id, outdated).order_by(ItemRow.id).limit(BATCH)
            rows = (await connection.execute(wanted)).all()
            await refresh_relations(connection, [row.id for row in rows])
            # One point is enough: nothing changes in the index, only what was cached of the project.
            await record_changes(connection, [ChangedPoint(row.id, row.project_id, row.team_id) for row in rows[:1]])
        return len(rows)
