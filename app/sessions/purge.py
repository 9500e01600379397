"""The purge: the raw events, all that was derived from them, and what jobs tell, in one transaction. What has no other source is gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.requester import Requester
from app.errors import NotPermitted
from app.queue.forgetting import SUBJECTS, Told, forget
from app.queue.jobs import Queue
from app.sessions.journal import CATCH_UP, Journal, Session
from app.sessions.projections import Projections
from app.sessions.uploads import JOB_FIELD, UNNAMED, discard, forget_names, named
from app.storage.database import Database

UNTOLD: dict[str, object] = {"transcript": UNNAMED, "skipped": {}, "problems": []}
"""What stands in a job's result in place of what it told of its file."""
NOBODY = uuid4()


@dataclass(frozen=True, slots=True)
class Purged:
    """`removed`: by projection, how much of what it had derived is gone."""

    events: int
    removed: Mapping[str, int]


class Purge:
    def __init__(self, database: Database, journal: Journal, queue: Queue, projections: Projections) -> None:
        self._database = database
        self._journal = journal
        self._queue = queue
        self._projections = projections

    async def session(self, requester: Requester, session_id: UUID) -> Purged:
        """Delete a session and all that was derived only from it: one's own, an admin any. NotFound for another team's."""
        requester.check("write")
        team_id = requester.team_id
        session = await self._journal.get(team_id, session_id)
        if not requester.is_admin and session.developer_id != requester.developer_id:
            raise NotPermitted("Only the developer who ingested this session or an admin can delete it.")
        async with self._database.begin() as connection:
            # Held against projections (`Journal.hold`): what one has committed before is forgotten, what it would commit later is refused.
            session = await self._journal.hold_for_purge(connection, team_id, session_id)
            await _forget_file(connection, session)
            await self._queue.take_back(connection, kind=CATCH_UP, team_id=team_id, keys=[str(session_id)])
            removed = {each.name: await each.forget(connection, session) for each in self._projections}
            await self._journal.delete(connection, team_id, session_id)
        return Purged(events=session.event_count, removed=removed)


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
