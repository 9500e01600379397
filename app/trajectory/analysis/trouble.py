"""Tells where a team's sessions get stuck: on what, how long, how it ended, and how that changes by week. Nobody's name, and no words.

Each trouble is told once: where a loop shows that a session is stuck, the loop. Bounded: a number of weeks, of kinds of trouble and of cases; of
what has no time nothing is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Date,
    DateTime,
    Uuid,
    all_,
    and_,
    bindparam,
    case,
    distinct,
    exists,
    extract,
    func,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from app import clock
from app.accounts.requester import Requester
from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow
from app.trajectory.analysis.tables import FindingRow

WEEKS: Final = 12
MAX_KINDS, MAX_CASES = 30, 30
TROUBLE: Final = ("stuck", "blocked", "off_track")
"""Health that is told; of loops all, each as being stuck."""
OPEN_WITHIN: Final = timedelta(hours=1)
"""A session that stands still for longer is in no trouble any more."""


@dataclass(frozen=True, slots=True)
class TroubleWeek:
    """Numbers of times that trouble (`name`: of TROUBLE) began in the week of this Monday (UTC), and of sessions."""

    week: date
    name: str
    times: int
    sessions: int


@dataclass(frozen=True, slots=True)
class TroubleKind:
    """A kind of trouble with one tool (empty: none). `seconds`: how long it lasted, the median; `unended`: it held at the session's end."""

    kind: str
    name: str
    tool: str
    times: int
    sessions: int
    seconds: float | None
    unended: int


@dataclass(frozen=True, slots=True)
class TroubleCase:
    """One time that a session got stuck, with the seqs of its stretch. `open`: it held at the session's end."""

    session_id: UUID
    project_id: UUID
    kind: str
    name: str
    tool: str
    first: int
    last: int
    began_at: datetime
    seconds: float | None
    open: bool


@dataclass(frozen=True, slots=True)
class TeamTrouble:
    """The trouble of a team's sessions over the last WEEKS weeks, the commonest kinds and the latest cases first."""

    since: date
    weeks: Sequence[TroubleWeek]
    kinds: Sequence[TroubleKind]
    cases: Sequence[TroubleCase]


class TroubleReader:
    """Reads a team's trouble, without that of projects which are closed to the requester."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def show(self, requester: Requester, *, project_id: UUID | None = None) -> TeamTrouble:
        """Show the trouble of the team's sessions, or of one project's."""
        requester.check("read")
        today = clock.now().date()
        since = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
        values = {"team": requester.team_id, "since": since, "closed": list(requester.closed), "project": project_id}
        weeks = [TroubleWeek(row.week.date(), row.name, row.times, row.sessions) for row in await self._read(_WEEKS, values)]
        kinds = [TroubleKind(*row) for row in await self._read(_KINDS, values)]
        return TeamTrouble(since, weeks, kinds, [TroubleCase(*row) for row in await self._read(_CASES, values)])

    async def open_now(self) -> Mapping[tuple[str, str], int]:
        """Count the trouble of all teams that holds at the end of sessions which it held in within the last OPEN_WITHIN, by kind and name."""
        return {(row.kind, row.name): row.times for row in await self._read(_OPEN, {"since": clock.now() - OPEN_WITHIN})}

    async def _read(self, statement: Any, values: dict[str, object]) -> Sequence[AnyRow]:
        return await self._database.read(rows_of(statement, values))


_OPEN = (
    select(FindingRow.kind, FindingRow.name, func.count().label("times"))
    .where(
        FindingRow.open,
        FindingRow.kind.in_(("health", "loop")),
        or_(FindingRow.kind == "loop", FindingRow.name.in_(TROUBLE)),
        FindingRow.ended_at > bindparam("since", type_=DateTime(timezone=True)),
    )
    .group_by(FindingRow.kind, FindingRow.name)
    .limit(MAX_KINDS)
)
_TEAM, _SINCE = bindparam("team", type_=Uuid()), bindparam("since", type_=Date())
_PROJECT = bindparam("project", type_=Uuid())
_Loop = aliased(FindingRow)
_IS_LOOP = FindingRow.kind == "loop"
_SHOWN_BY_A_LOOP = and_(
    FindingRow.name == "stuck",
    exists().where(
        _Loop.session_id == FindingRow.session_id, _Loop.kind == "loop", _Loop.first <= FindingRow.last, _Loop.last >= FindingRow.first
    ),
)
_WITHIN = and_(
    FindingRow.team_id == _TEAM,
    FindingRow.kind.in_(("health", "loop")),
    or_(_IS_LOOP, and_(FindingRow.name.in_(TROUBLE), not_(_SHOWN_BY_A_LOOP))),
    FindingRow.began_at >= _SINCE,
    FindingRow.project_id != all_(bindparam("closed", type_=ARRAY(Uuid()))),
    or_(_PROJECT.is_(None), FindingRow.project_id == _PROJECT),
)
# A clock may have jumped back; `greatest` alone would make 0 of what is unknown.
_SECONDS = case((FindingRow.ended_at.is_not(None), func.greatest(extract("epoch", FindingRow.ended_at - FindingRow.began_at), 0)))
_TIMES, _SESSIONS = func.count(), func.count(distinct(FindingRow.session_id))
_week = func.date_trunc("week", func.timezone("UTC", FindingRow.began_at)).label("week")
_state = case((_IS_LOOP, literal_column("'stuck'")), else_=FindingRow.name).label("name")
_WEEKS = (
    select(_week, _state, _TIMES.label("times"), _SESSIONS.label("sessions"))
    .where(_WITHIN)
    .group_by(_week, _state)
    .order_by(_week, _state)
    .limit(WEEKS * len(TROUBLE))
)
_KINDS = (
    select(
        FindingRow.kind,
        FindingRow.name,
        FindingRow.tool,
        _TIMES,
        _SESSIONS,
        func.percentile_cont(0.5).within_group(_SECONDS.asc()),
        func.count(case((FindingRow.open, 1))),
    )
    .where(_WITHIN)
    .group_by(FindingRow.kind, FindingRow.name, FindingRow.tool)
    .order_by(_TIMES.desc(), FindingRow.kind, FindingRow.name, FindingRow.tool)
    .limit(MAX_KINDS)
)
_CASES = (
    select(
        FindingRow.session_id,
        FindingRow.project_id,
        FindingRow.kind,
        FindingRow.name,
        FindingRow.tool,
        FindingRow.first,
        FindingRow.last,
        FindingRow.began_at,
        _SECONDS,
        FindingRow.open,
    )
    .where(_WITHIN)
    .order_by(FindingRow.began_at.desc(), FindingRow.session_id, FindingRow.kind, FindingRow.name)
    .limit(MAX_CASES)
)
