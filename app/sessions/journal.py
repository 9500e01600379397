"""The append-only journal of events. `append` itself redacts, so no way leads past it. Knows no transcript format."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

import cachebox
from sqlalchemy import Uuid, and_, any_, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.errors import NotFound
from app.queue.jobs import LIVE, NORMAL, Queue, Wanted
from app.sessions.append import Addition, Appended, append
from app.sessions.event import Event, SessionHeader, ToolUse, Usage
from app.sessions.redacted import Storable, address, identity, short, size, storable
from app.sessions.tables import EventRow, PurgedSession
from app.sessions.tables import Session as SessionRow
from app.settings import Sessions as Limits
from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow

CATCH_UP = "catch_up"
"""The kind of the jobs that bring a session's projections up to date; their payload names it under `session_id`."""
LIVE_AFTER = timedelta(seconds=1)
"""A live session is projected this long after it said something: what it says meanwhile is done in one go."""
BULK_AFTER = timedelta(minutes=10)
"""An upload's own job projects what it has read, and takes this one back: it is for the case that the upload's job dies."""
FACTS = ("directory", "repository", "branch", "commit", "agent_version", "model")
"""What a header says of a session beside its title and its time."""
CITED_SESSIONS, CITED_SECONDS = 4096, 30.0
"""What citations say of sessions. A purge needn't be told here: what was cut or learnt from a session goes with it."""
WRITTEN_PAGE, READ_PAGE = 500, 200
"""Events in one statement. asyncpg sends rows one by one, so parameters are no limit; memory is."""
INLINE_CHARS = 64_000
"""A batch with more text than this is redacted in a thread: below, the hop costs more than the work."""


@dataclass(frozen=True, slots=True)
class Session:
    """`developer_id`: who ingested it first, and so may delete it. `event_count`: also the last seq. `revision`: raised by every change.

    `redactions`: secrets taken out, by kind.
    """

    id: UUID
    team_id: UUID
    project_id: UUID
    developer_id: UUID | None
    provider: str
    external_id: str
    title: str | None
    transcript: str
    directory: str | None
    repository: str | None
    branch: str | None
    commit: str | None
    agent_version: str | None
    model: str | None
    started_at: datetime | None
    ended_at: datetime | None
    file_dated_at: datetime | None
    event_count: int
    revision: int
    redactions: dict[str, int]
    created_at: datetime
    updated_at: datetime

    @property
    def at(self) -> datetime | None:
        """When it was: by its records, its heading, its file's name or modification time. Never by when it was sent; None: unknown."""
        return self.ended_at or self.started_at or self.file_dated_at

    @property
    def began_at(self) -> datetime | None:
        """When it began, by the same sources: unlike `at` it doesn't move while the session grows."""
        return self.started_at or self.file_dated_at or self.ended_at


@dataclass(frozen=True, slots=True)
class CitedSession:
    """What a citation says of its session."""

    id: UUID
    transcript: str
    title: str | None
    branch: str | None
    commit: str | None


class Journal:
    def __init__(self, database: Database, limits: Limits, queue: Queue) -> None:
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
        """The session of (team, provider, external id): made when it is new. Later headers fill gaps; the first project stays.

        A title that somebody gave takes the place of one that was made.
        """
        provider, external_id = _identity(header)
        facts = {name: short(value) if (value := getattr(header, name)) else None for name in FACTS}
        facts["repository"] = address(header.repository) if header.repository else None
        row = upsert(SessionRow).values(
            team_id=team_id,
            project_id=project_id,
            developer_id=developer_id,
            provider=provider,
            external_id=external_id,
            title=short(header.title) if header.title else None,
            transcript=short(transcript),
            started_at=header.started_at,
            file_dated_at=file_dated_at,
            **facts,
        )
        titles = (row.excluded.title, SessionRow.title) if header.title_given else (SessionRow.title, row.excluded.title)
        filled = row.on_conflict_do_update(
            index_elements=["team_id", "provider", "external_id"],
            set_={
                "title": func.coalesce(*titles),
                "file_dated_at": func.least(SessionRow.file_dated_at, row.excluded.file_dated_at),
                **{name: func.coalesce(getattr(SessionRow, name), row.excluded[name]) for name in FACTS},
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

    async def append(self, session_id: UUID, events: Sequence[Event], *, from_file: bool = True) -> Appended:
        """Redact, then append what is new, in order, in pages that are committed one by one, each with the job that projects it.

        An event id that is known changes nothing, except that a tool call without a result gets it. Two appends to one
        session at once come one after the other. NotFound when the session is gone.
        """
        rows = await self.storable(events)
        appended = await self.append_rows(session_id, rows, from_file=from_file)
        appended.known += len(events) - len(rows)
        return appended

    async def append_rows(self, session_id: UUID, rows: Sequence[Storable], *, from_file: bool) -> Appended:
        """The same, of what `storable` made."""
        total = Appended()
        for start in range(0, len(rows), WRITTEN_PAGE):
            async with self._database.begin() as connection:
                page = Addition(session_id, rows[start : start + WRITTEN_PAGE], from_file=from_file)
                (written,) = await self.write(connection, [page], wait=True, after=BULK_AFTER if from_file else LIVE_AFTER)
            if written is None:
                raise NotFound(f"Session {session_id} was deleted meanwhile: ingest its transcript again.")
            total.new += written.new
            total.updated += written.updated
            total.known += written.known
            total.redactions.update(written.redactions)
        return total

    async def write(
        self, connection: AsyncConnection, additions: Sequence[Addition], *, wait: bool, after: timedelta
    ) -> list[Appended | None]:
        """Append as `append.append` says, and enqueue the job that brings the projections of what changed up to date.

        Both in the caller's transaction: what is stored is projected. One job a session waits at a time; the earliest time counts.
        """
        answers, changed = await append(connection, additions, wait=wait)
        jobs = [Wanted(str(each.session_id), {"session_id": str(each.session_id)}, each.team_id, each.developer_id) for each in changed]
        priority = LIVE if after == LIVE_AFTER else NORMAL
        await self._queue.enqueue_once(connection, kind=CATCH_UP, wanted=jobs, run_at=clock.now() + after, priority=priority)
        return answers

    async def events(self, session_id: UUID, *, after: int = 0, max_output_chars: int | None = None) -> AsyncIterator[Event]:
        """The events of a session in order, read page by page. `max_output_chars`: so much of a tool's output, from its end."""
        async for _, event in self.numbered(session_id, after=after, max_output_chars=max_output_chars):
            yield event

    async def numbered(
        self, session_id: UUID, *, after: int = 0, until: int | None = None, max_output_chars: int | None = None
    ) -> AsyncIterator[tuple[int, Event]]:
        """(seq, event) for each seq above `after`, up to `until`; otherwise as `events`."""
        output = EventRow.tool_output if max_output_chars is None else func.right(EventRow.tool_output, max_output_chars)
        columns = [column for column in EventRow.__table__.c if column.name not in {"session_id", "tool_output", "changed"}]
        query = select(*columns, output.label("output")).where(EventRow.session_id == session_id).order_by(EventRow.seq)
        if until is not None:
            query = query.where(EventRow.seq <= until)
        last, rows = after, None
        while rows is None or len(rows) == READ_PAGE:
            async with self._database.begin() as connection:
                rows = (await connection.execute(query.where(EventRow.seq > last).limit(READ_PAGE))).all()
            for row in rows:
                yield row.seq, event_of(row)
                last = row.seq

    async def get(self, team_id: UUID, session_id: UUID) -> Session:
        """One session. NotFound for an unknown one or another team's."""
        query = select(*SESSION_COLUMNS).where(SessionRow.id == session_id, SessionRow.team_id == team_id)

        async def read(connection: AsyncConnection) -> Session:
            row = (await connection.execute(query)).one_or_none()
            if row is None:  # said within: what a replica hasn't got yet is asked for at the primary
                raise NotFound(f"There is no session {session_id}. List them: GET /v1/sessions.")
            return Session(*row)

        return await self._database.read(read)

    async def cited(self, team_id: UUID, session_ids: Collection[UUID]) -> dict[UUID, CitedSession]:
        """Those of the sessions that are there, by id; one of another team is not. What was read is not read again for a while."""
        found = {session: known for session in session_ids if (known := self._cited.get((team_id, session))) is not None}
        if missing := [session for session in session_ids if session not in found]:
            for row in await self._database.read(rows_of(_CITED, {"team": team_id, "ids": missing})):
                found[row.id] = self._cited[team_id, row.id] = CitedSession(*row)
        return found

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

    async def move(self, connection: AsyncConnection, project_id: UUID, into: UUID) -> int:
        """Give a project's sessions to another one, in the caller's transaction, which holds them against projections. Returns how many."""
        held = select(SessionRow.id).where(SessionRow.project_id == project_id).order_by(SessionRow.id).with_for_update()
        ids = (await connection.scalars(held)).all()
        await connection.execute(update(SessionRow).where(SessionRow.project_id == project_id).values(project_id=into))
        return len(ids)

    async def hold(self, connection: AsyncConnection, session_id: UUID) -> UUID:
        """Keep a session from being deleted or moved until the caller's transaction ends; appends go on. Returns its project.

        NotFound when it is gone already.
        """
        held = select(SessionRow.project_id).where(SessionRow.id == session_id).with_for_update(read=True, key_share=True)
        if (project_id := await connection.scalar(held)) is None:
            raise NotFound(f"Session {session_id} was deleted meanwhile: ingest its transcript again.")
        return project_id

    async def hold_for_purge(self, connection: AsyncConnection, team_id: UUID, session_id: UUID) -> Session:
        """Keep everybody else from a session until the caller's transaction ends. NotFound as for `get`."""
        query = select(*SESSION_COLUMNS).where(SessionRow.id == session_id, SessionRow.team_id == team_id).with_for_update()
        row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"There is no session {session_id}. List them: GET /v1/sessions.")
        return Session(*row)

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


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


def event_of(row: AnyRow) -> Event:
    """Make an event of a row of its table, with its tool's output as `output`."""
    tool = usage = None
    if row.tool_name is not None:
        tool = ToolUse(row.tool_name, row.tool_input or "", row.output or "", row.exit_code)
    if row.input_tokens is not None:
        usage = Usage(row.input_tokens, row.output_tokens or 0, row.cached_tokens or 0, row.cost_nanousd)
    return Event(
        id=row.event_id,
        role=row.role,
        kind=row.kind,
        text=row.text,
        locator=row.locator,
        at=row.at,
        speaker=row.speaker,
        tool=tool,
        outcome=row.outcome,
        sidechain=row.sidechain,
        model=row.model,
        usage=usage,
        parent=row.parent,
        files=tuple(row.files or ()),
    )


SESSION_COLUMNS = [getattr(SessionRow, each.name) for each in fields(Session)]
_CITED = select(*(getattr(SessionRow, each.name) for each in fields(CitedSession))).where(
    SessionRow.team_id == bindparam("team"), SessionRow.id == any_(bindparam("ids", type_=ARRAY(Uuid)))
)
