"""A session that is still going on: its events into the journal as they come, and a job that learns from it soon.

Many requests share a transaction (`storage.grouped`): each is answered when its own has been committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import cachebox
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.accounts.accounts import Accounts
from app.errors import InvalidInput, NotFound, NotPermitted, Unavailable
from app.queue.jobs import Queue, Wanted
from app.sessions.event import Event, SessionHeader
from app.sessions.journal import Appended, Journal
from app.sessions.together import Addition, append_together
from app.settings import Sessions as Limits
from app.storage.database import Database
from app.storage.grouped import Grouped

log = structlog.get_logger()

LEARN = "learn"
LEARN_AFTER = timedelta(seconds=1)
"""A live session is learnt from this long after it said something: what it says meanwhile is learnt in one go."""
UNNAMED_PROJECT = "default"
EVENTS_TOGETHER = 400
"""In one transaction: writing them takes 8 ms of our loop, and a query waits no longer than that."""
KNOWN_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Live:
    """What a live request added."""

    session_id: UUID
    accepted: int
    duplicates: int
    redactions: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Request:
    addition: Addition
    team_id: UUID
    developer_id: UUID | None


class LiveIntake:
    def __init__(self, *, limits: Limits, database: Database, accounts: Accounts, queue: Queue, journal: Journal) -> None:
        self._limits = limits
        self._database = database
        self._accounts = accounts
        self._queue = queue
        self._journal = journal
        self._admitted: cachebox.LRUCache[tuple[UUID, str, UUID | None], UUID] = cachebox.LRUCache(KNOWN_SESSIONS)
        self._appends: Grouped[_Request, Appended | None] = Grouped(
            self._write, most=EVENTS_TOGETHER, name="live events", weight=lambda each: len(each.addition.rows)
        )

    async def append(self, *, team_id: UUID, developer_id: UUID | None, session: str, project: str | None, events: Sequence[Event]) -> Live:
        """Append to the session of this name, which may be new. Idempotent by event id. NotPermitted: it is another developer's."""
        if len(events) > self._limits.max_live_events:
            raise InvalidInput(f"At most {self._limits.max_live_events} events in one request: send them in parts.")
        who = (team_id, session, developer_id)
        known: UUID | None = self._admitted.get(who)
        if known is not None:
            try:
                return await self._append(known, team_id, developer_id, events)
            except NotFound:  # purged since: as with any other name, a new session begins
                self._admitted.pop(who, None)
        admitted = await self._admit(team_id, developer_id, session, project)
        done = await self._append(admitted, team_id, developer_id, events)
        self._admitted[who] = admitted
        return done

    async def _append(self, session_id: UUID, team_id: UUID, developer_id: UUID | None, events: Sequence[Event]) -> Live:
        rows = await self._journal.storable(events)
        request = _Request(Addition(session_id, rows), team_id, developer_id)
        appended = await self._appends.submit(request)
        if appended is None:
            appended = await self._journal.append_rows(session_id, rows)
            async with self._database.begin() as connection:
                await self._enqueue(connection, [request])
        return Live(session_id, appended.new, appended.known + len(events) - len(rows), dict(appended.redactions))

    async def _write(self, requests: Sequence[_Request]) -> list[Appended | Exception | None]:
        try:
            async with self._database.begin() as connection:
                answers = await append_together(connection, [each.addition for each in requests])
                await self._enqueue(connection, [each for each, answer in zip(requests, answers, strict=True) if answer is not None])
        except Unavailable:
            raise
        except Exception:
            log.exception("live.not_together", requests=len(requests))
            return [None] * len(requests)  # one of them can't be written: alone, only its own sender hears of it
        return list(answers)

    async def _enqueue(self, connection: AsyncConnection, requests: Sequence[_Request]) -> None:
        """In the transaction of the events: what is stored is learnt."""
        wanted = {each.addition.session_id: each for each in requests}
        jobs = [
            Wanted(str(session_id), {"session_id": str(session_id)}, each.team_id, each.developer_id) for session_id, each in wanted.items()
        ]
        await self._queue.enqueue_once(connection, kind=LEARN, wanted=jobs, run_at=clock.now() + LEARN_AFTER)

    async def _admit(self, team_id: UUID, developer_id: UUID | None, session: str, project: str | None) -> UUID:
        """The session's id; begun where there is none. NotPermitted for another developer's."""
        known = await self._journal.resolve(team_id, session)
        async with self._database.begin() as connection:
            if known is None:
                project_id = await self._accounts.project_id(connection, team_id, project or UNNAMED_PROJECT)
                header = SessionHeader(provider="generic", external_id=session)
                known = await self._journal.open(
                    connection,
                    team_id=team_id,
                    project_id=project_id,
                    developer_id=developer_id,
                    header=header,
                    transcript=f"live:{session}",
                )
            if not await self._journal.may_add(connection, known, developer_id):
                raise NotPermitted("Only the developer who began this session or an admin can add to it: choose another session id.")
        return known
