"""Purges a session: its raw events, everything derived only from them, and its traces in jobs, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.requester import Requester
from app.errors import NotPermitted
from app.part import Part
from app.queue.forgetting import SUBJECTS, AffectedJob, forget
from app.queue.jobs import Queue
from app.sessions.journal import CATCH_UP, Journal
from app.sessions.projections import Projections
from app.sessions.session import Session
from app.sessions.uploads import JOB_FIELD, UNNAMED, discard_uploads, forget_names, uploads_named
from app.storage.database import Database

WITHHELD: dict[str, object] = {"transcript": UNNAMED, "skipped": {}, "unknown": {}, "problems": []}
"""Replacement for the fields of a job's result that describe its file."""
NOBODY = uuid4()


@dataclass(frozen=True, slots=True)
class Purged:
    """The result of a purge. `removed`: number of derived rows deleted, by projection or part."""

    events: int
    removed: Mapping[str, int]


class Purge:
    """Deletes sessions with everything derived only from them. `parts`: what each keeps beside projections goes too (`Part.forgets`)."""

    def __init__(self, database: Database, journal: Journal, queue: Queue, projections: Projections, *, parts: Sequence[Part] = ()) -> None:
        self._database = database
        self._journal = journal
        self._queue = queue
        self._projections = projections
        self._parts = parts

    async def delete_session(self, requester: Requester, session_id: UUID) -> Purged:
        """Delete a session and everything derived only from it.

        NotFound: another team's, or of a project that is closed to the requester. NotPermitted: another developer's.
        """
        requester.check("write")
        team_id = requester.team_id
        session = await self._journal.get(team_id, session_id, closed=requester.closed)
        if not requester.may_change(session.developer_id):
            raise NotPermitted("Only the developer who ingested this session, a lead or an admin can delete it: ask one of them.")
        return await self.erase(team_id, session_id)

    async def erase(self, team_id: UUID, session_id: UUID) -> Purged:
        """Delete a session and everything derived only from it, whoever's it is. NotFound: another team's, or gone."""
        async with self._database.begin() as connection:
            # Projections lock it too (`Journal.lock_against_deletion`): one that committed before is deleted, a later one gets NotFound.
            session = await self._journal.lock_for_purge(connection, team_id, session_id)
            await _forget_file(connection, session)
            await self._queue.cancel_waiting(connection, kind=CATCH_UP, team_id=team_id, keys=[str(session_id)])
            removed = {each.name: await each.forget(connection, session) for each in self._projections}
            for part in self._parts:
                removed |= {each.name: await each.forget(connection, session) for each in part.forgets}
            await self._journal.delete(connection, team_id, session_id)
        return Purged(events=session.event_count, removed=removed)


async def forget_in_jobs(
    connection: AsyncConnection,
    team_id: UUID,
    session_id: UUID,
    *,
    name: str | None = None,
    uploads: Collection[UUID] = (),
) -> list[AffectedJob]:
    """Remove a session and its file's name from jobs; numbers stay."""
    also = (JOB_FIELD, [str(each) for each in uploads])
    return await forget(connection, team_id, subject=session_id, listed="sessions", blank=WITHHELD, name=name, also=also)


async def _forget_file(connection: AsyncConnection, session: Session) -> None:
    """Remove the file's name from jobs and uploads; delete a dead job's upload, and let waiting ones be read without the name.

    Other waiting files of the same name lose it too (a tool may use one name in every project); their content is kept.
    """
    name = None if session.transcript == UNNAMED else session.transcript
    waiting = {} if name is None else await uploads_named(connection, session.team_id, name)
    told = await forget_in_jobs(connection, session.team_id, session.id, name=name, uploads=waiting)
    linked = {UUID(each.payload[JOB_FIELD]): each for each in told if JOB_FIELD in each.payload}
    # An upload linked only by its name may belong to another session: discard it only if it is the same developer's.
    dead = {
        upload_id
        for upload_id, each in linked.items()
        if each.dead and (str(session.id) in each.payload.get(SUBJECTS, ()) or waiting.get(upload_id, NOBODY) == session.developer_id)
    }
    await discard_uploads(connection, dead)
    await forget_names(connection, (waiting.keys() | linked.keys()) - dead)
