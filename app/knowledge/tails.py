"""What long items say beyond what the model reads at once: 1536 dims for items that were stored before there were any.

New items get theirs when they are learnt. The work is repeatable, in small batches; another encoder's vectors are made anew.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from app.embeddings import LongForm
from app.knowledge.election import elect
from app.knowledge.neighbours import pack, wording
from app.knowledge.tables import Evidence, Knowledge
from app.storage.database import Database

BATCH = 256


class Tails:
    def __init__(self, database: Database, long_form: LongForm) -> None:
        self._database = database
        self._long_form = long_form

    async def fill(self) -> int:
        """Look at one batch of what this encoder has not seen. Returns how many were looked at: 0, nothing is left."""
        unseen = Evidence.long_embedding_model.is_distinct_from(self._long_form.model)
        columns = select(Evidence.id, Evidence.knowledge_id, Evidence.title, Evidence.text)
        async with self._database.begin() as connection:
            rows = (await connection.execute(columns.where(unseen).order_by(Evidence.id).limit(BATCH))).all()
        if not rows:
            return 0
        vectors = await self._long_form.embed([wording(row.title, row.text) for row in rows])
        looked_at = list(zip(rows, vectors, strict=True))
        async with self._database.begin() as connection:
            items = sorted({row.knowledge_id for row in rows})
            # Items before evidence: the order of whoever elects.
            await connection.execute(select(Knowledge.id).where(Knowledge.id.in_(items)).order_by(Knowledge.id).with_for_update())
            # Reworded meanwhile: those words were embedded when they were learnt.
            same = (Evidence.id == bindparam("row_id"), Evidence.title == bindparam("said_title"), Evidence.text == bindparam("said_text"))
            await connection.execute(
                update(Evidence).where(*same).values(long_embedding=bindparam("long"), long_embedding_model=self._long_form.model),
                [
                    {"row_id": row.id, "said_title": row.title, "said_text": row.text, "long": None if vector is None else pack(vector)}
                    for row, vector in looked_at
                ],
            )
            # Most are short: they need no election, and the index nothing new.
            await connection.execute(
                update(Knowledge)
                .where(Knowledge.id.in_(items), Knowledge.long_embedding.is_(None))
                .values(long_embedding_model=self._long_form.model)
            )
            await elect(connection, {row.knowledge_id for row, vector in looked_at if vector is not None})
        return len(rows)
