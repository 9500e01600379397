"""Brings an item back: undoes that it was replaced or merged, so that Cairn doesn't judge these two again, or that a lead retired it.

Knows no HTTP.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotPermitted
from app.knowledge.authoring import WriteAdmission
from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.contradiction_rows import reopen
from app.knowledge.edits import Author
from app.knowledge.relation_tables import SupersessionRow
from app.knowledge.store import lock_item
from app.knowledge.supersession_rows import undo_links
from app.knowledge.tables import ItemRow, RevisionRow
from app.knowledge.verdicts import count_verdicts, is_retired
from app.storage.database import Database
from app.storage.tables import AnyRow


class Restoring:
    """Undoes links and retirements. `admission`: shared with `Authoring`."""

    def __init__(self, database: Database, *, admission: WriteAdmission) -> None:
        self._database = database
        self._admission = admission

    async def restore(self, author: Author, item_id: UUID) -> int:
        """Undo every link that has this item replaced, permanently, and its retirement. Returns the number of what was undone.

        Where a person had decided against the item, both items contradict each other again, until somebody decides anew.
        NotFound for another team's item; NotPermitted where a lead retired it and the author may not change others' items.
        """
        async with self._admission.admit(author), self._database.begin() as connection:
            row = await lock_item(connection, author.team_id, item_id, closed=author.closed)
            links = await undo_links(connection, SupersessionRow.older_id == item_id, author_id=author.developer_id)
            await reopen(connection, links)
            newer = [newer_id for _, newer_id in links]
            brought_back = await _reinstate(connection, author, row)
            if newer or brought_back:
                items = await connection.execute(_CHANGED.where(ItemRow.id.in_([item_id, *newer])).order_by(ItemRow.id))
                await record_changes(connection, [ChangedPoint(*each) for each in items])
            return len(newer) + brought_back


async def _reinstate(connection: AsyncConnection, author: Author, row: AnyRow) -> bool:
    if not await is_retired(connection, row.id):
        return False
    if not author.change_any and author.developer_id is not None:
        raise NotPermitted("A lead retired this item: only a lead or an admin can bring it back. Ask one of them.")
    await connection.execute(insert(RevisionRow).values(knowledge_id=row.id, action="reinstated", **author.columns))
    await count_verdicts(connection, row)
    return True


_CHANGED = select(ItemRow.id, ItemRow.project_id, ItemRow.team_id)
