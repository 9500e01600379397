"""The append-only journal of events. `append` itself redacts, so nothing is stored unredacted. Knows no transcript format."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import cachebox
from sqlalchemy import ColumnElement, Uuid, and_, any_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app import clock
from app.errors import NotFound
from app.queue.jobs import LIVE, NORMAL, KeyedJob, Queue
from app.redaction.stored_fields import stored_id, stored_name, stored_url
from app.sessions import event_places, served_ids
from app.sessions.append import Appended, EventBatch, append
from app.sessions.event import Event, SessionHeader
from app.sessions.event_rows import event_of, page_query
from app.sessions.redacted import Storable, size, storable
from app.sessions.session import FACTS, CitedSession, Session
from app.sessions.tables import PurgedSessionRow, SessionRow
from app.settings import SessionsSettings
from app.storage.database import Database, rows_of

CATCH_UP = "catch_up"
"""Kind of the jobs that bring a session's projections up to date; the payload has its `session_id`."""
LIVE_AFTER = timedelta(seconds=1)
"""Debounce: a live session is projected this long after an event, together with what arrives meanwhile."""
BULK_AFTER = timedelta(minutes=10)
"""Delay of the catch-up job behind an upload. The upload's job projects and deletes it; it runs only if that job dies."""
LIVE_NAME = "live:"
"""Prefix of what stands for the file's name of a session whose events come one by one."""
CITED_SESSIONS, CITED_SECONDS = 4096, 30.0
"""Size and TTL of the cache of cited sessions. Purges needn't invalidate it: what cites a session goes with it."""
WRITTEN_PAGE, READ_PAGE, MAX_SEQ = 500, 256, 2**31 - 1
"""Events per statement, bounded for memory; asyncpg sends rows singly, so no parameter limit applies."""
INLINE_CHARS = 64_000
"""Batches with more text are redacted in a thread; below this, the hop costs more than the work."""
DELETED = (
    "Session {} was deleted in the meantime, and nothing of it is stored. Ingest its transcript again only if the deletion was a mistake."
)
"""Says what a purge did, without advice that would undo it."""


class Journal:
    """The append-only store of sessions and their events."""

    record_served, read_served = staticmethod(served_ids.record_served), staticmethod(served_ids.read_served)
    served_at_most = staticmethod(served_ids.served_at_most)
    seq_of = staticmethod(event_places.seq_of)

    def __init__(self, database: Database, limits: SessionsSettings, queue: Queue) -> None:
        self._database = database
        self._limits = limits
        self._queue = queue
        self._cited: cachebox.TTLCache[tuple[UUID, UUID], CitedSession] = cachebox.TTLCache(CITED_SESSIONS, CITED_SECONDS)

    async def open(
        self,
        connection: AsyncConnection,
        *,
        team_id: UUID,
        project_id: UUID,
        developer_id: UUID | None,
        header: SessionHeader,
        transcript: str,
        file_dated_at: datetime | None = None,
    ) -> UUID:
        """Get or create the session of (team, provider, external id); return its id. Later headers fill gaps; the first project stays.

        A title that somebody chose replaces a derived one, and a file's name that of a live session.
        """
        row = upsert(SessionRow).values(
            team_id=team_id,
            project_id=project_id,
            developer_id=developer_id,
            transcript=stored_name(transcript),
            file_dated_at=file_dated_at,
            **_header_values(header),
        )
        titles = (row.excluded.title, SessionRow.title) if header.title_given else (SessionRow.title, row.excluded.title)
        filled = row.on_conflict_do_update(
            index_elements=["team_id", "provider", "external_id"],
            set_={
                "title": func.coalesce(*titles),
                "transcript": case((_live(SessionRow.transcript), row.excluded.transcript), else_=SessionRow.transcript),
                "file_dated_at": func.least(SessionRow.file_dated_at, row.excluded.file_dated_at),
                **{name: func.coalesce(getattr(SessionRow, name), row.excluded[name]) for name in FACTS},
                "started_at": func.least(SessionRow.started_at, row.excluded.started_at),
            },
        )
        return (await connection.execute(filled.returning(SessionRow.id))).scalar_one()

    async def may_add(self, connection: AsyncConnection, session_id: UUID, developer_id: UUID | None) -> bool:
        """Tell whether the developer may add to the session: it is theirs or nobody's. None: the admin key, which always may."""
        theirs = or_(SessionRow.developer_id.is_(None), SessionRow.developer_id == developer_id)
        query = select(SessionRow.id).where(SessionRow.id == session_id, theirs)
        return developer_id is None or await connection.scalar(query) is not None

    async def project_of(self, connection: AsyncConnection, session_id: UUID) -> UUID | None:
        """Return the project of a session, as the caller's transaction sees it. None: the session is gone."""
        found: UUID | None = await connection.scalar(select(SessionRow.project_id).where(SessionRow.id == session_id))
        return found

    async def belongs_to_another(self, team_id: UUID, header: SessionHeader, developer_id: UUID | None) -> bool:
        """Tell whether the session of this header is in the journal as another developer's. None: the admin key, to which all are open."""
        provider, external_id = _identity(header)
        same = and_(SessionRow.team_id == team_id, SessionRow.provider == provider, SessionRow.external_id == external_id)
        query = select(SessionRow.id).where(same, SessionRow.developer_id != developer_id)
        async with self._database.begin() as connection:
            return developer_id is not None and await connection.scalar(query) is not None

    async def storable(self, events: Sequence[Event]) -> list[Storable]:
        """Redact and cut the events, each id once; in a thread if the text is long."""
        if size(events) <= INLINE_CHARS:
            return storable(events, max_chars=self._limits.max_text_chars)
        return await asyncio.to_thread(storable, events, max_chars=self._limits.max_text_chars)

    async def append(self, session_id: UUID, events: Sequence[Event], *, from_file: bool = True) -> Appended:
        """Redact and append new events, in pages committed one by one, each with the job that projects it.

        A known event id changes nothing, except that a tool call without a result receives it. Concurrent appends to one session are
        serialised. Raises NotFound if the session is gone.
        """
        rows = await self.storable(events)
        appended = await self.append_rows(session_id, rows, from_file=from_file)
        appended.known += len(events) - len(rows)
        return appended

    async def append_rows(self, session_id: UUID, rows: Sequence[Storable], *, from_file: bool) -> Appended:
        """Append rows that `storable` made; otherwise as `append`."""
        total = Appended()
        for start in range(0, len(rows), WRITTEN_PAGE):
            async with self._database.begin() as connection:
                page = EventBatch(session_id, rows[start : start + WRITTEN_PAGE], from_file=from_file)
                (written,) = await self.write(connection, [page], wait=True, after=BULK_AFTER if from_file else LIVE_AFTER)
            if written is None:
                raise NotFound(DELETED.format(session_id))
            total.new += written.new
            total.updated += written.updated
            total.known += written.known
            total.redactions.update(written.redactions)
        return total

    async def write(
        self, connection: AsyncConnection, additions: Sequence[EventBatch], *, wait: bool, after: timedelta
    ) -> list[Appended | None]:
        """Append as `append.append` and enqueue the catch-up jobs of the changed sessions, both in the caller's transaction.

        At most one such job waits per session; its earliest time counts.
        """
        answers, changed = await append(connection, additions, wait=wait)
        jobs = [KeyedJob(str(each.session_id), {"session_id": str(each.session_id)}, each.team_id, each.developer_id) for each in changed]
        priority = LIVE if after == LIVE_AFTER else NORMAL
        await self._queue.enqueue_once(connection, kind=CATCH_UP, wanted=jobs, run_at=clock.now() + after, priority=priority)
        return answers

    async def events(self, session_id: UUID, *, after: int = 0, max_output_chars: int | None = None) -> AsyncIterator[Event]:
        """Yield the events of a session in order, page by page. `max_output_chars`: keep only the end of a tool's output."""
        async for _, event in self.numbered(session_id, after=after, max_output_chars=max_output_chars):
            yield event

    async def numbered(
        self, session_id: UUID, *, after: int = 0, until: int | None = None, max_output_chars: int | None = None
    ) -> AsyncIterator[tuple[int, Event]]:
        """Yield (seq, event) for each seq above `after`, up to `until`; otherwise as `events`."""
        query = page_query(cut=max_output_chars is not None)
        values = {"session": session_id, "until": MAX_SEQ if until is None else until, "chars": max_output_chars, "rows": READ_PAGE}
        last, rows = after, None
        while rows is None or len(rows) == READ_PAGE:
            async with self._database.begin() as connection:
                rows = (await connection.execute(query, values | {"after": last})).all()
            for row in rows:
                yield row.seq, event_of(row)
                last = row.seq

    async def get(self, team_id: UUID, session_id: UUID, *, closed: Collection[UUID] = ()) -> Session:
        """Return a session. Raises NotFound for an unknown one, another team's, and one of the projects `closed`."""
        query = select(*SESSION_COLUMNS).where(SessionRow.id == session_id, SessionRow.team_id == team_id)

        async def read(connection: AsyncConnection) -> Session:
            row = (await connection.execute(query)).one_or_none()
            if row is None or row.project_id in closed:  # raised inside `read`, so that a row the replica lacks is looked up at the primary
                raise NotFound(f"There is no session {session_id}. List them: GET /v1/sessions or `cairn sessions list`.")
            return Session(*row)

        return await self._database.read(read)

    async def cited(self, team_id: UUID, session_ids: Collection[UUID]) -> dict[UUID, CitedSession]:
        """Return the team's sessions among these ids, by id; cached for CITED_SECONDS."""
        found = {session: known for session in session_ids if (known := self._cited.get((team_id, session))) is not None}
        if missing := [session for session in session_ids if session not in found]:
            for row in await self._database.read(rows_of(_CITED, {"team": team_id, "ids": missing})):
                found[row.id] = self._cited[team_id, row.id] = CitedSession(*row)
        return found

    async def resolve(self, team_id: UUID, name: str) -> UUID | None:
        """Return the id of a session named by our id, or by a live session's external id; None if new. NotFound: another team's."""
        ours = _uuid(name)
        live = and_(SessionRow.team_id == team_id, SessionRow.provider == "generic", SessionRow.external_id == stored_id(name))
        query = select(SessionRow.id, SessionRow.team_id).where(or_(SessionRow.id == ours, live) if ours else live)
        async with self._database.begin() as connection:
            found = {row.id: row.team_id for row in await connection.execute(query)}
        if ours in found and found[ours] != team_id:
            raise NotFound(f"There is no session {name}. List them: GET /v1/sessions or `cairn sessions list`.")
        return ours if ours in found else next(iter(found), None)

    async def move(self, connection: AsyncConnection, project_id: UUID, into: UUID) -> int:
        """Move a project's sessions to another, locked in the caller's transaction against projections. Returns their number."""
        held = select(SessionRow.id).where(SessionRow.project_id == project_id).order_by(SessionRow.id).with_for_update()
        ids = (await connection.scalars(held)).all()
        await connection.execute(update(SessionRow).where(SessionRow.project_id == project_id).values(project_id=into))
        return len(ids)

    async def lock_against_deletion(self, connection: AsyncConnection, session_id: UUID) -> UUID:
        """Lock a session against deletion and moves for the caller's transaction; appends continue. Returns its project.

        Raises NotFound if it is gone.
        """
        if (project_id := await connection.scalar(_HELD, {"session": session_id})) is None:
            raise NotFound(DELETED.format(session_id))
        return project_id

    async def lock_for_purge(self, connection: AsyncConnection, team_id: UUID, session_id: UUID) -> Session:
        """Lock a session exclusively for the caller's transaction. NotFound as for `get`."""
        query = select(*SESSION_COLUMNS).where(SessionRow.id == session_id, SessionRow.team_id == team_id).with_for_update()
        row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"There is no session {session_id}. List them: GET /v1/sessions or `cairn sessions list`.")
        return Session(*row)

    async def delete(self, connection: AsyncConnection, team_id: UUID, session_id: UUID) -> None:
        """Delete a session and its events in the caller's transaction, leaving a tombstone so that a waiting transcript can't revive it."""
        columns = (SessionRow.team_id, SessionRow.provider, SessionRow.external_id)
        ours = and_(SessionRow.id == session_id, SessionRow.team_id == team_id)
        gone = (await connection.execute(delete(SessionRow).where(ours).returning(*columns))).one_or_none()
        if gone is not None:
            external_id = _tombstone(gone.external_id)
            row = upsert(PurgedSessionRow).values(
                team_id=gone.team_id, provider=gone.provider, external_id=external_id, purged_at=func.clock_timestamp()
            )
            again = {"purged_at": row.excluded.purged_at}
            await connection.execute(row.on_conflict_do_update(index_elements=["team_id", "provider", "external_id"], set_=again))

    async def purged_since(self, connection: AsyncConnection, team_id: UUID, header: SessionHeader, moment: datetime) -> bool:
        """Tell whether the session was purged after `moment`. Call after `open`, which waits for a running purge; roll back if so."""
        provider, external_id = _identity(header)
        names = [external_id, _tombstone(external_id)]  # an older Cairn kept the name itself
        same = and_(PurgedSessionRow.team_id == team_id, PurgedSessionRow.provider == provider, PurgedSessionRow.external_id.in_(names))
        return (
            await connection.scalar(select(func.max(PurgedSessionRow.purged_at)).where(same, PurgedSessionRow.purged_at > moment))
            is not None
        )

    async def missing(self, connection: AsyncConnection, session_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the sessions that no longer exist."""
        found = await connection.scalars(select(SessionRow.id).where(SessionRow.id.in_(list(session_ids))))
        return set(session_ids) - set(found)

    async def sweep(self, hours: float) -> int:
        """Delete tombstones older than any waiting transcript can be; return their number."""
        old = PurgedSessionRow.purged_at < func.now() - timedelta(hours=hours)
        async with self._database.begin() as connection:
            return (await connection.execute(delete(PurgedSessionRow).where(old))).rowcount


def _tombstone(external_id: str) -> str:
    """Hash a purged session's external id: recognisable, but the name itself is not kept."""
    return f"purged:{hashlib.sha256(external_id.encode()).hexdigest()}"


def _live(name: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Tell whether a session's file name says that its events came one by one."""
    return name.startswith(LIVE_NAME, autoescape=True)


def _identity(header: SessionHeader) -> tuple[str, str]:
    """Return (provider, external id) as they are stored."""
    return stored_agent(header), stored_id(header.external_id)


def stored_agent(header: SessionHeader) -> str:
    """Return the agent's name as it is stored."""
    return stored_name(header.provider)[:100]


def _header_values(header: SessionHeader) -> dict[str, Any]:
    """Return the columns of a header, redacted."""
    provider, external_id = _identity(header)
    facts = {name: stored_name(value) if (value := getattr(header, name)) else None for name in FACTS}
    facts["repository"] = stored_url(header.repository) if header.repository else None
    title = stored_name(header.title) if header.title else None
    return {"provider": provider, "external_id": external_id, "title": title, "started_at": header.started_at, **facts}


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


_HELD = select(SessionRow.project_id).where(SessionRow.id == bindparam("session", type_=Uuid)).with_for_update(read=True, key_share=True)
SESSION_COLUMNS = [getattr(SessionRow, each.name) for each in fields(Session)]
_CITED = select(*(getattr(SessionRow, each.name) for each in fields(CitedSession))).where(
    SessionRow.team_id == bindparam("team"), SessionRow.id == any_(bindparam("ids", type_=ARRAY(Uuid)))
)
