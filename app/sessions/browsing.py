"""Lists sessions by project, agent, date and subject, and pages through their events. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, and_, any_, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import in_utc
from app.errors import NotFound
from app.sessions.event import Event
from app.sessions.event_rows import UNREAD, event_of
from app.sessions.journal import SESSION_COLUMNS
from app.sessions.session import Session, SessionFilter
from app.sessions.tables import EventRow, SessionRow
from app.storage.database import Database, rows_of
from app.storage.matching import holds_words


@dataclass(frozen=True, slots=True)
class EventPage:
    """Consecutive events of a session with their seq. `earlier`, `later`: true if more events precede or follow."""

    events: Sequence[tuple[int, Event]]
    earlier: bool
    later: bool


class SessionBrowsing:
    """Read-only queries over sessions and their events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, team_id: UUID, wanted: SessionFilter, *, closed: Collection[UUID] = (), before: UUID | None = None, limit: int
    ) -> Sequence[Session]:
        """Return the team's sessions, latest start first, those without a time last, or all reversed; none of the projects `closed`.

        `before`: the last id of the previous page. Raises NotFound if it is not such a session of the team.
        """
        query = _sessions(team_id, wanted).where(*_open(closed)).limit(limit)

        async def read(connection: AsyncConnection) -> Sequence[Session]:
            page = query
            if before is not None:
                page = query.where(await _after(connection, team_id, before, closed, oldest_first=wanted.oldest_first))
            return [Session(*row) for row in await connection.execute(page)]

        return await self._database.read(read)

    async def count_by_project(self, team_id: UUID, project_ids: Collection[UUID]) -> dict[UUID, int]:
        """Count the sessions of these projects of the team; those without any are left out."""
        ours = (SessionRow.team_id == team_id, SessionRow.project_id.in_(project_ids))
        query = select(SessionRow.project_id, func.count().label("sessions")).where(*ours).group_by(SessionRow.project_id)
        return {row.project_id: row.sessions for row in await self._database.read(rows_of(query))}

    async def providers(self, team_id: UUID, *, closed: Collection[UUID] = ()) -> list[str]:
        """Return the names of the agents whose sessions the team has, sorted; sessions of the projects `closed` don't count."""
        ours = (SessionRow.team_id == team_id, *_open(closed))
        query = select(SessionRow.provider).where(*ours).distinct().order_by(SessionRow.provider)

        async def read(connection: AsyncConnection) -> list[str]:
            return list(await connection.scalars(query))

        return await self._database.read(read)

    async def senders(self, team_id: UUID, *, closed: Collection[UUID] = ()) -> list[UUID]:
        """Return the developers who sent the team's sessions first; sessions of the projects `closed` don't count."""
        ours = (SessionRow.team_id == team_id, SessionRow.developer_id.is_not(None), *_open(closed))
        query = select(SessionRow.developer_id).where(*ours).distinct()
        return [row[0] for row in await self._database.read(rows_of(query))]

    async def find_named(self, team_ids: Collection[UUID], external_ids: Collection[str]) -> dict[tuple[UUID, str], Session]:
        """Find sessions by (team, the agent's own id). Where agents of two kinds share an id, the one that was changed last."""
        query = select(*SESSION_COLUMNS).where(SessionRow.team_id.in_(team_ids), SessionRow.external_id.in_(external_ids))
        rows = await self._database.read(rows_of(query.order_by(SessionRow.updated_at)))
        return {(each.team_id, each.external_id): each for each in (Session(*row) for row in rows)}

    async def names_in(self, team_id: UUID, project_id: UUID) -> list[str]:
        """Return the agents' own ids of a project's sessions."""
        query = select(SessionRow.external_id).where(SessionRow.team_id == team_id, SessionRow.project_id == project_id)
        return [row[0] for row in await self._database.read(rows_of(query))]

    async def around(self, session_id: UUID, locator: str, *, events: int, max_chars: int) -> tuple[EventPage, int | None]:
        """Return up to `events` events on either side of a locator, and its seq; the session's first events if it has no such locator.

        Each text is cut to `max_chars`.
        """
        place = select(func.min(EventRow.seq)).where(EventRow.session_id == session_id, EventRow.locator == locator)
        async with self._database.begin() as connection:
            seq = await connection.scalar(place)
            after = 0 if seq is None else max(0, seq - events - 1)
            return await _stretch(connection, session_id, after, 2 * events + 1, max_chars), seq

    async def read(self, session_id: UUID, *, after: int, limit: int, max_chars: int) -> EventPage:
        """Return up to `limit` events above the seq `after`, in order, each text cut to `max_chars`."""
        async with self._database.begin() as connection:
            return await _stretch(connection, session_id, after, limit, max_chars)

    async def changed(
        self, session_id: UUID, until: int, *, after: tuple[int, int], limit: int, max_chars: int
    ) -> Sequence[tuple[int, int, Event]]:
        """Return the first events up to the seq `until` that were filled in after `after`, as (seq, revision, event), by revision and seq.

        `after`: a revision, and the last seq that is not wanted of it.
        """
        later = and_(EventRow.changed >= after[0], tuple_(EventRow.changed, EventRow.seq) > tuple_(*after))  # the first is the index'
        query = _cut_events(max_chars).where(EventRow.session_id == session_id, EventRow.seq <= until, later)
        rows = await self._database.read(
            rows_of(query.add_columns(EventRow.changed.label("at_revision")).order_by(EventRow.changed, EventRow.seq).limit(limit))
        )
        return [(row.seq, row.at_revision, event_of(row)) for row in rows]


async def _stretch(connection: AsyncConnection, session_id: UUID, after: int, limit: int, max_chars: int) -> EventPage:
    query = _cut_events(max_chars).where(EventRow.session_id == session_id, EventRow.seq > after).order_by(EventRow.seq)
    rows = (await connection.execute(query.limit(limit + 1))).all()
    events = [(row.seq, event_of(row)) for row in rows[:limit]]
    return EventPage(events, earlier=bool(events) and events[0][0] > 1, later=len(rows) > limit)


def _cut_events(max_chars: int) -> Select[*tuple[Any, ...]]:
    """Select events, each text cut."""
    cut = {name: func.left(getattr(EventRow, name), max_chars).label(name) for name in ("text", "tool_input")}
    output = func.right(EventRow.tool_output, max_chars).label("output")
    names = [column.name for column in EventRow.__table__.c if column.name not in UNREAD]
    columns = [cut.get(name, EventRow.__table__.c[name]) for name in names]
    return select(*columns, output)


def _sessions(team_id: UUID, wanted: SessionFilter) -> Select[*tuple[Any, ...]]:
    query = select(*SESSION_COLUMNS).where(SessionRow.team_id == team_id)
    if wanted.project_id is not None:
        query = query.where(SessionRow.project_id == wanted.project_id)
    if wanted.provider is not None:
        query = query.where(SessionRow.provider == wanted.provider)
    if wanted.sent_by is not None:
        by_admin = wanted.sent_by == "admin"
        query = query.where(SessionRow.developer_id.is_(None) if by_admin else SessionRow.developer_id == wanted.sent_by)
    began = func.coalesce(SessionRow.started_at, SessionRow.file_dated_at, SessionRow.ended_at)
    if wanted.since is not None:
        query = query.where(began >= in_utc(wanted.since, "since"))
    if wanted.until is not None:
        query = query.where(began < in_utc(wanted.until, "until"))
    named = func.concat_ws(" ", SessionRow.title, SessionRow.transcript, SessionRow.branch)
    if wanted.title_words:
        about = SessionRow.id == any_(literal(list(wanted.about), ARRAY(Uuid)))
        query = query.where(or_(holds_words(named, wanted.title_words), about) if wanted.about else holds_words(named, wanted.title_words))
    if wanted.oldest_first:
        return query.order_by(SessionRow.started_at.asc().nulls_first(), SessionRow.id.desc())
    return query.order_by(SessionRow.started_at.desc().nulls_last(), SessionRow.id)


def _open(closed: Collection[UUID]) -> Sequence[ColumnElement[bool]]:
    """Build the condition for sessions that belong to none of these projects; none where there are none."""
    return [SessionRow.project_id.not_in(closed)] if closed else []


async def _after(
    connection: AsyncConnection, team_id: UUID, session_id: UUID, closed: Collection[UUID], *, oldest_first: bool
) -> ColumnElement[bool]:
    """Build the condition for sessions that follow a given one in the list's order. Raises NotFound for an unknown session."""
    query = select(SessionRow.started_at).where(SessionRow.id == session_id, SessionRow.team_id == team_id, *_open(closed))
    place = (await connection.execute(query)).one_or_none()
    if place is None:
        raise NotFound(f"The list can't continue from session {session_id}, which no longer exists: start again from the first page.")
    started = place.started_at
    if oldest_first:
        earlier_id = SessionRow.id < session_id
        if started is None:
            return or_(SessionRow.started_at.is_not(None), earlier_id)
        return or_(SessionRow.started_at > started, and_(SessionRow.started_at == started, earlier_id))
    later_id = SessionRow.id > session_id
    if started is None:
        return and_(SessionRow.started_at.is_(None), later_id)
    same = and_(SessionRow.started_at == started, later_id)
    return or_(SessionRow.started_at < started, same, SessionRow.started_at.is_(None))
