"""Lets a lead retire an item, and merge one into another. Nothing is deleted: `restoring` undoes both. Knows no HTTP."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, InvalidInput, NotFound
from app.knowledge.authoring import WriteAdmission
from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.edits import Author
from app.knowledge.store import lock_item, team_item_row
from app.knowledge.supersession_rows import read_links, replace_by_person
from app.knowledge.tables import RevisionRow
from app.knowledge.verdicts import count_verdicts, is_retired
from app.storage.database import Database
from app.storage.tables import AnyRow


class Curating:
    """Retires and merges items. `admission`: shared with `Authoring`."""

    def __init__(self, database: Database, *, admission: WriteAdmission) -> None:
        self._database = database
        self._admission = admission

    async def retire(self, author: Author, item_id: UUID) -> bool:
        """Hide an item from searches, whatever others' verdicts. Returns False if it was retired. NotFound for another team's item."""
        async with self._admission.admit(author), self._database.begin() as connection:
            row = await lock_item(connection, author.team_id, item_id, closed=author.closed)
            if await is_retired(connection, item_id):
                return False
            await connection.execute(insert(RevisionRow).values(knowledge_id=item_id, action="retired", **author.columns))
            await count_verdicts(connection, row)
            await record_changes(connection, [ChangedPoint(item_id, row.project_id, row.team_id)])
        return True

    async def merge(self, author: Author, item_id: UUID, into: UUID) -> None:
        """Mark an item as replaced by another of its project, which shows its evidence too.

        Conflict if the other is of another project, hidden, or itself replaced; InvalidInput if it isn't there. NotFound for another team's
        item.
        """
        if item_id == into:
            raise InvalidInput("into is the item itself: name another item of its project.", param="into")
        async with self._admission.admit(author), self._database.begin() as connection:
            row = await lock_item(connection, author.team_id, item_id, closed=author.closed)
            kept = await _kept(connection, author, into)
            await _check_can_keep(connection, row, kept)
            await replace_by_person(connection, item_id, into, cause="merged", author_id=author.developer_id)
            await record_changes(connection, [ChangedPoint(each.id, each.project_id, each.team_id) for each in (row, kept)])


async def _kept(connection: AsyncConnection, author: Author, into: UUID) -> AnyRow:
    try:
        return await team_item_row(connection, author.team_id, into, closed=author.closed)
    except NotFound:
        raise InvalidInput(f"into: there is no item {into}. Name another item of the same project.", param="into") from None


async def _check_can_keep(connection: AsyncConnection, row: AnyRow, kept: AnyRow) -> None:
    if kept.project_id != row.project_id:
        raise Conflict("The two items belong to different projects: merge items of one project, or merge the projects.", param="into")
    if kept.hidden:
        raise Conflict("The item to keep is hidden, because it was judged wrong or retired: choose another one.", param="into")
    replaced_by, _ = await read_links(connection, kept.id)
    if replaced_by:
        later = replaced_by[0]
        raise Conflict(
            f"The item to keep is itself replaced by the item {later.id}: merge into that one, or restore it first.", param="into"
        )
