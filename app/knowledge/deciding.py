"""Lets a person decide between two items that contradict each other. Knows no HTTP."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select, update

from app.errors import Conflict
from app.knowledge.authoring import WriteAdmission
from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.edits import Author
from app.knowledge.item import Decision
from app.knowledge.relation_tables import ContradictionRow
from app.knowledge.store import lock_item
from app.knowledge.supersession_rows import replace_by_person
from app.storage.database import Database


class Deciding:
    """Stores people's decisions. `admission`: shared with `Authoring`."""

    def __init__(self, database: Database, *, admission: WriteAdmission) -> None:
        self._database = database
        self._admission = admission

    async def decide(self, author: Author, item_id: UUID, other_id: UUID, decision: Decision) -> None:
        """Decide that an item holds, so that the other is replaced by it, or that both hold. Either way the pair isn't shown again.

        The same decision again changes nothing. Conflict if the two don't contradict each other, or it was decided otherwise.
        """
        async with self._admission.admit(author), self._database.begin() as connection:
            item = await lock_item(connection, author.team_id, item_id, closed=author.closed)
            one_id, second_id = sorted((item_id, other_id), key=lambda each: each.int)
            pair = (ContradictionRow.one_id == one_id, ContradictionRow.other_id == second_id)
            row = (await connection.execute(select(ContradictionRow.__table__).where(*pair))).one_or_none()
            stored = _stored(decision, is_one=item_id == one_id)
            if row is None:
                raise Conflict(f"Items {item_id} and {other_id} don't contradict each other: `contradicts` of one names those that do.")
            if row.decision == stored:
                return
            if row.decision is not None:
                raise Conflict("Somebody decided otherwise between these two: see the history. Restore the replaced one, or judge one.")
            by = {"decided_by": author.developer_id, "by_admin": author.developer_id is None}
            await connection.execute(update(ContradictionRow).where(*pair).values(decision=stored, decided_at=func.now(), **by))
            if decision == "this_holds":
                await replace_by_person(connection, other_id, item_id, cause="decided", author_id=author.developer_id)
            points = [ChangedPoint(each, item.project_id, item.team_id) for each in (item_id, other_id)]
            await record_changes(connection, points)


def _stored(decision: Decision, *, is_one: bool) -> str:
    if decision == "both_hold":
        return "both"
    return "one" if is_one else "other"
