"""Backfill of the subjects of items that were stored before there were any, or by code of another version. Small batches; repeatable."""

from __future__ import annotations

import time

from sqlalchemy import select

from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.subject_rows import VERSION, refresh_subjects
from app.knowledge.tables import ItemRow
from app.storage.database import Database

BATCH = 500
"""Items of one transaction: about half a second of work."""
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
        """Find the subjects of a batch, but of no item that another writer holds. Returns its size."""
        columns = (ItemRow.id, ItemRow.project_id, ItemRow.team_id)
        wanted = select(*columns).where(ItemRow.subjects_version != VERSION).order_by(ItemRow.id).limit(BATCH)
        async with self._database.begin() as connection:
            rows = (await connection.execute(wanted.with_for_update(skip_locked=True))).all()
            await refresh_subjects(connection, [row.id for row in rows])
            await record_changes(connection, [ChangedPoint(row.id, row.project_id, row.team_id) for row in rows])
        return len(rows)
