"""Knows whose sessions are captured: by which ways each developer's sessions of each agent come, and when something last did.

A pause is the developer's own machine's affair, which tells the server nothing: what can be told here is for how long nothing came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import cachebox
import structlog
from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app import clock
from app.accounts.accounts import Accounts
from app.accounts.requester import PERMISSIONS, Requester
from app.errors import CairnError
from app.queue.jobs import Done, Handler, Job, Progress
from app.sessions.event import CaptureWay
from app.sessions.tables import CaptureRow, SessionRow
from app.storage.database import Database, rows_of

log = structlog.get_logger()

NOTED_SECONDS, NOTED = 60.0, 10_000
"""A way is noted at most once in this time; and how many are remembered for that."""
LISTED_SECONDS, LISTED = 60.0, 1000
"""For so long a list serves pages, and how many lists: what they tell is no more exact."""
COUNTED = timedelta(days=30)
SILENT = timedelta(days=7)
"""Longer than a weekend and a short illness: whoever was heard of within this time is not silent."""


@dataclass(frozen=True, slots=True)
class UsedWay:
    """A way that was used. `first_at`, `last_at`: when something first and last came by it, to within a minute."""

    way: CaptureWay
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class AgentSessions:
    """A developer's sessions of an agent, of which something came in the last 30 days. `recent`: those with an event in that time."""

    recent: int
    last_event_at: datetime | None


@dataclass(frozen=True, slots=True)
class Capture:
    """A developer and an agent whose sessions are captured, and how. `developer` None: the admin key, or somebody who is gone.

    `agent` None: nothing of the developer came by a noted way, nor in the last 30 days. `ways`: the latest first; empty: from before they
    were noted. `last_event_at`: when the last event happened of what came in the last 30 days. `silent`: nothing has come, nor happened,
    for SILENT.
    """

    developer: str | None
    agent: str | None
    ways: Sequence[UsedWay] = ()
    sessions: int = 0
    last_event_at: datetime | None = None
    silent: bool = False


class Captures:
    """Notes what comes, and lists it."""

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self._database = database
        self._accounts = accounts
        self._lately: cachebox.TTLCache[tuple[UUID, UUID | None], Sequence[Capture]] = cachebox.TTLCache(LISTED, LISTED_SECONDS)
        self._noted: cachebox.TTLCache[tuple[UUID, UUID, str, CaptureWay], bool] = cachebox.TTLCache(NOTED, NOTED_SECONDS)

    async def record(self, team_id: UUID, developer_id: UUID | None, agent: str, way: CaptureWay) -> None:
        """Note that something of a developer's (None: an admin's) sessions came. Where that fails, what came is stored all the same."""
        key = (team_id, developer_id or team_id, agent, way)
        if self._noted.get(key):
            return
        self._noted[key] = True
        row = upsert(CaptureRow).values(team_id=team_id, owner_id=developer_id or team_id, developer_id=developer_id, agent=agent, way=way)
        again = row.on_conflict_do_update(index_elements=["team_id", "owner_id", "agent", "way"], set_={"last_at": func.now()})
        try:
            async with self._database.begin() as connection:
                await connection.execute(again)
        except CairnError as error:
            self._noted.pop(key, None)
            log.warning("captures.not_noted", code=error.code)

    def of_uploads(self, ingest: Handler) -> Handler:
        """Wrap the handler of uploads: of the sessions that it stored, note that they came by an upload."""

        async def run(job: Job, progress: Progress) -> Done:
            done = await ingest(job, progress)
            if job.team_id is not None:
                for agent in await self._agents([UUID(each) for each in done.result["sessions"]]):
                    await self.record(job.team_id, job.developer_id, agent, "upload")
            return done

        return run

    async def _agents(self, session_ids: Sequence[UUID]) -> Collection[str]:
        """Return the agents of sessions that were stored just now, which a replica may not have yet; none where that fails."""
        agents = select(SessionRow.provider).where(SessionRow.id == any_(bindparam("ids", type_=ARRAY(Uuid)))).distinct()
        try:
            async with self._database.begin() as connection:
                return list(await connection.scalars(agents, {"ids": session_ids}))
        except CairnError as error:
            log.warning("captures.not_noted", code=error.code)
            return ()

    async def lately(self, requester: Requester) -> Sequence[Capture]:
        """Return the list as of at most a minute ago: a page that is loaded again with each event may ask for it each time."""
        requester.check("read")
        key = (requester.team_id, _only(requester))
        found: Sequence[Capture] | None = self._lately.get(key)
        if found is None:
            found = self._lately[key] = await self.list(requester)
        return found

    async def list(self, requester: Requester) -> Sequence[Capture]:
        """List whose sessions of the team are captured, by developer and agent; for whom only their own concern, those."""
        requester.check("read")
        only = _only(requester)
        ways = select(CaptureRow.owner_id, CaptureRow.agent, CaptureRow.way, CaptureRow.first_at, CaptureRow.last_at)
        ways = ways.where(CaptureRow.team_id == requester.team_id).order_by(CaptureRow.last_at.desc())
        at, now = func.coalesce(SessionRow.ended_at, SessionRow.started_at, SessionRow.file_dated_at), clock.now()
        counts = select(SessionRow.developer_id, SessionRow.provider, func.count().filter(at >= now - COUNTED), func.max(at))
        counts = counts.where(SessionRow.team_id == requester.team_id, SessionRow.updated_at >= now - COUNTED)
        counts = counts.group_by(SessionRow.developer_id, SessionRow.provider)
        if only is not None:
            ways, counts = ways.where(CaptureRow.owner_id == only), counts.where(SessionRow.developer_id == only)
        used: defaultdict[tuple[UUID, str], list[UsedWay]] = defaultdict(list)
        for owner_id, agent, way, first_at, last_at in await self._database.read(rows_of(ways)):
            used[owner_id, agent].append(UsedWay(cast("CaptureWay", way), first_at, last_at))
        found = {(row[0] or requester.team_id, row[1]): AgentSessions(*row[2:]) for row in await self._database.read(rows_of(counts))}
        members = await self._accounts.list_developers(team_id=requester.team_id)
        names = {each.id: each.name for each in members if only is None or each.id == only}
        expected = [each.name for each in members if each.id in names and "write" in PERMISSIONS[each.role]]
        return compose(names, used, found, expected=expected, now=now)


def _only(requester: Requester) -> UUID | None:
    """Return the developer whose sessions alone concern the requester; None: those of the whole team do."""
    return None if requester.may("read_captures") else requester.developer_id


def compose(
    names: dict[UUID, str],
    used: dict[tuple[UUID, str], list[UsedWay]],
    sessions: dict[tuple[UUID, str], AgentSessions],
    *,
    expected: Iterable[str],
    now: datetime,
) -> list[Capture]:
    """Compose the list, by developer and agent: what came by noted ways, what is in the journal, and of whom there is nothing.

    Keys: the developer's id (an admin's: the team's) and the agent. `expected`: developers who may send sessions.
    """
    found: list[Capture] = []
    for key in used.keys() | sessions.keys():
        ways, held = used.get(key, []), sessions.get(key, AgentSessions(0, None))
        heard = [each.last_at for each in ways] + ([] if held.last_event_at is None else [held.last_event_at])
        silent = bool(heard) and max(heard) < now - SILENT
        found.append(Capture(names.get(key[0]), key[1], tuple(ways), held.recent, held.last_event_at, silent))
    there = {each.developer for each in found}
    found += [Capture(name, None) for name in expected if name not in there]
    return sorted(found, key=lambda each: (each.developer is None, each.developer or "", each.agent or ""))
