"""Checkpoints of projections in PostgreSQL: read, advanced by optimistic concurrency, parked, counted. Knows no projection's work."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Text, Uuid, and_, bindparam, case, column, func, literal, or_, select, true, update, values
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound
from app.sessions.journal import SESSION_COLUMNS
from app.sessions.projections import Checkpoint, Overtaken
from app.sessions.session import Session
from app.sessions.tables import CheckpointRow as Row
from app.sessions.tables import EventRow, SessionRow
from app.storage.database import Database, rows_of

SETTLED = timedelta(minutes=15)
"""A session whose checkpoint lags this long after its last change has lost its catch-up job. Longer than `journal.BULK_AFTER`."""
PARKED_SHOWN = 20
OUTDATED = "outdated"
"""Stands for the version of what is to be processed again: no projection has this one."""


@dataclass(frozen=True, slots=True)
class ProjectionBacklog:
    """Numbers of sessions that a projection has yet to catch up with (`behind`) or is parked on (`parked`)."""

    behind: int
    parked: int


@dataclass(frozen=True, slots=True)
class ParkedSession:
    """A session that a projection failed on. `retry_at` None: no retry until the projection's version changes."""

    projection: str
    session_id: UUID
    reason: str
    attempts: int
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """One projection's checkpoint in one session, for display; None if it has not begun."""

    projection: str
    checkpoint: Checkpoint | None


class Checkpoints:
    """The store of the projections' checkpoints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, team_id: UUID, session_id: UUID, projection: str) -> tuple[Session, Checkpoint | None, int | None]:
        """Read a session, a projection's checkpoint and the lowest seq changed since, in one snapshot. NotFound as `Journal.get`."""
        found = await self._database.read(rows_of(_READ, {"team": team_id, "session": session_id, "projection": projection}))
        if not found:
            raise NotFound(f"There is no session {session_id}. List them: GET /v1/sessions or `cairn sessions list`.")
        told, checkpoint, changed = found[0][: len(SESSION_COLUMNS)], found[0][len(SESSION_COLUMNS) : -1], found[0][-1]
        return Session(*told), None if checkpoint[0] is None else Checkpoint(*checkpoint), changed

    async def advance(
        self,
        connection: AsyncConnection,
        session: Session,
        projection: str,
        before: Checkpoint | None,
        *,
        version: str,
        seq: int,
    ) -> Checkpoint:
        """Move a checkpoint on in the caller's transaction, by compare-and-swap against `before`. Raises Overtaken if it has changed."""
        new = {
            "version": version,
            "seq": seq,
            "revision": session.revision,
            "parked": None,
            "attempts": 0,
            "retry_at": None,
            "updated_at": func.clock_timestamp(),
        }
        if before is None:
            row = upsert(Row).values(session_id=session.id, projection=projection, **new).on_conflict_do_nothing()
            moved = (await connection.execute(row.returning(*_COLUMNS))).one_or_none()
        else:
            moved = (
                await connection.execute(update(Row).where(_is_unchanged(session.id, projection, before)).values(new).returning(*_COLUMNS))
            ).one_or_none()
        if moved is None:
            raise Overtaken
        return Checkpoint(*moved)

    async def park(
        self, session_id: UUID, projection: str, before: Checkpoint | None, *, version: str, reason: str, pause: timedelta | None
    ) -> None:
        """Record that a projection failed on a session. A checkpoint of another version is reset to seq 0.

        `pause`: delay before the next attempt; None: none in this version. Does nothing if another process has moved the checkpoint
        or the session is gone.
        """
        kept = before is not None and before.version == version
        new = {
            "version": version,
            "seq": before.seq if before is not None and kept else 0,
            "revision": before.revision if before is not None and kept else 0,
            "parked": reason,
            "attempts": (before.attempts if before is not None and kept else 0) + 1,
            "retry_at": None if pause is None else func.clock_timestamp() + pause,
            "updated_at": func.clock_timestamp(),
        }
        async with self._database.begin() as connection:
            held = select(SessionRow.id).where(SessionRow.id == session_id).with_for_update(read=True, key_share=True)
            if await connection.scalar(held) is None:
                return
            if before is None:
                await connection.execute(upsert(Row).values(session_id=session_id, projection=projection, **new).on_conflict_do_nothing())
            else:
                await connection.execute(update(Row).where(_is_unchanged(session_id, projection, before)).values(new))

    async def outdate(self, connection: AsyncConnection, projection: str, project_id: UUID) -> int:
        """Have a projection process a project's sessions again, from their beginning, in the caller's transaction; return their number.

        A run that has begun is overtaken, a session's first one too. The backfill brings them up to date, latest first; one that grows
        meanwhile goes before them.
        """
        new = {"version": OUTDATED, "seq": 0, "revision": 0, "attempts": 0}
        theirs = select(SessionRow.id, *(literal(each) for each in (projection, *new.values()))).where(SessionRow.project_id == project_id)
        # In order, so that two of these don't lock each other out; held, so that none is purged before its row is there.
        held = theirs.order_by(SessionRow.id).with_for_update(read=True, key_share=True)
        row = upsert(Row).from_select(["session_id", "projection", *new], held)
        anew = new | {"parked": None, "retry_at": None, "updated_at": func.clock_timestamp()}
        return (await connection.execute(row.on_conflict_do_update(index_elements=["session_id", "projection"], set_=anew))).rowcount

    async def is_current(self, connection: AsyncConnection, session_id: UUID, versions: Mapping[str, str]) -> bool:
        """Tell whether every projection has caught up with a session or is parked on it; locks the session in the caller's transaction.

        Returns False without waiting if the session is locked or gone.
        """
        held = select(SessionRow.id).where(SessionRow.id == session_id).with_for_update(key_share=True, skip_locked=True)
        if await connection.scalar(held) is None:
            return False
        wanted = _wanted(versions)
        query = select(func.count()).select_from(SessionRow).join(wanted, true()).outerjoin(Row, _joined(wanted))
        return not await connection.scalar(query.where(SessionRow.id == session_id, _is_behind(wanted), Row.parked.is_(None)))

    async def statuses(self, session_id: UUID, projections: Sequence[str]) -> list[ProjectionStatus]:
        """Return each projection's checkpoint in a session."""
        query = select(Row.projection, *_COLUMNS).where(Row.session_id == session_id)
        async with self._database.begin() as connection:
            found = {row[0]: Checkpoint(*row[1:]) for row in await connection.execute(query)}
        return [ProjectionStatus(name, found.get(name)) for name in projections]

    async def due(
        self, versions: Mapping[str, str], *, limit: int, settled: bool = False, without: Collection[UUID] = ()
    ) -> list[tuple[UUID, UUID]]:
        """Return (team, session) ids that need a backfill, latest first: outdated version, retry due, or catch-up job lost.

        `settled`: only sessions that haven't changed for SETTLED. `without`: ids of teams and of sessions that are left out.
        """
        if not versions:
            return []
        wanted = _wanted(versions)
        quiet = func.now() - SETTLED  # a session that changed later still has a catch-up job of its own
        old = Row.version != wanted.c.version
        again = and_(Row.parked.is_not(None), Row.version == wanted.c.version, Row.retry_at < quiet)
        lost = and_(Row.parked.is_(None), _is_behind(wanted), SessionRow.updated_at < quiet)
        query = (
            select(SessionRow.team_id, SessionRow.id)
            .join(wanted, true())
            .outerjoin(Row, _joined(wanted))
            .where(SessionRow.event_count > 0, or_(old, again, lost))
            .where(SessionRow.team_id.not_in(without), SessionRow.id.not_in(without))
            .where(*([SessionRow.updated_at < quiet] if settled else []))
            .group_by(SessionRow.id)
            .order_by(SessionRow.started_at.desc().nulls_last(), SessionRow.id)
            .limit(limit)
        )
        async with self._database.begin() as connection:
            return [(row.team_id, row.id) for row in await connection.execute(query)]

    async def backlog(self, versions: Mapping[str, str]) -> dict[str, ProjectionBacklog]:
        """Count, by projection, the sessions that it lags behind on and those it is parked on."""
        if not versions:
            return {}
        wanted = _wanted(versions)
        parked = and_(Row.parked.is_not(None), Row.version == wanted.c.version)
        query = (
            select(
                wanted.c.name,
                func.count(case((~func.coalesce(parked, literal(value=False)), 1))).label("behind"),
                func.count(case((parked, 1))).label("parked"),
            )
            .select_from(SessionRow)
            .join(wanted, true())
            .outerjoin(Row, _joined(wanted))
            .where(SessionRow.event_count > 0, _is_behind(wanted))
            .group_by(wanted.c.name)
        )
        async with self._database.begin() as connection:
            found = {row.name: ProjectionBacklog(row.behind, row.parked) for row in await connection.execute(query)}
        return {name: found.get(name, ProjectionBacklog(0, 0)) for name in versions}

    async def parked(
        self, versions: Mapping[str, str], *, team_id: UUID | None = None, closed: Collection[UUID] = ()
    ) -> list[ParkedSession]:
        """Return the sessions parked in a projection's present version, latest first, but those of the projects `closed`.

        `team_id` None: of all teams.
        """
        if not versions:
            return []
        wanted = _wanted(versions)
        query = (
            select(Row.projection, Row.session_id, Row.parked, Row.attempts, Row.retry_at)
            .join(wanted, and_(wanted.c.name == Row.projection, wanted.c.version == Row.version))
            .join(SessionRow, SessionRow.id == Row.session_id)
            .where(Row.parked.is_not(None))
            .order_by(Row.updated_at.desc())
            .limit(PARKED_SHOWN)
        )
        if team_id is not None:
            query = query.where(SessionRow.team_id == team_id)
        if closed:
            query = query.where(SessionRow.project_id.not_in(closed))
        async with self._database.begin() as connection:
            found = await connection.execute(query)
            return [ParkedSession(row.projection, row.session_id, row.parked or "", row.attempts, row.retry_at) for row in found]


def _wanted(versions: Mapping[str, str]):  # type: ignore[no-untyped-def]
    return values(column("name", Text), column("version", Text), name="wanted").data(list(versions.items()))


def _joined(wanted: object) -> ColumnElement[bool]:
    return and_(Row.session_id == SessionRow.id, Row.projection == wanted.c.name)  # type: ignore[attr-defined]


def _is_behind(wanted: object) -> ColumnElement[bool]:
    return or_(
        Row.version.is_(None),
        Row.version != wanted.c.version,  # type: ignore[attr-defined]
        Row.seq < SessionRow.event_count,
        Row.revision < SessionRow.revision,
    )


def _is_unchanged(session_id: UUID, projection: str, before: Checkpoint) -> ColumnElement[bool]:
    same = (Row.version == before.version, Row.seq == before.seq, Row.revision == before.revision, Row.attempts == before.attempts)
    return and_(Row.session_id == session_id, Row.projection == projection, *same)


_COLUMNS = [getattr(Row, each.name) for each in fields(Checkpoint)]
_CHANGED = select(func.min(EventRow.seq)).where(EventRow.session_id == SessionRow.id, EventRow.changed > Row.revision)
_READ = (
    select(*SESSION_COLUMNS, *_COLUMNS, _CHANGED.correlate(SessionRow, Row).scalar_subquery())
    .select_from(SessionRow)
    .outerjoin(Row, and_(Row.session_id == SessionRow.id, Row.projection == bindparam("projection", type_=Text)))
    .where(SessionRow.id == bindparam("session", type_=Uuid), SessionRow.team_id == bindparam("team", type_=Uuid))
)
