"""Finds the sessions that go on now, and what each does: its last prompt, its last tool call, the files it touches. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, any_, bindparam, func, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.selectable import LateralFromClause

from app.sessions.event import Kind
from app.sessions.journal import SESSION_COLUMNS
from app.sessions.session import Activity, LastCall, Session
from app.sessions.tables import EventRow, SessionRow
from app.storage.database import Database, rows_of

MAX_UNTIMED_AGE = timedelta(days=1)
"""A session whose events have no time, and that is older than this by its heading or file, is a history that is being read."""
RECENT_EVENTS, RECENT_FILE_EVENTS = 2000, 60
"""So many last events of a session are searched for its last prompt and tool call, and for the files it touches."""
MAX_FILES = 5
TEXT_CHARS = 2000
Readable: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[Any]


class SessionsUnderWay:
    """Queries over the sessions that have an event since a moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self, team_id: UUID, since: datetime, *, project_id: UUID | None = None, closed: Collection[UUID] = (), limit: int
    ) -> Sequence[Session]:
        """Return the team's sessions with an event since a moment, the last to be heard of first; none of the projects `closed`."""
        query = select(*SESSION_COLUMNS).where(*_under_way(team_id, since)).order_by(SessionRow.updated_at.desc(), SessionRow.id)
        if project_id is not None:
            query = query.where(SessionRow.project_id == project_id)
        if closed:
            query = query.where(SessionRow.project_id.not_in(closed))
        return [Session(*row) for row in await self._database.read(rows_of(query.limit(limit)))]

    async def activities(self, session_ids: Collection[UUID]) -> Mapping[UUID, Activity]:
        """Return what each of these sessions does."""
        if not session_ids:
            return {}
        ids = {"ids": list(session_ids)}
        files: defaultdict[UUID, list[str]] = defaultdict(list)
        for row in await self._database.read(rows_of(_FILES, ids)):
            files[row.session_id] += row.files
        return {
            row.id: Activity(
                row.prompt,
                None if row.tool_name is None else LastCall(row.tool_name, row.tool_input or "", row.outcome),
                distinct(files[row.id], limit=MAX_FILES),
            )
            for row in await self._database.read(rows_of(_ACTIVITIES, ids))
        }


def distinct(paths: Iterable[str], *, limit: int) -> tuple[str, ...]:
    """Return the first few paths, each once."""
    return tuple(dict.fromkeys(paths))[:limit]


def _under_way(team_id: UUID, since: datetime) -> tuple[ColumnElement[bool], ...]:
    """Build the conditions: something came since, and it happened since. Where events have no time, a recent beginning will do."""
    began = func.coalesce(SessionRow.started_at, SessionRow.file_dated_at, SessionRow.created_at)
    happened = or_(SessionRow.ended_at >= since, and_(SessionRow.ended_at.is_(None), began >= since - MAX_UNTIMED_AGE))
    return SessionRow.team_id == team_id, SessionRow.updated_at >= since, SessionRow.event_count > 0, happened


_wanted = select(SessionRow.id, SessionRow.event_count).where(SessionRow.id == any_(bindparam("ids", type_=ARRAY(Uuid)))).subquery("wanted")


def _latest(kind: Kind, which: ColumnElement[bool], *columns: Readable) -> LateralFromClause:
    """Select the latest event of a kind."""
    ours = and_(EventRow.session_id == _wanted.c.id, EventRow.seq > _wanted.c.event_count - RECENT_EVENTS)
    query = select(*columns).where(ours, EventRow.kind == kind, which).order_by(EventRow.seq.desc()).limit(1)
    return query.correlate(_wanted).lateral(f"latest_{kind}")


def _activities() -> Select[Any]:
    """Select the last prompt to the main agent, and the last call of any agent."""
    prompt = _latest("prompt", ~EventRow.sidechain, func.left(EventRow.text, TEXT_CHARS).label("prompt"))
    call = _latest("tool", true(), EventRow.tool_name, func.left(EventRow.tool_input, TEXT_CHARS).label("tool_input"), EventRow.outcome)
    return select(_wanted.c.id, *prompt.c, *call.c).select_from(_wanted).outerjoin(prompt, true()).outerjoin(call, true())


_ACTIVITIES = _activities()
_FILES = (
    select(EventRow.session_id, EventRow.files)
    .join(_wanted, and_(EventRow.session_id == _wanted.c.id, EventRow.seq > _wanted.c.event_count - RECENT_FILE_EVENTS))
    .where(EventRow.files.is_not(None))
    .order_by(EventRow.session_id, EventRow.seq.desc())
)
