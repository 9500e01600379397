"""Keeps the violations of policies that count: each event that broke one once, however often its session is read, and over all servers.

A violation counts once SETTLING is over and it still stands; one at a session's end a day after its last change (END_AFTER).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, delete, exists, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.sessions.session import Session
from app.storage.database import Database
from app.trajectory.analysis.findings import ToldFinding
from app.trajectory.analysis.tables import FindingRow, ViolationRow
from app.trajectory.policies.views import PolicyStanding

SETTLING: Final = timedelta(minutes=1)
"""A result that comes late may take a violation back: until then it isn't counted."""
END_AFTER: Final = timedelta(days=1)
"""A session without a change for so long has ended: what was demanded and hasn't come is a violation. A later event takes that back."""
RECENT: Final = timedelta(days=1)
"""People are told of violations that happened so short a time before they were noted, not of those in old transcripts."""
MAX_DUE: Final = 2_000
"""Violations that are counted in one transaction; the next ones a period later."""
_Key = tuple[UUID, str, int]


@dataclass(frozen=True, slots=True)
class NotedViolation:
    """A violation that is due to count. `seq`: of the event that broke the policy, or with `at_end` since which it is unkept."""

    session_id: UUID
    policy: str
    seq: int
    team_id: UUID
    project_id: UUID
    at_end: bool
    recent: bool

    @property
    def key(self) -> _Key:
        return self.session_id, self.policy, self.seq


class PolicyViolations:
    """Reads the violations that are due, and notes which were counted and which people were told of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self) -> Sequence[NotedViolation]:
        """Return violations that are due and still stand, the first ones; delete those that don't stand any more."""
        async with self._database.begin() as connection:
            await connection.execute(delete(ViolationRow).where(_DUE, ~ViolationRow.at_end, ~_STANDS))
            rows = await connection.execute(select(*_COLUMNS).where(_DUE).order_by(ViolationRow.due_at).limit(MAX_DUE))
            return [NotedViolation(*row) for row in rows]

    async def take(self, connection: AsyncConnection, due: Sequence[NotedViolation]) -> list[NotedViolation]:
        """Note them as counted, in the caller's transaction; return those that nobody had taken."""
        key = tuple_(ViolationRow.session_id, ViolationRow.policy, ViolationRow.seq)
        wanted = update(ViolationRow).where(_DUE, key.in_([each.key for each in due])).values(counted_at=func.clock_timestamp())
        taken = {tuple(row) for row in await connection.execute(wanted.returning(*_KEY))}
        return [each for each in due if each.key in taken]

    async def take_untold(self, connection: AsyncConnection, taken: Sequence[NotedViolation]) -> list[NotedViolation]:
        """Note that people are told of them, in the caller's transaction; return the first of each session and policy they weren't told of.

        The caller sees to it that only one transaction at a time does this.
        """
        pairs = tuple_(ViolationRow.session_id, ViolationRow.policy)
        first = {(each.session_id, each.policy): each for each in sorted(taken, key=lambda each: each.seq, reverse=True)}
        told = select(ViolationRow.session_id, ViolationRow.policy).where(pairs.in_(list(first)), ViolationRow.alerted)
        for row in await connection.execute(told):
            first.pop((row.session_id, row.policy), None)
        keys = [each.key for each in first.values()]
        key = tuple_(ViolationRow.session_id, ViolationRow.policy, ViolationRow.seq)
        await connection.execute(update(ViolationRow).where(key.in_(keys)).values(alerted=True))
        return list(first.values())


async def note_violations(connection: AsyncConnection, session: Session, findings: Sequence[ToldFinding]) -> None:
    """Note the violations among findings that are stored, in the same transaction. Those noted before stay as they are."""
    now = clock.now()
    broken = [each for each in findings if each.kind == "policy" and not each.open]
    rows = [
        _row(session, each.name, each.last, at_end=False, recent=_is_recent(each.ended_at, now), due_at=now + SETTLING) for each in broken
    ]
    if rows:
        await connection.execute(upsert(ViolationRow).on_conflict_do_nothing(), rows)


async def note_unkept(connection: AsyncConnection, session: Session, standings: Sequence[PolicyStanding]) -> None:
    """Note what would be a violation if the session ended here, instead of what was noted so of an earlier end and didn't count yet."""
    due_at = session.updated_at + END_AFTER
    recent = _is_recent(session.at, session.updated_at)
    rows = [_row(session, each.policy, each.evidence[0], at_end=True, recent=recent, due_at=due_at) for each in standings if each.evidence]
    earlier = and_(ViolationRow.session_id == session.id, ViolationRow.at_end, ViolationRow.counted_at.is_(None))
    await connection.execute(delete(ViolationRow).where(earlier))
    if rows:
        await connection.execute(upsert(ViolationRow).on_conflict_do_nothing(), rows)


def has_ended(session: Session) -> bool:
    """Tell whether a session counts as ended: it hasn't changed for END_AFTER."""
    return clock.now() - session.updated_at >= END_AFTER


def _is_recent(at: datetime | None, noted: datetime) -> bool:
    return at is None or noted - at <= RECENT


def _row(session: Session, policy: str, seq: int, *, at_end: bool, recent: bool, due_at: datetime) -> dict[str, object]:
    place = {"session_id": session.id, "policy": policy, "seq": seq, "team_id": session.team_id, "project_id": session.project_id}
    return place | {"at_end": at_end, "recent": recent, "due_at": due_at}


_KEY = (ViolationRow.session_id, ViolationRow.policy, ViolationRow.seq)
_COLUMNS = (*_KEY, ViolationRow.team_id, ViolationRow.project_id, ViolationRow.at_end, ViolationRow.recent)
_DUE = and_(ViolationRow.counted_at.is_(None), ViolationRow.due_at <= func.now())
_STANDS = exists().where(
    FindingRow.session_id == ViolationRow.session_id,
    FindingRow.kind == "policy",
    FindingRow.name == ViolationRow.policy,
    FindingRow.first == ViolationRow.seq,
)
