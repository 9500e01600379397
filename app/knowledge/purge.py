"""The purge: from the raw events to the knowledge, the index and what jobs tell, in one transaction. What has no other source is gone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotPermitted
from app.knowledge.changes import Changed, note
from app.knowledge.store import KnowledgeStore
from app.queue.forgetting import SUBJECTS, Told, forget
from app.sessions.journal import Journal, Session
from app.sessions.uploads import JOB_FIELD, UNNAMED, discard, forget_names, named
from app.storage.database import Database

UNTOLD: dict[str, object] = {"transcript": UNNAMED, "skipped": {}, "problems": []}
"""What stands in a job's result in place of what it told of its file."""
NOBODY = uuid4()


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
            await _forget_file(connection, session)
            await note(connection, [Changed(item, session.project_id, team_id) for item in withdrawn.items])
        return Purged(events=session.event_count, items_removed=withdrawn.removed)


async def forget_in_jobs(
    connection: AsyncConnection,
    team_id: UUID,
    session_id: UUID,
    *,
    name: str | None = None,
    uploads: Collection[UUID] = (),
) -> list[Told]:
    """Take a session, and its file's name, out of what jobs tell. Numbers stay."""
    also = (JOB_FIELD, [str(each) for each in uploads])
    return await forget(connection, team_id, subject=session_id, listed="sessions", blank=UNTOLD, name=name, also=also)


async def _forget_file(connection: AsyncConnection, session: Session) -> None:
    """The file's name leaves jobs and uploads; what a dead job left of it goes whole, what waits is read without it.

    Another file of the same name (a tool's history has the same in every project) loses it too, while it waits: no more than that.
    """
    name = None if session.transcript == UNNAMED else session.transcript
    waiting = {} if name is None else await named(connection, session.team_id, name)
    told = await forget_in_jobs(connection, session.team_id, session.id, name=name, uploads=waiting)
    linked = {UUID(each.payload[JOB_FIELD]): each for each in told if JOB_FIELD in each.payload}
    # Of the same name only, it may be another session: so only its own developer's is thrown away.
    dead = {
        upload_id
        for upload_id, each in linked.items()
        if each.dead and (str(session.id) in each.payload.get(SUBJECTS, ()) or waiting.get(upload_id, NOBODY) == session.developer_id)
    }
    await discard(connection, dead)
    await forget_names(connection, (waiting.keys() | linked.keys()) - dead)
