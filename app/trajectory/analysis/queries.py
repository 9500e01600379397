"""Queries over stored analyses, bounded; they check no permission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Integer, Uuid, and_, bindparam, func, or_, select, tuple_

from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow
from app.trajectory.analysis.exchanges import SessionExchange
from app.trajectory.analysis.findings import ToldFinding
from app.trajectory.analysis.step_blocks import BLOCK_STEPS, StepBlock
from app.trajectory.analysis.tables import AnalysisRow, ExchangeRow, FindingRow, StepBlockRow
from app.trajectory.policies.views import PolicyStanding

MAX_SHOWN_FINDINGS: Final = 200
"""Findings of one kind that are read of a stretch: the first ones."""
RECENT_EVENTS, MAX_STREAKS = 20, 20


@dataclass(frozen=True, slots=True)
class FindingPage:
    """Findings of a stretch in order. `left_out`: more of the stretch, and those of the whole session that were not stored."""

    findings: Sequence[ToldFinding] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True, order=True)
class FindingPosition:
    """A place among what was written of a session's findings: the session's revision then, and the event that told it."""

    revision: int = 0
    told: int = 0


class AnalysisQueries:
    """Reads what is stored of a session's analysis."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def exchanges(self, session_id: UUID, *, after: int, limit: int) -> Sequence[SessionExchange]:
        """Return exchanges with a number above `after`, in order."""
        rows = await self._read(_EXCHANGES, session=session_id, after=after, most=limit)
        return [replace(SessionExchange(*row), files=tuple(row.files)) for row in rows]

    async def findings(self, session_id: UUID, *, first: int, last: int) -> FindingPage:
        """Return what was found in the stretch of these seqs, up to MAX_SHOWN_FINDINGS of a kind."""
        stretch = {"session": session_id, "first": first, "last": last}
        found = [_finding(each) for each in await self._read(_FINDINGS, **stretch)]
        (counted,) = await self._read(_COUNTED, **stretch)
        return FindingPage(found, counted.stored - len(found) + (counted.left_out or 0))

    async def standings(self, session_id: UUID) -> Sequence[PolicyStanding]:
        """Return the verdicts on the policies, as the session stood when it was last read."""
        rows = await self._read(_VERDICTS, session=session_id)
        return [PolicyStanding.of_values(each) for each in rows[0].verdicts] if rows else ()

    async def blocks(self, session_id: UUID, *, first: int, last: int) -> Sequence[StepBlock]:
        """Return the blocks that hold the steps of these seqs, in order."""
        numbers = {"first": (first - 1) // BLOCK_STEPS, "last": (last - 1) // BLOCK_STEPS}
        return [StepBlock(*row) for row in await self._read(_BLOCKS, session=session_id, **numbers)]

    async def streaks(self, session_id: UUID) -> Sequence[ToldFinding]:
        """Return the loops that go on and the rules that were broken within the session's last RECENT_EVENTS, the latest told first."""
        return [_finding(each) for each in await self._read(_STREAKS, session=session_id)]

    async def told_since(self, session_id: UUID, position: FindingPosition, *, limit: int) -> Sequence[tuple[FindingPosition, ToldFinding]]:
        """Return what was written of a session's findings after a position, in the order of writing, each with its own position.

        Findings of one position are never parted: up to `limit`, or all of the first position.
        """
        values = {"revision": position.revision, "told": position.told, "most": limit + 1}
        rows = await self._read(_TOLD_SINCE, session=session_id, **values)
        found = [(FindingPosition(row.revision, row.told), _finding(row[:-1])) for row in rows]
        if len(found) > limit and found[0][0] != found[-1][0]:
            found = [each for each in found if each[0] != found[-1][0]]
        return found

    async def _read(self, statement: Any, **values: object) -> Sequence[AnyRow]:
        return await self._database.read(rows_of(statement, values))


def _finding(row: Sequence[Any]) -> ToldFinding:
    told = ToldFinding(*row)
    return replace(told, evidence=tuple(told.evidence))


_SESSION = bindparam("session", type_=Uuid())
_FIRST, _LAST = bindparam("first", type_=Integer()), bindparam("last", type_=Integer())
_EXCHANGES = (
    select(*(getattr(ExchangeRow, each.name) for each in fields(SessionExchange)))
    .where(ExchangeRow.session_id == _SESSION, ExchangeRow.number > bindparam("after"))
    .order_by(ExchangeRow.number)
    .limit(bindparam("most"))
)
_VERDICTS = select(AnalysisRow.verdicts).where(AnalysisRow.session_id == _SESSION)
_TOLD = [getattr(FindingRow, each.name) for each in fields(ToldFinding)]
_WITHIN = and_(FindingRow.session_id == _SESSION, FindingRow.first <= _LAST, FindingRow.last >= _FIRST)
_place = func.row_number().over(partition_by=FindingRow.kind, order_by=(FindingRow.first, FindingRow.name))
_ranked = select(*_TOLD, _place.label("place")).where(_WITHIN).subquery("ranked")
_FINDINGS = (
    select(*(_ranked.c[each.name] for each in fields(ToldFinding)))
    .where(_ranked.c.place <= MAX_SHOWN_FINDINGS)
    .order_by(_ranked.c.first, _ranked.c.kind, _ranked.c.name)
)
_COUNTED = select(
    select(func.count()).select_from(FindingRow).where(_WITHIN).scalar_subquery().label("stored"),
    select(AnalysisRow.left_out).where(AnalysisRow.session_id == _SESSION).scalar_subquery().label("left_out"),
)
_STREAKS = (
    select(*_TOLD)
    .join(AnalysisRow, AnalysisRow.session_id == FindingRow.session_id)
    .where(FindingRow.session_id == _SESSION, FindingRow.told > AnalysisRow.seq - RECENT_EVENTS)
    .where(or_(FindingRow.kind == "policy", and_(FindingRow.kind == "loop", FindingRow.open)))
    .order_by(FindingRow.told.desc(), FindingRow.first)
    .limit(MAX_STREAKS)
)
_TOLD_SINCE = (
    select(*_TOLD, FindingRow.revision)
    .where(
        FindingRow.session_id == _SESSION,
        tuple_(FindingRow.revision, FindingRow.told) > tuple_(bindparam("revision", type_=Integer()), bindparam("told", type_=Integer())),
    )
    .order_by(FindingRow.revision, FindingRow.told, FindingRow.kind, FindingRow.name)
    .limit(bindparam("most"))
)
_BLOCKS = (
    select(StepBlockRow.number, StepBlockRow.phases, StepBlockRow.symbols)
    .where(StepBlockRow.session_id == _SESSION, StepBlockRow.number.between(_FIRST, _LAST))
    .order_by(StepBlockRow.number)
)
