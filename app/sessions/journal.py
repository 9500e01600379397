"""The append-only journal of events. `append` itself redacts, so no way leads past it. Knows no transcript format."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound
from app.redaction import redact
from app.sessions.event import Event, SessionHeader, ToolUse
from app.sessions.tables import EventRow
from app.sessions.tables import Session as SessionRow
from app.settings import Sessions as Limits
from app.storage.database import Database

PAGE = 500
INLINE_CHARS = 64_000
"""A batch with more text than this is redacted in a thread: below, the hop costs more than the work."""
SHORT_CHARS = 1000
"""Titles, names and locators longer than this are cut."""


@dataclass(frozen=True, slots=True)
class Session:
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
    """`updated`: tool calls whose result came later. `redactions`: secrets taken out of the new rows, by kind."""

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
        row = upsert(SessionRow).values(
            team_id=team_id,
            project_id=project_id,
            developer_id=developer_id,
            provider=_clean(header.provider),
            external_id=_clean(header.external_id),
            title=_clean(header.title) if header.title else None,
            transcript=_clean(transcript),
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

    async def append(self, session_id: UUID, events: Sequence[Event]) -> Appended:
        """Redact and append what is new, in order. An event id that is known changes nothing, except that a tool call gets its result."""
        if not events:
            return Appended()
        unique = {event.id: event for event in reversed(events)}
        rows = await self._redacted([event for event in events if unique[event.id] is event])
        appended = Appended(known=len(events) - len(rows))
        for start in range(0, len(rows), PAGE):
            async with self._database.begin() as connection:
                await _append(connection, session_id, rows[start : start + PAGE], appended)
        return appended

    async def events(self, session_id: UUID, *, max_output_chars: int | None = None) -> AsyncIterator[Event]:
        """All events of a session in order, read page by page. `max_output_chars`: only so much of each tool output, from its end."""
        last = 0
        output = EventRow.tool_output if max_output_chars is None else func.right(EventRow.tool_output, max_output_chars)
        while True:
            query = select(EventRow.__table__, output.label("output")).where(EventRow.session_id == session_id, EventRow.seq > last)
            async with self._database.begin() as connection:
                rows = (await connection.execute(query.order_by(EventRow.seq).limit(PAGE))).all()
            for row in rows:
                yield _event(row)
            if len(rows) < PAGE:
                return
            last = rows[-1].seq

    async def get(self, team_id: UUID, session_id: UUID) -> Session:
        """One session. NotFound for an unknown one or another team's."""
        query = select(*_COLUMNS).where(SessionRow.id == session_id, SessionRow.team_id == team_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"There is no session {session_id}. List them: GET /v1/sessions.")
        return Session(*row)

    async def resolve(self, team_id: UUID, name: str) -> UUID | None:
        """A session named by our id or by its external id among live ones; None: there is none yet. NotFound for another team's id."""
        try:
            ours = UUID(name)
        except ValueError:
            ours = None
        live = (SessionRow.provider == "generic") & (SessionRow.external_id == name)
        query = select(SessionRow.id, SessionRow.team_id).where(
            or_(SessionRow.id == ours, live & (SessionRow.team_id == team_id)) if ours else live & (SessionRow.team_id == team_id)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        if any(row.team_id != team_id for row in rows):
            raise NotFound(f"There is no session {name}. List them: GET /v1/sessions.")
        return rows[0].id if rows else None

    async def list(
        self, team_id: UUID, *, project_id: UUID | None = None, before: UUID | None = None, limit: int = 50
    ) -> list[Session]:
        """The team's sessions, latest ingested first. `before`: the last id of the page before."""
        query = select(*_COLUMNS).where(SessionRow.team_id == team_id)
        if project_id is not None:
            query = query.where(SessionRow.project_id == project_id)
        if before is not None:
            cursor = select(SessionRow.created_at, SessionRow.id).where(SessionRow.id == before, SessionRow.team_id == team_id)
            async with self._database.begin() as connection:
                place = (await connection.execute(cursor)).one_or_none()
            if place is None:
                raise NotFound(f"There is no session {before} to go on from: start again without `before`.")
            query = query.where(
                or_(
                    SessionRow.created_at < place.created_at,
                    (SessionRow.created_at == place.created_at) & (SessionRow.id < place.id),
                )
            )
        async with self._database.begin() as connection:
            rows = await connection.execute(query.order_by(SessionRow.created_at.desc(), SessionRow.id.desc()).limit(limit))
            return [Session(*row) for row in rows]

    async def delete(self, connection: AsyncConnection, team_id: UUID, session_id: UUID) -> None:
        """Delete a session and its events, in the caller's transaction."""
        await connection.execute(delete(SessionRow).where(SessionRow.id == session_id, SessionRow.team_id == team_id))

    async def _redacted(self, events: Sequence[Event]) -> list[tuple[dict[str, Any], Counter[str]]]:
        def work() -> list[tuple[dict[str, Any], Counter[str]]]:
            return [_row(event, self._limits.max_text_chars) for event in events]

        return work() if sum(map(_size, events)) <= INLINE_CHARS else await asyncio.to_thread(work)


async def _append(
    connection: AsyncConnection, session_id: UUID, rows: Sequence[tuple[dict[str, Any], Counter[str]]], appended: Appended
) -> None:
    """One page. The session's row is locked: appends to one session come one after the other, and `seq` has no gap."""
    session = await connection.execute(
        select(SessionRow.event_count, SessionRow.redactions).where(SessionRow.id == session_id).with_for_update()
    )
    found = session.one_or_none()
    if found is None:
        raise NotFound(f"Session {session_id} was deleted meanwhile: ingest its transcript again.")
    last = await connection.scalar(select(func.coalesce(func.max(EventRow.seq), 0)).where(EventRow.session_id == session_id)) or 0
    ids = [row["event_id"] for row, _ in rows]
    query = select(EventRow.event_id, EventRow.tool_output, EventRow.outcome).where(
        EventRow.session_id == session_id, EventRow.event_id.in_(ids)
    )
    known = {row.event_id: row for row in await connection.execute(query)}
    new = [(row, found) for row, found in rows if row["event_id"] not in known]
    results = [row for row, _ in rows if row["event_id"] in known and _brings_result(known[row["event_id"]], row)]
    if new:
        values = [row | {"session_id": session_id, "seq": last + place} for place, (row, _) in enumerate(new, start=1)]
        await connection.execute(upsert(EventRow), values)
    if results:
        await _update_results(connection, session_id, results)
    if new or results:
        redactions = Counter[str](found.redactions)
        for _, kinds in new:
            redactions.update(kinds)
            appended.redactions.update(kinds)
        await _touch(connection, session_id, [row["at"] for row, _ in new], found.event_count + len(new), redactions)
    appended.new += len(new)
    appended.updated += len(results)
    appended.known += len(rows) - len(new) - len(results)


def _brings_result(known: Row[Any], row: dict[str, Any]) -> bool:
    """A tool call was journalled before its result was known, and here is the result."""
    return known.outcome is None and not known.tool_output and bool(row["tool_output"] or row["outcome"])


async def _update_results(connection: AsyncConnection, session_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    statement = (
        update(EventRow.__table__)
        .where(EventRow.__table__.c.session_id == session_id, EventRow.__table__.c.event_id == bindparam("known_id"))
        .values(tool_output=bindparam("new_output"), exit_code=bindparam("new_exit"), outcome=bindparam("new_outcome"))
    )
    await connection.execute(
        statement,
        [
            {"known_id": row["event_id"], "new_output": row["tool_output"], "new_exit": row["exit_code"], "new_outcome": row["outcome"]}
            for row in rows
        ],
    )


async def _touch(
    connection: AsyncConnection, session_id: UUID, times: Sequence[datetime | None], count: int, redactions: Counter[str]
) -> None:
    dated = [at for at in times if at is not None]
    values: dict[str, Any] = {"event_count": count, "redactions": dict(redactions), "updated_at": func.clock_timestamp()}
    if dated:
        values["started_at"] = func.least(SessionRow.started_at, min(dated))
        values["ended_at"] = func.greatest(SessionRow.ended_at, max(dated))
    await connection.execute(update(SessionRow).where(SessionRow.id == session_id).values(values))


def _size(event: Event) -> int:
    return len(event.text) + (len(event.tool.input) + len(event.tool.output) if event.tool else 0)


def _row(event: Event, most: int) -> tuple[dict[str, Any], Counter[str]]:
    """An event as it may be stored: redacted first, cut after, so that no half of a secret is left at the cut."""
    kinds: Counter[str] = Counter()

    def stored(text: str) -> str:
        done = redact(_storable(text))
        kinds.update(finding.kind for finding in done.findings)
        return done.text if len(done.text) <= most else f"{done.text[:most]}… [cut: {len(done.text) - most} characters]"

    tool = event.tool
    row = {
        "event_id": _clean(event.id),
        "role": event.role,
        "kind": event.kind,
        "speaker": _clean(event.speaker) if event.speaker else None,
        "text": stored(event.text),
        "tool_name": _clean(tool.name) if tool else None,
        "tool_input": stored(tool.input) if tool else None,
        "tool_output": stored(tool.output) if tool else None,
        "exit_code": tool.exit_code if tool and tool.exit_code is not None and abs(tool.exit_code) < 2**31 else None,
        "outcome": event.outcome,
        "locator": _clean(event.locator),
        "at": event.at,
        "sidechain": event.sidechain,
    }
    return row, kinds


def _storable(text: str) -> str:
    """PostgreSQL's text takes neither NUL nor lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _clean(text: str) -> str:
    """A short field: redacted and cut too."""
    return redact(_storable(text)).text[:SHORT_CHARS]


def _event(row: Row[Any]) -> Event:
    tool = None
    if row.tool_name is not None:
        tool = ToolUse(row.tool_name, row.tool_input or "", row.output or "", row.exit_code)
    return Event(row.event_id, row.role, row.kind, row.text, row.locator, row.at, row.speaker, tool, row.outcome, row.sidechain)


_COLUMNS = (
    SessionRow.id,
    SessionRow.team_id,
    SessionRow.project_id,
    SessionRow.developer_id,
    SessionRow.provider,
    SessionRow.external_id,
    SessionRow.title,
    SessionRow.transcript,
    SessionRow.started_at,
    SessionRow.ended_at,
    SessionRow.event_count,
    SessionRow.redactions,
    SessionRow.created_at,
    SessionRow.updated_at,
)
