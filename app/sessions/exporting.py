"""Exports sessions as they are stored: redacted, one record after another; a developer's, or a team's."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, select

from app import clock
from app.accounts.accounts import Accounts, LastingRequester
from app.accounts.requester import Permission
from app.accounts.views import DeveloperView
from app.queue.jobs import Queue
from app.sessions.event import Event
from app.sessions.intake import INGEST
from app.sessions.journal import SESSION_COLUMNS, Journal
from app.sessions.session import Session
from app.sessions.tables import SessionRow
from app.storage.database import Database, rows_of

FORMAT: Final = 1
"""Raised when a record changes its meaning."""
PAGE: Final = 100
Record: TypeAlias = Mapping[str, Any]

_OF_THE_SERVER: Final = frozenset({"team_id", "project_id", "developer_id"})
_OF_THE_CLIENT: Final = frozenset({"provisional", "served"})
"""Fields that are not stored with the event."""


class SessionExport:
    """Reads everything that sessions hold."""

    def __init__(self, database: Database, accounts: Accounts, queue: Queue, journal: Journal) -> None:
        self._database = database
        self._queue = queue
        self._accounts = accounts
        self._journal = journal

    async def records(self, developer: DeveloperView, reader: LastingRequester) -> AsyncGenerator[Record]:
        """Yield the developer, then each session and after it its events in order, and at last the end with their numbers.

        The first record's `waiting`: transcripts that were accepted and are not read yet; what is in them may be missing.
        Sessions of projects that are closed to the reader are left out, also where they sent them themselves.
        An export without the end is cut off. No transaction lasts longer than a page.
        """
        yield {
            "record": "developer",
            "format": FORMAT,
            "developer": developer.name,
            "team": developer.team,
            "exported_at": clock.now(),
            "waiting": await self._queue.count_of(kind=INGEST, developer_id=developer.id),  # before any session is read
        }
        sessions = events = 0
        async for page in self._pages(SessionRow.developer_id == developer.id, reader):
            for session in page:
                sessions += 1
                yield {"record": "session", **await self._session(session)}
                async for seq, event in self._journal.numbered(session.id):
                    await reader.now()
                    events += 1
                    yield {"record": "event", **_event(session.id, seq, event)}
        yield {"record": "end", "sessions": sessions, "events": events}

    async def team_records(
        self, reader: LastingRequester, *, said_by: Collection[UUID | None], needs: Permission
    ) -> AsyncGenerator[Record]:
        """Yield each session of the reader's team that is open to them, and after it, where one of `said_by` sent it, its events in order.

        None in `said_by`: the admin key, or somebody who is gone. NotPermitted, and the export is cut off, once the reader's role lacks
        `needs`.
        """
        team_id = (await reader.now()).team_id
        async for page in self._pages(SessionRow.team_id == team_id, reader):
            (await reader.now()).check(needs)
            senders = await self._accounts.names({each.developer_id for each in page if each.developer_id is not None})
            for session in page:
                sender = None if session.developer_id is None else senders.get(session.developer_id)
                yield {"kind": "session", **await self._session(session), "developer": sender}
                if session.developer_id in said_by:
                    async for seq, event in self._journal.numbered(session.id):
                        fields = _event(session.id, seq, event)
                        yield {**fields, "kind": "event", "event_kind": fields["kind"]}

    async def developers_of(self, team_id: UUID) -> Collection[UUID]:
        """Return the developers who sent sessions of the team."""
        query = select(SessionRow.developer_id).where(SessionRow.team_id == team_id, SessionRow.developer_id.is_not(None)).distinct()
        return [row.developer_id for row in await self._database.read(rows_of(query))]

    async def _pages(self, whose: ColumnElement[bool], reader: LastingRequester) -> AsyncIterator[Sequence[Session]]:
        last: UUID | None = None
        while page := await self._page(whose, last, (await reader.now()).closed):
            yield page
            last = page[-1].id

    async def _page(self, whose: ColumnElement[bool], last: UUID | None, closed: Collection[UUID]) -> Sequence[Session]:
        query = select(*SESSION_COLUMNS).where(whose, SessionRow.project_id.not_in(closed)).order_by(SessionRow.id).limit(PAGE)
        if last is not None:
            query = query.where(SessionRow.id > last)
        async with self._database.begin() as connection:
            return [Session(*row) for row in await connection.execute(query)]

    async def _session(self, session: Session) -> Record:
        names = await self._accounts.project_names(session.team_id, {session.project_id})
        fields = {name: value for name, value in asdict(session).items() if name not in _OF_THE_SERVER}
        return {"project": names.get(session.project_id), **fields}


def _event(session_id: UUID, seq: int, event: Event) -> Record:
    fields = {name: value for name, value in asdict(event).items() if name not in _OF_THE_CLIENT}
    return {"session_id": session_id, "seq": seq, **fields}
