"""Exports a developer's sessions as they are stored: redacted, one record after another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import select

from app import clock
from app.accounts.accounts import Accounts, LastingRequester
from app.accounts.views import DeveloperView
from app.queue.jobs import Queue
from app.sessions.event import Event
from app.sessions.intake import INGEST
from app.sessions.journal import SESSION_COLUMNS, Journal
from app.sessions.session import Session
from app.sessions.tables import SessionRow
from app.storage.database import Database

FORMAT: Final = 1
"""Raised when a record changes its meaning."""
PAGE: Final = 100
Record: TypeAlias = Mapping[str, Any]

_OF_THE_SERVER: Final = frozenset({"team_id", "project_id", "developer_id"})
_OF_THE_CLIENT: Final = frozenset({"provisional", "served"})
"""Fields that are not stored with the event."""


class SessionExport:
    """Reads everything that a developer's sessions hold."""

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
        last: UUID | None = None
        while page := await self._page(developer.id, last, (await reader.now()).closed):
            for session in page:
                sessions += 1
                yield await self._session(session)
                async for seq, event in self._journal.numbered(session.id):
                    events += 1
                    yield _event(session.id, seq, event)
            last = page[-1].id
        yield {"record": "end", "sessions": sessions, "events": events}

    async def _page(self, developer_id: UUID, last: UUID | None, closed: Collection[UUID]) -> Sequence[Session]:
        shown = (SessionRow.developer_id == developer_id, SessionRow.project_id.not_in(closed))
        query = select(*SESSION_COLUMNS).where(*shown).order_by(SessionRow.id).limit(PAGE)
        if last is not None:
            query = query.where(SessionRow.id > last)
        async with self._database.begin() as connection:
            return [Session(*row) for row in await connection.execute(query)]

    async def _session(self, session: Session) -> Record:
        names = await self._accounts.project_names(session.team_id, {session.project_id})
        fields = {name: value for name, value in asdict(session).items() if name not in _OF_THE_SERVER}
        return {"record": "session", "project": names.get(session.project_id), **fields}


def _event(session_id: UUID, seq: int, event: Event) -> Record:
    fields = {name: value for name, value in asdict(event).items() if name not in _OF_THE_CLIENT}
    return {"record": "event", "session_id": session_id, "seq": seq, **fields}
