"""The append-only journal of events. `append` itself redacts, so no way leads past it. Knows no transcript format."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Collection, Container, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound
from app.sessions.event import Event, SessionHeader, ToolUse
from app.sessions.late import RESULT, brings_result, result
from app.sessions.redacted import Storable, identity, short, size, storable
from app.sessions.tables import EventRow, PurgedSession
from app.sessions.tables import Session as SessionRow
from app.settings import Sessions as Limits
from app.storage.database import Database
from app.storage.tables import AnyRow

WRITTEN_PAGE, READ_PAGE = 500, 200
"""Events in one statement. asyncpg sends rows one by one, so parameters are no limit; memory is."""
INLINE_CHARS = 64_000
"""A batch with more text than this is redacted in a thread: below, the hop costs more than the work."""


@dataclass(frozen=True, slots=True)
class Session:
    """`developer_id`: who ingested it first, and so may delete it. `redactions`: secrets taken out, by kind."""

    id: UUID
    team_id: UUID
    project_id: UUID
    developer_id: UUID | None
    provider: str
    external_id: str
    title: str | None
    transcript: str
    started_at: datetime | None
    ended_at: datetime | None
    event_count: int
    redactions: dict[str, int]
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True)
class Appended:
    """`updated`: tool calls whose result came later, and a last turn that a growing file had cut off.

    `redactions`: secrets taken out of what was written, by kind.
    """

    new: int = 0
    updated: int = 0
    known: int = 0
    redactions: Counter[str] = field(default_factory=Counter)


class Journal:
    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    async def open(
        self,
        connection: AsyncConnection,
        *,
        team_id: UUID,
        project_id: UUID,
        developer_id: UUID | None,
        header: SessionHeader,
        transcript: str,
    ) -> UUID:
        """The session of (team, provider, external id): made when it is new. Later headers fill gaps; the first project stays."""
        provider, external_id = _identity(header)
        row = upsert(SessionRow).values(
            team_id=team_id,
            project_id=project_id,
            developer_id=developer_id,
            provider=provider,
            external_id=external_id,
            title=short(header.title) if header.title else None,
            transcript=short(transcript),
            started_at=header.started_at,
        )
        filled = row.on_conflict_do_update(
            index_elements=["team_id", "provider", "external_id"],
            set_={
                "title": func.coalesce(SessionRow.title, row.excluded.title),
                "started_at": func.least(SessionRow.started_at, row.excluded.started_at),
            },
        )
        return (await connection.execute(filled.returning(SessionRow.id))).scalar_one()

    async def may_add(self, connection: AsyncConnection, session_id: UUID, developer_id: UUID | None) -> bool:
        """Whether this developer may add to the session: it is theirs, or nobody's. None: an admin, who always may."""
        theirs = or_(SessionRow.developer_id.is_(None), SessionRow.developer_id == developer_id)
        query = select(SessionRow.id).where(SessionRow.id == session_id, theirs)
        return developer_id is None or await connection.scalar(query) is not None

    async def storable(self, events: Sequence[Event]) -> list[Storable]:
        """The events redacted and cut, each id once: inline, or in a thread where it takes longer than the way there."""
        if size(events) <= INLINE_CHARS:
            return storable(events, most_chars=self._limits.max_text_chars)
        return await asyncio.to_thread(storable, events, most_chars=self._limits.max_text_chars)

    async def append(self, session_id: UUID, events: Sequence[Event]) -> Appended:
        """Redact, then append what is new, in order, in pages that are committed one by one.

        An event id that is known changes nothing, except that a tool call without a result gets it. Two appends to one
        session at once come one after the other. NotFound when the session is gone.
        """
        rows = await self.storable(events)
        appended = await self.append_rows(session_id, rows)
        appended.known += len(events) - len(rows)
        return appended

    async def append_rows(self, session_id: UUID, rows: Sequence[Storable]) -> Appended:
        """The same, of what `storable` made."""
        appended = Appended()
        for start in range(0, len(rows), WRITTEN_PAGE):
            async with self._database.begin() as connection:
                written = await _append(connection, session_id, rows[start : start + WRITTEN_PAGE])
            appended.new += written.new
            appended.updated += written.updated
            appended.known += written.known
            appended.redactions.update(written.redactions)
        return appended

    async def events(self, session_id: UUID, *, max_output_chars: int | None = None) -> AsyncIterator[Event]:
        """All events of a session in order, read page by page. `max_output_chars`: so much of a tool's output, from its end."""
        output = EventRow.tool_output if max_output_chars is None else func.right(EventRow.tool_output, max_output_chars)
        columns = [column for column in EventRow.__table__.c if column.name not in {"session_id", "tool_output"}]
        query = select(*columns, output.label("output")).where(EventRow.session_id == session_id).order_by(EventRow.seq)
        last, rows = 0, None
        while rows is None or len(rows) == READ_PAGE:
            async with self._database.begin() as connection:
                rows = (await connection.execute(query.where(EventRow.seq > last).limit(READ_PAGE))).all()
            for row in rows:
                yield _event(row)
                last = row.seq

    async def around(self, session_id: UUID, locator: str, *, events: int, max_chars: int) -> list[Event]:
        """The event at a locator with so many before and after it, in order; the session's first where there is none.

        `max_chars`: so much of each text.
        """
        place = select(func.min(EventRow.seq)).where(EventRow.session_id == session_id, EventRow.locator == locator)
        cut = {name: func.left(getattr(EventRow, name), max_chars).label(name) for name in ("text", "tool_input")}
        output = func.right(EventRow.tool_output, max_chars).label("output")
        names = [column.name for column in EventRow.__table__.c if column.name not in {"session_id", "tool_output"}]
        columns = [cut.get(name, EventRow.__table__.c[name]) for name in names]
        async with self._database.begin() as connection:
            seq = await connection.scalar(place)
            first, last = (1, 1 + 2 * events) if seq is None else (seq - events, seq + events)
            near = and_(EventRow.session_id == session_id, EventRow.seq.between(first, last))
            return [_event(row) for row in await connection.execute(select(*columns, output).where(near).order_by(EventRow.seq))]

    async def get(self, team_id: UUID, session_id: UUID) -> Session:
        """One session. NotFound for an unknown one or another team's."""
        query = select(*_COLUMNS).where(SessionRow.id == session_id, SessionRow.team_id == team_id)

        async def read(connection: AsyncConnection) -> Session:
            row = (await connection.execute(query)).one_or_none()
            if row is None:  # said within: what a replica hasn't got yet is asked for at the primary
                raise NotFound(f"There is no session {session_id}. List them: GET /v1/sessions.")
            return Session(*row)

        return await self._database.read(read)

    async def resolve(self, team_id: UUID, name: str) -> UUID | None:
        """A session by our id, or a live one by its external id; None: there is none yet. NotFound for another team's id."""
        ours = _uuid(name)
        live = and_(SessionRow.team_id == team_id, SessionRow.provider == "generic", SessionRow.external_id == identity(name))
        query = select(SessionRow.id, SessionRow.team_id).where(or_(SessionRow.id == ours, live) if ours else live)
        async with self._database.begin() as connection:
            found = {row.id: row.team_id for row in await connection.execute(query)}
        if ours in found and found[ours] != team_id:
            raise NotFound(f"There is no session {name}. List them: GET /v1/sessions.")
        return ours if ours in found else next(iter(found), None)

    async def list(
        self, team_id: UUID, *, project_id: UUID | None = None, before: UUID | None = None, limit: int = 50
    ) -> Sequence[Session]:
        """The team's sessions, latest started first, those without a time last. `before`: the last id of the page before."""
        query = select(*_COLUMNS).where(SessionRow.team_id == team_id)
        if project_id is not None:
            query = query.where(SessionRow.project_id == project_id)
        query = query.order_by(SessionRow.started_at.desc().nulls_last(), SessionRow.id).limit(limit)

        async def read(connection: AsyncConnection) -> Sequence[Session]:
            page = query if before is None else query.where(await _after(connection, team_id, before))
            return [Session(*row) for row in await connection.execute(page)]

        return await self._database.read(read)

    async def hold(self, connection: AsyncConnection, session_id: UUID) -> None:
        """Keep a session from being deleted until the caller's transaction ends. NotFound when it is gone already."""
        if await connection.scalar(select(SessionRow.id).where(SessionRow.id == session_id).with_for_update(read=True)) is None:
            raise NotFound(f"Session {session_id} was deleted meanwhile: ingest its transcript again.")

    async def delete(self, connection: AsyncConnection, team_id: UUID, session_id: UUID) -> None:
        """Delete a session and its events, in the caller's transaction; a transcript that still waits can't bring it back."""
        columns = (SessionRow.team_id, SessionRow.provider, SessionRow.external_id)
        ours = and_(SessionRow.id == session_id, SessionRow.team_id == team_id)
        gone = (await connection.execute(delete(SessionRow).where(ours).returning(*columns))).one_or_none()
        if gone is not None:
            external_id = _tombstone(gone.external_id)
            row = upsert(PurgedSession).values(
                team_id=gone.team_id, provider=gone.provider, external_id=external_id, purged_at=func.clock_timestamp()
            )
            again = {"purged_at": row.excluded.purged_at}
            await connection.execute(row.on_conflict_do_update(index_elements=["team_id", "provider", "external_id"], set_=again))

    async def purged_since(self, connection: AsyncConnection, team_id: UUID, header: SessionHeader, moment: datetime) -> bool:
        """Whether this session was purged after `moment`. Ask after `open`, which waits for a purge under way, and roll back."""
        provider, external_id = _identity(header)
        names = [external_id, _tombstone(external_id)]  # an older Cairn kept the name itself
        same = and_(PurgedSession.team_id == team_id, PurgedSession.provider == provider, PurgedSession.external_id.in_(names))
        return await connection.scalar(select(func.max(PurgedSession.purged_at)).where(same, PurgedSession.purged_at > moment)) is not None

    async def missing(self, connection: AsyncConnection, session_ids: Collection[UUID]) -> set[UUID]:
        """Those of the sessions that are there no longer."""
        found = await connection.scalars(select(SessionRow.id).where(SessionRow.id.in_(list(session_ids))))
        return set(session_ids) - set(found)

    async def sweep(self, hours: float) -> int:
        """Forget purges that no waiting transcript can be older than."""
        old = PurgedSession.purged_at < func.now() - timedelta(hours=hours)
        async with self._database.begin() as connection:
            return (await connection.execute(delete(PurgedSession).where(old))).rowcount


def _tombstone(external_id: str) -> str:
    """A purged session's id as it is remembered: enough to know it again, but not the name that somebody gave it."""
    return f"purged:{hashlib.sha256(external_id.encode()).hexdigest()}"


def _identity(header: SessionHeader) -> tuple[str, str]:
    """(provider, external id) as they are stored."""
    return short(header.provider)[:100], identity(header.external_id)


async def _append(connection: AsyncConnection, session_id: UUID, rows: Sequence[Storable]) -> Appended:
    """One page. The session's row stays locked, so that `seq` has neither gap nor double."""
    query = select(SessionRow.event_count, SessionRow.redactions).where(SessionRow.id == session_id).with_for_update()
    session = (await connection.execute(query)).one_or_none()
    if session is None:
        raise NotFound(f"Session {session_id} was deleted meanwhile: ingest its transcript again.")
    known = await _known(connection, session_id, [each.row["event_id"] for each in rows])
    new = [each for each in rows if each.row["event_id"] not in known]
    grown = new[:1] if new and await _grew(connection, session_id, new[0].row, known) else []
    new = new[len(grown) :]
    results = [each for each in rows if each.row["event_id"] in known and brings_result(known[each.row["event_id"]], each.row)]
    if new:
        last = await connection.scalar(select(func.max(EventRow.seq)).where(EventRow.session_id == session_id)) or 0
        values = [each.row | {"session_id": session_id, "seq": last + place} for place, each in enumerate(new, start=1)]
        await connection.execute(insert(EventRow), values)
    if results:
        await connection.execute(RESULT, [result(session_id, each.row) for each in results])
    redactions = sum((each.secrets for each in (*grown, *new)), Counter[str]())
    redactions += sum((each.result_secrets for each in results), Counter[str]())
    updated = len(grown) + len(results)
    if new or updated:
        await _touch(connection, session_id, new, Counter(session.redactions) + redactions, session.event_count + len(new))
    return Appended(len(new), updated, len(rows) - len(new) - updated, redactions)


async def _grew(connection: AsyncConnection, session_id: UUID, row: dict[str, Any], known: Container[str]) -> bool:
    """Whether the session's last event was the beginning of this one, then cut off by the end of a file that is still written.

    It takes the whole one's words and id. Only where the id is made from the words: a given id would be the same. `known`: the
    ids that this file still has.
    """
    events = EventRow.__table__
    latest = select(events).where(events.c.session_id == session_id).order_by(events.c.seq.desc()).limit(1)
    last = (await connection.execute(latest)).first()
    if last is None or last.event_id in known:
        return False
    parts = ("text", "tool_input", "tool_output")
    same_place = all(getattr(last, name) == row[name] for name in ("kind", "role", "locator", "tool_name"))
    if not same_place or not all((row[part] or "").startswith(getattr(last, part) or "") for part in parts):
        return False
    whole = {name: row[name] for name in ("event_id", "exit_code", "outcome", *parts)}
    ours = and_(EventRow.session_id == session_id, EventRow.seq == last.seq)
    await connection.execute(update(EventRow).where(ours).values(whole))
    return True


async def _known(connection: AsyncConnection, session_id: UUID, ids: Sequence[str]) -> dict[str, AnyRow]:
    no_output = (func.coalesce(EventRow.tool_output, "") == "").label("no_output")
    query = select(EventRow.event_id, EventRow.tool_name, EventRow.outcome, no_output)
    rows = await connection.execute(query.where(EventRow.session_id == session_id, EventRow.event_id.in_(ids)))
    return {row.event_id: row for row in rows}


async def _touch(connection: AsyncConnection, session_id: UUID, new: Sequence[Storable], redactions: Counter[str], count: int) -> None:
    dated = [each.row["at"] for each in new if each.row["at"] is not None]
    values: dict[str, Any] = {"event_count": count, "redactions": dict(redactions), "updated_at": func.clock_timestamp()}
    if dated:
        values["started_at"] = func.least(SessionRow.started_at, min(dated))
        values["ended_at"] = func.greatest(SessionRow.ended_at, max(dated))
    await connection.execute(update(SessionRow).where(SessionRow.id == session_id).values(values))


async def _after(connection: AsyncConnection, team_id: UUID, session_id: UUID) -> ColumnElement[bool]:
    """What comes after a session in the list's order."""
    query = select(SessionRow.started_at).where(SessionRow.id == session_id, SessionRow.team_id == team_id)
    place = (await connection.execute(query)).one_or_none()
    if place is None:
        raise NotFound(f"There is no session {session_id} to go on from: start again without `before`.")
    started, later_id = place.started_at, SessionRow.id > session_id
    if started is None:
        return and_(SessionRow.started_at.is_(None), later_id)
    same = and_(SessionRow.started_at == started, later_id)
    return or_(SessionRow.started_at < started, same, SessionRow.started_at.is_(None))


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


def _event(row: AnyRow) -> Event:
    tool = None
    if row.tool_name is not None:
        tool = ToolUse(row.tool_name, row.tool_input or "", row.output or "", row.exit_code)
    return Event(row.event_id, row.role, row.kind, row.text, row.locator, row.at, row.speaker, tool, row.outcome, row.sidechain)


_COLUMNS = [getattr(SessionRow, each.name) for each in fields(Session)]
