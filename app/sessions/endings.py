"""Reads how a project's latest sessions ended: what was asked last, what was said to it, and a command that failed and was left so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.event import Event
from app.sessions.event_rows import event_of
from app.sessions.journal import SESSION_COLUMNS
from app.sessions.session import Session, SessionEnding
from app.sessions.tables import EventRow, SessionRow
from app.storage.database import Database

MAX_CHARS = 2_000
"""Characters of each text that are read: its beginning, of a tool's output its end."""

MAX_EVENTS = 1_000
"""A session's last events, which are its end: what came before them is not looked at."""


class SessionEndings:
    """Reads the ends of sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, team_id: UUID, project_id: UUID, *, limit: int) -> list[SessionEnding]:
        """Return the ends of the project's latest sessions, the latest first."""
        began = func.coalesce(SessionRow.ended_at, SessionRow.started_at, SessionRow.file_dated_at)
        ours = (SessionRow.team_id == team_id, SessionRow.project_id == project_id, SessionRow.event_count > 0)
        query = select(*SESSION_COLUMNS).where(*ours).order_by(began.desc().nulls_last(), SessionRow.id).limit(limit)

        async def read(connection: AsyncConnection) -> list[SessionEnding]:
            sessions = [Session(*row) for row in await connection.execute(query)]
            return [await _ending(connection, session, sessions[:place]) for place, session in enumerate(sessions)]

        return await self._database.read(read)


async def _ending(connection: AsyncConnection, session: Session, later: Sequence[Session]) -> SessionEnding:
    asked = await _last(connection, session, EventRow.kind == "prompt")
    said = await _last(connection, session, EventRow.kind == "reply", EventRow.text != "")
    tool = await _last(connection, session, EventRow.kind == "tool", EventRow.outcome.is_not(None))
    failed = tool if tool is not None and tool.outcome == "failed" else None
    if failed is not None and await _succeeded(connection, failed, later):
        failed = None
    return SessionEnding(session, asked, said, failed)


async def _last(connection: AsyncConnection, session: Session, *conditions: ColumnElement[bool]) -> Event | None:
    query = _EVENTS.where(_end(session), *conditions, ~EventRow.sidechain).order_by(EventRow.seq.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else event_of(row)


async def _succeeded(connection: AsyncConnection, failed: Event, later: Sequence[Session]) -> bool:
    """Tell whether one of these sessions made the same call with success."""
    if failed.tool is None or not later:
        return False
    given = failed.tool.input
    whole = len(given) < MAX_CHARS  # compared by length first, so that a long one isn't unpacked
    same = EventRow.tool_input == given if whole else func.left(EventRow.tool_input, MAX_CHARS) == given
    query = select(EventRow.seq).where(or_(*map(_end, later)), EventRow.tool_name == failed.tool.name, EventRow.outcome == "ok", same)
    return await connection.scalar(query.limit(1)) is not None


def _end(session: Session) -> ColumnElement[bool]:
    """Build the condition for the events of a session's end."""
    return and_(EventRow.session_id == session.id, EventRow.seq > session.event_count - MAX_EVENTS)


def _events() -> Select[*tuple[Any, ...]]:
    cut = {name: func.left(getattr(EventRow, name), MAX_CHARS).label(name) for name in ("text", "tool_input")}
    names = [column.name for column in EventRow.__table__.c if column.name not in {"session_id", "tool_output", "changed"}]
    output = func.right(EventRow.tool_output, MAX_CHARS).label("output")
    return select(*(cut.get(name, EventRow.__table__.c[name]) for name in names), output)


_EVENTS = _events()
