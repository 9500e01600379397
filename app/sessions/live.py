"""Live sessions: journals events as they arrive and schedules their projection.

Many requests share one transaction (group commit, `storage.grouped`); each is answered once its own events are committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import cachebox
import structlog

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.errors import NotFound, NotPermitted, Unavailable
from app.sessions.append import Appended, EventBatch
from app.sessions.captures import Captures
from app.sessions.event import CaptureWay, Event, GivenEvent, SessionHeader, too_many_events
from app.sessions.journal import LIVE_AFTER, LIVE_NAME, Journal, stored_agent
from app.sessions.live_events import event_of
from app.sessions.placing import check_open_to, project_of
from app.settings import SessionsSettings
from app.storage.database import Database
from app.storage.grouped import GroupCommit
from app.telemetry import metrics

log = structlog.get_logger()

GENERIC = "generic"
"""Provider of the sessions that a program sends event by event."""
EVENTS_TOGETHER = 400
"""Events per shared transaction: writing them takes 8 ms of the event loop, the longest that a query may wait."""
KNOWN_SESSIONS = 10_000
AdmittedKey: TypeAlias = tuple[UUID, SessionHeader, str | None, UUID | None, frozenset[UUID]]
"""Team, session, named project, developer and the projects that are closed to them."""


@dataclass(frozen=True, slots=True)
class LiveResult:
    """The result of a live request."""

    session_id: UUID
    accepted: int
    duplicates: int
    redactions: dict[str, int]


class LiveIntake:
    """Accepts events of sessions that are still going on."""

    def __init__(self, *, limits: SessionsSettings, database: Database, accounts: Accounts, journal: Journal, captures: Captures) -> None:
        self._limits = limits
        self._database = database
        self._accounts = accounts
        self._journal = journal
        self._captures = captures
        self._admitted: cachebox.LRUCache[AdmittedKey, UUID] = cachebox.LRUCache(KNOWN_SESSIONS)
        self._appends: GroupCommit[EventBatch, Appended | None] = GroupCommit(
            self._write, max_weight=EVENTS_TOGETHER, name="live events", weight=lambda each: len(each.rows)
        )

    async def receive(self, requester: Requester, session: str, given: Sequence[GivenEvent], *, project: str | None) -> LiveResult:
        """Append the events that a requester's program sent. See `append`."""
        requester.check("write")
        return await self._counted(requester, SessionHeader(GENERIC, session), [event_of(each) for each in given], project, "events")

    async def capture(self, requester: Requester, session: SessionHeader, events: Sequence[Event], project: str | None) -> UUID:
        """Append what a hook of the requester's IDE told, and return the session's id in the journal. See `append`."""
        requester.check("write")
        return (await self._counted(requester, session, events, project, "hook")).session_id

    async def _counted(
        self, requester: Requester, session: SessionHeader, events: Sequence[Event], project: str | None, way: CaptureWay
    ) -> LiveResult:
        team_id, developer_id = requester.team_id, requester.developer_id
        done = await self.append(
            team_id=team_id, developer_id=developer_id, session=session, project=project, events=events, closed=requester.closed
        )
        await self._captures.record(team_id, developer_id, stored_agent(session), way)
        metrics.live_events(accepted=done.accepted, duplicates=done.duplicates)
        metrics.redacted(done.redactions)
        return done

    async def append(
        self,
        *,
        team_id: UUID,
        developer_id: UUID | None,
        session: SessionHeader,
        project: str | None,
        events: Sequence[Event],
        closed: frozenset[UUID] = frozenset(),
    ) -> LiveResult:
        """Append to the session of this header, creating it if new; later headers fill its gaps. Idempotent by event id.

        A generic session may be named by its id in Cairn too. `project` None: by where the session works. The events are all provisional,
        or none. `closed`: the projects that are closed to the developer: where these change, who was admitted is checked anew.
        NotPermitted: it is another developer's, or of a project that is closed to this one.
        """
        if len(events) > self._limits.max_live_events:
            raise too_many_events(len(events), limit=self._limits.max_live_events)
        who = (team_id, session, project, developer_id, closed)
        known: UUID | None = self._admitted.get(who)
        if known is not None:
            try:
                return await self._append(known, events)
            except NotFound:  # purged meanwhile: a new session begins under this name
                self._admitted.pop(who, None)
        admitted = await self._admit(team_id, developer_id, session, project)
        done = await self._append(admitted, events)
        self._admitted[who] = admitted
        return done

    async def _append(self, session_id: UUID, events: Sequence[Event]) -> LiveResult:
        rows = await self._journal.storable(events)
        appended = await self._appends.submit(EventBatch(session_id, rows))
        if appended is None:  # not written with the group: append alone, waiting for the lock and raising the real error
            appended = await self._journal.append_rows(session_id, rows, from_file=False)
        return LiveResult(session_id, appended.new, appended.known + len(events) - len(rows), dict(appended.redactions))

    async def _write(self, additions: Sequence[EventBatch]) -> list[Appended | Exception | None]:
        try:
            async with self._database.begin() as connection:
                return list(await self._journal.write(connection, additions, wait=False, after=LIVE_AFTER))
        except Unavailable:
            raise
        except Exception:
            log.exception("live.not_together", requests=len(additions))
            return [None] * len(additions)  # one of them can't be written: retried alone, only its own request fails

    async def _admit(self, team_id: UUID, developer_id: UUID | None, header: SessionHeader, project: str | None) -> UUID:
        """Return the session's id, creating the session if needed. NotPermitted as `append`."""
        known = await self._journal.resolve(team_id, header.external_id) if header.provider == GENERIC else None
        async with self._database.begin() as connection:  # rolled back where it isn't permitted
            if known is None:
                project_id = await project_of(connection, self._accounts, team_id, header, project)
                known = await self._journal.open(
                    connection,
                    team_id=team_id,
                    project_id=project_id,
                    developer_id=developer_id,
                    header=header,
                    transcript=f"{LIVE_NAME}{header.external_id}",
                )
            if not await self._journal.may_add(connection, known, developer_id):
                raise NotPermitted(
                    "Only the developer who began this session, or the admin key, can add to it; an admin's own key can't. Choose "
                    "another session id."
                )
            await check_open_to(connection, self._accounts, await self._journal.project_of(connection, known), developer_id)
        return known
