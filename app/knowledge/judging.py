"""Stores people's verdicts on items: helpful, wrong or stale, one a person and item. `weighing` says what they weigh. Knows no HTTP."""

from __future__ import annotations

from uuid import UUID, uuid4

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidInput
from app.knowledge.authoring import WriteAdmission
from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.edits import MAX_NOTE_CHARS, Author
from app.knowledge.item import VERDICTS
from app.knowledge.store import lock_item
from app.knowledge.tables import FeedbackRow
from app.knowledge.verdicts import count_verdicts
from app.redaction.labels import free_text
from app.storage.database import Database


class Judging:
    """Stores people's verdicts. `admission`: shared with `Authoring`."""

    def __init__(self, database: Database, *, admission: WriteAdmission) -> None:
        self._database = database
        self._admission = admission

    async def judge(self, author: Author, item_id: UUID, verdict: str, remark: str = "") -> None:
        """Store a person's verdict, replacing their earlier one. NotFound for another team's item; InvalidInput names the bad field.

        `wrong` hides the item once two people, or its author, say so; changing a verdict can show it again.
        """
        if verdict not in VERDICTS:
            raise InvalidInput(f"verdict: {verdict[:100]!r} is not known. Known: {', '.join(VERDICTS)}.", param="verdict")
        if len(remark) > MAX_NOTE_CHARS:
            raise InvalidInput(f"note is longer than {MAX_NOTE_CHARS:,} characters: shorten it.", param="note")
        if "\x00" in remark:
            raise InvalidInput("note contains a NUL character, which can't be stored: remove it.", param="note")
        values = {"id": uuid4(), "knowledge_id": item_id, "verdict": verdict, "note": free_text(remark).strip(), **author.columns}
        async with self._admission.admit(author), self._database.begin() as connection:
            row = await lock_item(connection, author.team_id, item_id, closed=author.closed)
            await _replace(connection, author, values)
            await count_verdicts(connection, row)
            await record_changes(connection, [ChangedPoint(item_id, row.project_id, row.team_id)])


async def _replace(connection: AsyncConnection, author: Author, values: dict[str, object]) -> None:
    row = upsert(FeedbackRow).values(values)
    person = {"index_elements": ["knowledge_id", "developer_id"], "index_where": ~FeedbackRow.by_admin}
    if author.developer_id is None:
        person = {"index_elements": ["knowledge_id"], "index_where": FeedbackRow.by_admin}
    replacement = {"verdict": row.excluded.verdict, "note": row.excluded.note, "at": func.now()}
    await connection.execute(row.on_conflict_do_update(**person, set_=replacement))  # type: ignore[arg-type]
