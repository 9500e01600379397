"""Lets a person decide between two items that contradict each other, and take that back. Knows no HTTP."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict
from app.knowledge.authoring import WriteAdmission
from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.contradiction_rows import are_open, reopen
from app.knowledge.edits import Author
from app.knowledge.item import Decision
from app.knowledge.relation_tables import ContradictionRow, SupersessionRow
from app.knowledge.store import lock_item
from app.knowledge.supersession_rows import replace_by_person, undo_links
from app.storage.database import Database
from app.storage.tables import AnyRow

_Stored = Literal["one", "other", "both"]


class Deciding:
    """Stores people's decisions. `admission`: shared with `Authoring`."""

    def __init__(self, database: Database, *, admission: WriteAdmission) -> None:
        self._database = database
        self._admission = admission

    async def decide(self, author: Author, item_id: UUID, other_id: UUID, decision: Decision) -> None:
        """Decide that an item holds, so that the other is replaced by it, or that both hold; or take back what was decided.

        A decided pair isn't shown again; one that is undecided is. The same decision again changes nothing. Conflict if the two don't
        contradict each other, it was decided otherwise, or one of them is hidden or replaced.
        """
        async with self._admission.admit(author), self._database.begin() as connection:
            item = await lock_item(connection, author.team_id, item_id, closed=author.closed)
            pair = await _pair(connection, item_id, other_id)
            wanted = _stored(decision, is_one=item_id == pair.one_id)
            if pair.decision == wanted:
                return
            if wanted is None:
                await _take_back(connection, author, pair)
            else:
                await _check_can_decide(connection, pair)
                await _store(connection, author, pair, wanted)
            points = [ChangedPoint(each, item.project_id, item.team_id) for each in (item_id, other_id)]
            await record_changes(connection, points)


async def _pair(connection: AsyncConnection, item_id: UUID, other_id: UUID) -> AnyRow:
    one_id, second_id = sorted((item_id, other_id))
    query = select(ContradictionRow.__table__).where(ContradictionRow.one_id == one_id, ContradictionRow.other_id == second_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise Conflict(f"Items {item_id} and {other_id} don't contradict each other: `contradicts` of one names those that do.")
    return row


async def _check_can_decide(connection: AsyncConnection, pair: AnyRow) -> None:
    if pair.decision is not None:
        raise Conflict("Somebody decided otherwise between these two: see the history. To decide anew, first send `undecided` (`--undo`).")
    if not await are_open(connection, pair.one_id, pair.other_id):
        raise Conflict("One of the two is hidden or replaced by now, so there is nothing to decide: read both, or restore that one first.")


async def _store(connection: AsyncConnection, author: Author, pair: AnyRow, wanted: _Stored) -> None:
    by = {"decided_by": author.developer_id, "by_admin": author.developer_id is None}
    of_pair = (ContradictionRow.one_id == pair.one_id, ContradictionRow.other_id == pair.other_id)
    await connection.execute(update(ContradictionRow).where(*of_pair).values(decision=wanted, decided_at=func.now(), **by))
    if wanted != "both":
        replaced, holds = (pair.other_id, pair.one_id) if wanted == "one" else (pair.one_id, pair.other_id)
        await replace_by_person(connection, replaced, holds, cause="decided", author_id=author.developer_id)


async def _take_back(connection: AsyncConnection, author: Author, pair: AnyRow) -> None:
    either = tuple_(SupersessionRow.older_id, SupersessionRow.newer_id).in_([(pair.one_id, pair.other_id), (pair.other_id, pair.one_id)])
    await undo_links(connection, either, SupersessionRow.cause == "decided", author_id=author.developer_id)
    await reopen(connection, [(pair.one_id, pair.other_id)], decided=(pair.decision,))


def _stored(decision: Decision, *, is_one: bool) -> _Stored | None:
    match decision:
        case "this_holds":
            return "one" if is_one else "other"
        case "both_hold":
            return "both"
        case "undecided":
            return None
