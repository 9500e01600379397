"""Notes what each session was given, so that it isn't given the same twice while its model has it, and so that its use is noticed."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Literal
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from app import clock
from app.assist.tables import ServedKnowledgeRow
from app.sessions.journal import Journal
from app.storage.database import Database

Way = Literal["prompt", "session-start", "nudge"]


class ServedKnowledge:
    """The record of what registered sessions were given, by their registration's id."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    async def ids(self, origin_id: UUID) -> set[UUID]:
        """Return the ids of what a session was given."""
        async with self._database.begin() as connection:
            return set(await connection.scalars(_given(origin_id)))

    async def forget(self, origin_id: UUID) -> None:
        """Forget what a session was given: it may be given that again."""
        async with self._database.begin() as connection:
            await connection.execute(delete(ServedKnowledgeRow).where(ServedKnowledgeRow.hook_session_id == origin_id))

    async def record(self, origin_id: UUID, ids: Collection[UUID], way: Way, *, session_id: UUID | None = None) -> None:
        """Note what a session is given now and, in its journal, all that it was given; nothing of one that was purged meanwhile."""
        rows = [{"hook_session_id": origin_id, "knowledge_id": each, "way": way, "at": clock.now()} for each in dict.fromkeys(ids)]
        if not rows and session_id is None:
            return
        with suppress(IntegrityError):
            async with self._database.begin() as connection:
                if rows:
                    await connection.execute(upsert(ServedKnowledgeRow).on_conflict_do_nothing(), rows)
                if session_id is not None:
                    await self._journal.record_served(connection, session_id, set(await connection.scalars(_given(origin_id))))


def _given(origin_id: UUID) -> Select[UUID]:
    return select(ServedKnowledgeRow.knowledge_id).where(ServedKnowledgeRow.hook_session_id == origin_id)
