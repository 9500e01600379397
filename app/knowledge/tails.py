"""What long items say beyond what the model reads at once: 1536 dims for items that were stored before there were any.

New items get theirs when they are learnt. The work is repeatable, in small batches; another encoder's vectors are made anew.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.embeddings import LongForm
from app.knowledge.changes import Changed, note
from app.knowledge.election import elect
from app.knowledge.neighbours import pack, wording
from app.knowledge.tables import Evidence, Knowledge
from app.storage.database import Database
from app.storage.tables import AnyRow
from app.storage.vectors.store import Vector

BATCH = 256
SHORT_BATCH = 5_000
DONE_SECONDS = 86_400
"""Once nothing is left: only a worker of an older version makes more, and to look takes reading all evidence."""


class Tails:
    def __init__(self, database: Database, long_form: LongForm) -> None:
        self._database = database
        self._long_form = long_form
        self._due = 0.0
        self._unseen = Evidence.long_embedding_model.is_distinct_from(long_form.model)

    async def maintain(self) -> int:
        """Look at one batch, the short ones first. Returns how many are done; after 0, nothing is looked for until tomorrow."""
        if time.monotonic() < self._due:
            return 0
        done = await self.pass_short() or await self.fill()
        if not done:
            self._due = time.monotonic() + DONE_SECONDS
        return done

    async def fill(self) -> int:
        """Look at one batch of what this encoder has not seen. Returns how many are done: 0, nothing is left, or others hold it."""
        async with self._database.begin() as connection:
            columns = select(Evidence.id, Evidence.knowledge_id, Evidence.title, Evidence.text)
            rows = (await connection.execute(columns.where(self._unseen).order_by(Evidence.id).limit(BATCH))).all()
        if not rows:
            return 0
        vectors = await self._long_form.embed([wording(row.title, row.text) for row in rows])
        async with self._database.begin() as connection:
            return await self._store(connection, list(zip(rows, vectors, strict=True)))

    async def pass_short(self) -> int:
        """A batch of those that are surely short, before `fill`: most are, and a hundred thousand take seconds, not minutes.

        Returns as `fill` does; as there, what others change is left for the next time.
        """
        most = self._long_form.short_bytes - len(wording("", ""))
        short = func.octet_length(Evidence.title) + func.octet_length(Evidence.text) <= most
        items = select(Knowledge.id).where(
            Knowledge.id.in_(select(Evidence.knowledge_id).where(self._unseen, short).order_by(Evidence.id).limit(SHORT_BATCH))
        )
        async with self._database.begin() as connection:
            held = list(await connection.scalars(items.with_for_update(skip_locked=True)))
            free = select(Evidence.id).where(self._unseen, short, Evidence.knowledge_id == any_(literal(held, ARRAY(Uuid))))
            passed = await connection.execute(
                update(Evidence)
                .where(Evidence.id.in_(free.with_for_update(skip_locked=True)))
                .values(long_embedding=None, long_embedding_model=self._long_form.model)
            )
            await self._say_seen(connection, held)
        return passed.rowcount

    async def _store(self, connection: AsyncConnection, looked_at: Sequence[tuple[AnyRow, Vector | None]]) -> int:
        """What others change right now is left for the next time: it waits for nobody, so nobody can wait for it in turn."""
        items = select(Knowledge.id, Knowledge.project_id, Knowledge.team_id).where(
            Knowledge.id.in_({row.knowledge_id for row, _ in looked_at})
        )
        locked = await connection.execute(items.order_by(Knowledge.id).with_for_update(skip_locked=True))
        held = {row.id: Changed(row.id, row.project_id, row.team_id) for row in locked}
        evidence = select(Evidence.id).where(
            Evidence.id.in_([row.id for row, _ in looked_at]), Evidence.knowledge_id.in_(held), self._unseen
        )
        free = set(await connection.scalars(evidence.with_for_update(skip_locked=True)))
        found = [(row, vector) for row, vector in looked_at if row.id in free]
        if not found:
            return 0
        # Reworded meanwhile: those words were embedded when they were learnt.
        same = (Evidence.id == bindparam("row_id"), Evidence.title == bindparam("said_title"), Evidence.text == bindparam("said_text"))
        await connection.execute(
            update(Evidence).where(*same).values(long_embedding=bindparam("long"), long_embedding_model=self._long_form.model),
            [
                {"row_id": row.id, "said_title": row.title, "said_text": row.text, "long": None if vector is None else pack(vector)}
                for row, vector in found
            ],
        )
        await self._say_seen(connection, list(held))
        elected = await elect(connection, {row.knowledge_id for row, vector in found if vector is not None})
        await note(connection, [held[item] for item in elected.items])
        return len(found)

    async def _say_seen(self, connection: AsyncConnection, items: Sequence[UUID]) -> None:
        """Of those that say nothing beyond what the model reads: they need no election, and the index nothing new."""
        unseen = select(Evidence.knowledge_id).where(Evidence.knowledge_id == Knowledge.id, self._unseen)
        await connection.execute(
            update(Knowledge)
            .where(Knowledge.id == any_(literal(items, ARRAY(Uuid))), Knowledge.long_embedding.is_(None), ~unseen.exists())
            .values(long_embedding_model=self._long_form.model)
        )
