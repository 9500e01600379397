"""Notes what each session was given, so that it isn't given the same twice while its model has it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from app import clock
from app.assist.tables import ServedKnowledgeRow
from app.storage.database import Database

Way = Literal["prompt", "session-start"]


class ServedKnowledge:
    """The record of what registered sessions were given, by their registration's id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ids(self, origin_id: UUID) -> set[UUID]:
        """Return the ids of what a session was given."""
        query = select(ServedKnowledgeRow.knowledge_id).where(ServedKnowledgeRow.hook_session_id == origin_id)
        async with self._database.begin() as connection:
            return set(await connection.scalars(query))

    async def forget(self, origin_id: UUID) -> None:
        """Forget what a session was given: it may be given that again."""
        async with self._database.begin() as connection:
            await connection.execute(delete(ServedKnowledgeRow).where(ServedKnowledgeRow.hook_session_id == origin_id))

    async def note(self, origin_id: UUID, ids: Collection[UUID], way: Way) -> None:
        """Note what a session is given now; nothing of one that was purged meanwhile."""
        rows = [{"hook_session_id": origin_id, "knowledge_id": each, "way": way, "at": clock.now()} for each in dict.fromkeys(ids)]
        if not rows:
            return
        with suppress(IntegrityError):
            async with self._database.begin() as connection:
                await connection.execute(upsert(ServedKnowledgeRow).on_conflict_do_nothing(), rows)
