"""Backfill of long-form vectors (1536 dims) for long items that were stored before the encoder was installed, or by another one.

New items get theirs when they are learnt. Works in small batches and can be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.embeddings import LongForm
from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.merging import rederive
from app.knowledge.neighbours import item_text, pack
from app.knowledge.tables import EvidenceRow, ItemRow
from app.storage.database import Database
from app.storage.tables import AnyRow
from app.storage.vectors.store import Vector

BATCH = 256
"""Rows of evidence embedded at once."""
SHORT_BATCH = 5_000
"""Items marked at once that need no embedding."""
DONE_SECONDS = 86_400
"""Once nothing is left: only a worker of an older version makes more, and to look takes reading all evidence."""


class LongFormBackfill:
    """Embeds one batch of evidence at a time; see the module's docstring."""

    def __init__(self, database: Database, long_form: LongForm) -> None:
        self._database = database
        self._long_form = long_form
        self._due = 0.0
        self._unprocessed = EvidenceRow.long_embedding_model.is_distinct_from(long_form.model)

    async def maintain(self) -> int:
        """Look at one batch, the short ones first. Returns how many are done; after 0, nothing is looked for until tomorrow."""
        if time.monotonic() < self._due:
            return 0
        done = await self.mark_short() or await self.fill()
        if not done:
            self._due = time.monotonic() + DONE_SECONDS
        return done

    async def fill(self) -> int:
        """Embed one batch of evidence that is new to this encoder. Returns its size; 0: none is left, or other writers hold the rest."""
        async with self._database.begin() as connection:
            columns = select(EvidenceRow.id, EvidenceRow.knowledge_id, EvidenceRow.title, EvidenceRow.text)
            rows = (await connection.execute(columns.where(self._unprocessed).order_by(EvidenceRow.id).limit(BATCH))).all()
        if not rows:
            return 0
        vectors = await self._long_form.embed([item_text(row.title, row.text) for row in rows])
        async with self._database.begin() as connection:
            return await self._store(connection, list(zip(rows, vectors, strict=True)))

    async def mark_short(self) -> int:
        """Mark a batch of evidence too short to need long vectors, before `fill`: seconds, not minutes, for a hundred thousand.

        Returns the number of rows; rows that others are changing are left for the next call.
        """
        most = self._long_form.short_bytes - len(item_text("", ""))
        short = func.octet_length(EvidenceRow.title) + func.octet_length(EvidenceRow.text) <= most
        items = select(ItemRow.id).where(
            ItemRow.id.in_(select(EvidenceRow.knowledge_id).where(self._unprocessed, short).order_by(EvidenceRow.id).limit(SHORT_BATCH))
        )
        async with self._database.begin() as connection:
            locked = list(await connection.scalars(items.with_for_update(skip_locked=True)))
            free = select(EvidenceRow.id).where(self._unprocessed, short, EvidenceRow.knowledge_id == any_(literal(locked, ARRAY(Uuid))))
            marked = await connection.execute(
                update(EvidenceRow)
                .where(EvidenceRow.id.in_(free.with_for_update(skip_locked=True)))
                .values(long_embedding=None, long_embedding_model=self._long_form.model)
            )
            await self._mark_processed(connection, locked)
        return marked.rowcount

    async def _store(self, connection: AsyncConnection, looked_at: Sequence[tuple[AnyRow, Vector | None]]) -> int:
        """Store the vectors, skipping rows that others have locked: this transaction never waits, so it can't be part of a deadlock."""
        items = select(ItemRow.id, ItemRow.project_id, ItemRow.team_id).where(ItemRow.id.in_({row.knowledge_id for row, _ in looked_at}))
        locked = await connection.execute(items.order_by(ItemRow.id).with_for_update(skip_locked=True))
        changes = {row.id: ChangedPoint(row.id, row.project_id, row.team_id) for row in locked}
        evidence = select(EvidenceRow.id).where(
            EvidenceRow.id.in_([row.id for row, _ in looked_at]), EvidenceRow.knowledge_id.in_(changes), self._unprocessed
        )
        free = set(await connection.scalars(evidence.with_for_update(skip_locked=True)))
        found = [(row, vector) for row, vector in looked_at if row.id in free]
        if not found:
            return 0
        # Rows that were reworded meanwhile don't match: their new words were embedded when they were stored.
        same = (
            EvidenceRow.id == bindparam("row_id"),
            EvidenceRow.title == bindparam("said_title"),
            EvidenceRow.text == bindparam("said_text"),
        )
        await connection.execute(
            update(EvidenceRow).where(*same).values(long_embedding=bindparam("long"), long_embedding_model=self._long_form.model),
            [
                {"row_id": row.id, "said_title": row.title, "said_text": row.text, "long": None if vector is None else pack(vector)}
                for row, vector in found
            ],
        )
        await self._mark_processed(connection, list(changes))
        elected = await rederive(connection, {row.knowledge_id for row, vector in found if vector is not None})
        await record_changes(connection, [changes[item] for item in elected.items])
        return len(found)

    async def _mark_processed(self, connection: AsyncConnection, items: Sequence[UUID]) -> None:
        """Mark items that have no long vector and no unprocessed evidence as processed: they need no election, and the index no update."""
        unseen = select(EvidenceRow.knowledge_id).where(EvidenceRow.knowledge_id == ItemRow.id, self._unprocessed)
        await connection.execute(
            update(ItemRow)
            .where(ItemRow.id == any_(literal(items, ARRAY(Uuid))), ItemRow.long_embedding.is_(None), ~unseen.exists())
            .values(long_embedding_model=self._long_form.model)
        )
