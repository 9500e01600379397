"""The purge: from the raw events to the knowledge and the index, in one transaction. What has no other source is gone."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from app.errors import NotPermitted
from app.knowledge.changes import Changed, note
from app.knowledge.store import KnowledgeStore
from app.sessions.journal import Journal
from app.storage.database import Database


@dataclass(frozen=True, slots=True)
class Purged:
    events: int
    items_removed: int


class Purge:
    def __init__(self, database: Database, journal: Journal, store: KnowledgeStore) -> None:
        self._database = database
        self._journal = journal
        self._store = store

    async def session(self, team_id: UUID, session_id: UUID, *, developer_id: UUID | None) -> Purged:
        """Delete a session and all that was learnt only from it. `developer_id`: who asks (None: an admin).

        Items that other sessions taught too stay, in those sessions' words. NotFound for another team's session.
        """
        session = await self._journal.get(team_id, session_id)
        if developer_id is not None and session.developer_id != developer_id:
            raise NotPermitted("Only the developer who ingested this session or an admin can delete it.")
        async with self._database.begin() as connection:
            # The lock that learning holds (`KnowledgeStore.reconcile`): nothing is learnt from the session meanwhile.
            await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(session.project_id), 0))))
            withdrawn = await self._store.withdraw_session(connection, session_id)
            await self._journal.delete(connection, team_id, session_id)
            await note(connection, [Changed(item, session.project_id, team_id) for item in withdrawn.items])
        return Purged(events=session.event_count, items_removed=withdrawn.removed)
