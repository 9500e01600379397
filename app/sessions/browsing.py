"""Lists sessions by project, agent, date and subject, and pages through their events. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import in_utc
from app.errors import NotFound
from app.sessions.event import Event
from app.sessions.journal import SESSION_COLUMNS, UNREAD, event_of
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

    async def page(self, team_id: UUID, wanted: SessionFilter, *, before: UUID | None = None, limit: int) -> Sequence[Session]:
        """Return the team's sessions, latest start first, those without a time last. `before`: the last id of the previous page.

        Raises NotFound if `before` is not a session of the team.
        """
        query = _sessions(team_id, wanted).limit(limit)

        async def read(connection: AsyncConnection) -> Sequence[Session]:
            page = query if before is None else query.where(await _after(connection, team_id, before))
            return [Session(*row) for row in await connection.execute(page)]

        return await self._database.read(read)

    async def providers(self, team_id: UUID) -> list[str]:
        """Return the names of the agents whose sessions the team has, sorted."""
        query = select(SessionRow.provider).where(SessionRow.team_id == team_id).distinct().order_by(SessionRow.provider)

        async def read(connection: AsyncConnection) -> list[str]:
            return list(await connection.scalars(query))

        return await self._database.read(read)

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
        query = query.where(holds_words(named, wanted.title_words))
    return query.order_by(SessionRow.started_at.desc().nulls_last(), SessionRow.id)


async def _after(connection: AsyncConnection, team_id: UUID, session_id: UUID) -> ColumnElement[bool]:
    """Build the condition for sessions that follow a given one in the list's order. Raises NotFound for an unknown session."""
    query = select(SessionRow.started_at).where(SessionRow.id == session_id, SessionRow.team_id == team_id)
    place = (await connection.execute(query)).one_or_none()
    if place is None:
        raise NotFound(f"There is no session {session_id} to continue from: start again without `before`.")
    started, later_id = place.started_at, SessionRow.id > session_id
    if started is None:
        return and_(SessionRow.started_at.is_(None), later_id)
    same = and_(SessionRow.started_at == started, later_id)
    return or_(SessionRow.started_at < started, same, SessionRow.started_at.is_(None))
