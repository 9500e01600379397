"""Counts an item's verdicts into its row, for search; tells whether a lead retired it.

The caller locks the item, and records the change (`changes.record_changes`).
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Uuid, any_, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.confirming import count_people
from app.knowledge.item import VERDICTS
from app.knowledge.tables import FeedbackRow, ItemRow, RevisionRow
from app.knowledge.weighing import should_hide
from app.storage.tables import AnyRow


async def count_verdicts(connection: AsyncConnection, item: AnyRow) -> None:
    """Recount the verdicts on an item's present text: verdicts given before its text was corrected don't count."""
    corrected = select(func.max(RevisionRow.at)).where(
        RevisionRow.knowledge_id == item.id, RevisionRow.action == "corrected", RevisionRow.text.is_not(None)
    )
    since = await connection.scalar(corrected)
    of_this_text = (FeedbackRow.knowledge_id == item.id, *([] if since is None else [FeedbackRow.at > since]))
    counted = dict.fromkeys(map(str, VERDICTS), 0)
    for verdict, people in await connection.execute(
        select(FeedbackRow.verdict, func.count()).where(*of_this_text).group_by(FeedbackRow.verdict)
    ):
        counted[verdict] = people
    author = FeedbackRow.by_admin if item.developer_id is None else FeedbackRow.developer_id == item.developer_id
    by_author = await connection.scalar(select(func.count()).where(*of_this_text, FeedbackRow.verdict == "wrong", author))
    hidden = should_hide(wrong=counted["wrong"], by_author=bool(by_author)) or await is_retired(connection, item.id)
    await connection.execute(update(ItemRow).where(ItemRow.id == item.id).values(**counted, hidden=hidden, updated_at=func.now()))
    await count_people(connection, [item.id])


async def is_retired(connection: AsyncConnection, item_id: UUID) -> bool:
    """Tell whether a lead retired an item, and nobody has brought it back since."""
    return item_id in await retired_among(connection, [item_id])


async def retired_among(connection: AsyncConnection, items: Collection[UUID]) -> set[UUID]:
    """Return those of these items that a lead retired, and nobody has brought back since."""
    acts = (RevisionRow.knowledge_id == any_(literal(list(items), ARRAY(Uuid))), RevisionRow.action.in_(("retired", "reinstated")))
    latest = select(func.max(RevisionRow.id)).where(*acts).group_by(RevisionRow.knowledge_id)
    retired = select(RevisionRow.knowledge_id).where(RevisionRow.id.in_(latest), RevisionRow.action == "retired")
    return set(await connection.scalars(retired))
