"""Lets a person undo that an item was replaced: Cairn judged wrongly, and doesn't judge these two again. Knows no HTTP."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, update

from app.knowledge.authoring import WriteAdmission
from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.edits import Author
from app.knowledge.relation_tables import SupersessionRow
from app.knowledge.store import lock_item
from app.storage.database import Database


class Restoring:
    """Undoes links. `admission`: shared with `Authoring`."""

    def __init__(self, database: Database, *, admission: WriteAdmission) -> None:
        self._database = database
        self._admission = admission

    async def restore(self, author: Author, item_id: UUID) -> int:
        """Undo every link that has this item replaced, permanently. Returns their number. NotFound for another team's item."""
        undone = {"undone_at": func.now(), "undone_by": author.developer_id, "by_admin": author.developer_id is None}
        async with self._admission.admit(author), self._database.begin() as connection:
            row = await lock_item(connection, author.team_id, item_id, closed=author.closed)
            held = (SupersessionRow.older_id == item_id, SupersessionRow.undone_at.is_(None))
            links = await connection.execute(update(SupersessionRow).where(*held).values(undone))
            if links.rowcount:
                await record_changes(connection, [ChangedPoint(item_id, row.project_id, row.team_id)])
            return links.rowcount
