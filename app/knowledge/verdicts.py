"""Counts an item's verdicts into its row, for search. The caller holds the item and notes the change (`changes.note`)."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.tables import Feedback, Knowledge, Revision
from app.knowledge.weighing import VERDICTS, hides
from app.storage.tables import AnyRow


async def count_verdicts(connection: AsyncConnection, item: AnyRow) -> None:
    """Recount the verdicts on an item's present text: verdicts given before its text was corrected don't count."""
    corrected = select(func.max(Revision.at)).where(
        Revision.knowledge_id == item.id, Revision.action == "corrected", Revision.text.is_not(None)
    )
    since = await connection.scalar(corrected)
    of_this_text = (Feedback.knowledge_id == item.id, *([] if since is None else [Feedback.at > since]))
    counted = dict.fromkeys(map(str, VERDICTS), 0)
    for verdict, people in await connection.execute(select(Feedback.verdict, func.count()).where(*of_this_text).group_by(Feedback.verdict)):
        counted[verdict] = people
    author = Feedback.by_admin if item.developer_id is None else Feedback.developer_id == item.developer_id
    by_author = await connection.scalar(select(func.count()).where(*of_this_text, Feedback.verdict == "wrong", author))
    hidden = hides(wrong=counted["wrong"], by_author=bool(by_author))
    await connection.execute(update(Knowledge).where(Knowledge.id == item.id).values(**counted, hidden=hidden, updated_at=func.now()))
