"""Stores the analysis of sessions in PostgreSQL, part by part with its checkpoint. Knows no analyzer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Uuid, and_, bindparam, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.projections import Checkpointed
from app.sessions.session import Session
from app.storage.database import Database
from app.trajectory.analysis.findings import ToldFinding
from app.trajectory.analysis.session_analysis import AnalysedPart
from app.trajectory.analysis.snapshots import kept_seqs
from app.trajectory.analysis.step_blocks import BLOCK_STEPS, StepBlock
from app.trajectory.analysis.tables import AnalysisRow, AnalysisStateRow, ExchangeRow, FindingRow, StepBlockRow, ViolationRow
from app.trajectory.analysis.violations import note_unkept, note_violations

STATE_DAYS = 7
"""A session that grows again after so long is analysed from its beginning: states are what takes most room."""
ROWS = 500
"""Rows of one INSERT."""
SWEPT = 1_000
_TABLES = (AnalysisStateRow, FindingRow, ExchangeRow, StepBlockRow)


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The place from which a session's analysis goes on: after `seq`, from `state`; 0 and none: at the beginning. `block`: the one that `seq` is in."""

    seq: int = 0
    state: bytes = b""
    block: StepBlock | None = None


@dataclass(frozen=True, slots=True)
class AnalysisWrite:
    """A part of a session's analysis to store. `after`: the seq that the run began after. `states`: by seq. `last`: it reaches the end.

    `remembered`: the run's first part only, else None: findings as they were told up to `after`. What was told later is undone.
    """

    part: AnalysedPart
    after: int
    states: Mapping[int, bytes]
    made_by: str
    last: bool
    remembered: Sequence[ToldFinding] | None


class AnalysisStore:
    """Reads and writes the analysis of sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def resume(self, session_id: UUID, after: int, made_by: str) -> ResumePoint:
        """Return the last stored state at or before `after` that the same analyzers gave."""
        values = {"session": session_id, "after": after, "made_by": made_by}
        async with self._database.begin() as connection:
            row = (await connection.execute(_RESUME, values)).one_or_none()
        if row is None:
            return ResumePoint()
        return ResumePoint(row.seq, row.state, None if row.number is None else StepBlock(row.number, row.phases, row.symbols))

    async def write(self, session: Session, given: AnalysisWrite, checkpointed: Checkpointed) -> None:
        """Store a part, and move the checkpoint, in one transaction; the first part of a run replaces all that came after `after`."""
        async with self._database.begin() as connection:
            # First of all: another process that is at the same session waits here, and then finds that it was overtaken.
            await checkpointed(connection, None if given.last else given.part.upto)
            if given.remembered is not None:
                await self._return_to(connection, session, given.after, given.remembered)
            await _write_findings(connection, session, given.part.findings)
            await note_violations(connection, session, given.part.findings)
            await _write_rows(connection, session.id, given)
            if given.last:
                await note_unkept(connection, session, given.part.standings)
            if given.last and given.after:  # else there are no others
                await _drop_states(connection, session.id, kept_seqs(given.part.upto))

    async def delete(self, connection: AsyncConnection, session_id: UUID) -> int:
        """Delete a session's analysis in the caller's transaction. Returns the number of its findings."""
        if await connection.scalar(delete(AnalysisRow).where(AnalysisRow.session_id == session_id).returning(AnalysisRow.seq)) is None:
            return 0  # every part writes it: without it there is nothing
        gone = {table: await connection.execute(delete(table).where(table.session_id == session_id)) for table in _TABLES}
        return gone[FindingRow].rowcount

    async def move(self, connection: AsyncConnection, project_id: UUID, into: UUID) -> None:
        """Move what was found in a project's sessions to another, in the transaction that merges them."""
        for table in (FindingRow, ViolationRow):
            await connection.execute(update(table).where(table.project_id == project_id).values(project_id=into))

    async def sweep(self) -> int:
        """Delete states that are older than STATE_DAYS; return their number."""
        row = AnalysisStateRow
        old = select(row.session_id, row.seq).where(row.created_at < func.now() - timedelta(days=STATE_DAYS)).limit(SWEPT)
        async with self._database.begin() as connection:
            return (await connection.execute(delete(row).where(tuple_(row.session_id, row.seq).in_(old)))).rowcount

    async def _return_to(self, connection: AsyncConnection, session: Session, after: int, remembered: Sequence[ToldFinding]) -> None:
        """Undo what was told after a seq; after 0 everything."""
        if after == 0:
            await self.delete(connection, session.id)
            return
        values = {"session": session.id, "after": after, "block": -(-after // BLOCK_STEPS)}
        gone = {tuple(row) for row in await connection.execute(_RETURN_TO, values)}
        await _write_findings(connection, session, [each for each in remembered if each.key in gone])


async def _write_findings(connection: AsyncConnection, session: Session, told: Sequence[ToldFinding]) -> None:
    ours = {"session_id": session.id, "team_id": session.team_id, "project_id": session.project_id, "revision": session.revision}
    rows = [asdict(each) | ours for each in sorted(told, key=lambda each: each.key)]
    await _upsert(connection, FindingRow, rows, _KEY_NAMES)


async def _write_rows(connection: AsyncConnection, session_id: UUID, given: AnalysisWrite) -> None:
    part, ours = given.part, {"session_id": session_id}
    exchanges = [ours | asdict(each) for each in part.exchanges]
    await _upsert(connection, ExchangeRow, [each | {"files": list(each["files"])} for each in exchanges], ("session_id", "number"))
    await _upsert(connection, StepBlockRow, [ours | asdict(each) for each in part.blocks], ("session_id", "number"))
    states = [ours | {"seq": seq, "state": state, "made_by": given.made_by} for seq, state in sorted(given.states.items())]
    await _upsert(connection, AnalysisStateRow, states, ("session_id", "seq"))
    verdicts = [each.as_values() for each in part.standings]
    analysis = ours | {"made_by": given.made_by, "seq": part.upto, "left_out": part.left_out, "verdicts": verdicts}
    await _upsert(connection, AnalysisRow, [analysis], ("session_id",))


async def _upsert(connection: AsyncConnection, table: Any, rows: Sequence[Mapping[str, Any]], key: tuple[str, ...]) -> None:
    """Insert rows, in order; a row of the same key takes their values."""
    for start in range(0, len(rows), ROWS):
        page = rows[start : start + ROWS]
        statement = upsert(table)
        changed = {name: statement.excluded[name] for name in page[0] if name not in key}
        await connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), page)


async def _drop_states(connection: AsyncConnection, session_id: UUID, kept: Collection[int]) -> None:
    ours = and_(AnalysisStateRow.session_id == session_id, AnalysisStateRow.seq.not_in(kept))
    await connection.execute(delete(AnalysisStateRow).where(ours))


_KEY_NAMES = ("session_id", "kind", "name", "first")
_SESSION, _AFTER = bindparam("session", type_=Uuid()), bindparam("after", type_=Integer())
_block_of = and_(
    StepBlockRow.session_id == AnalysisStateRow.session_id,
    StepBlockRow.number == AnalysisStateRow.seq // BLOCK_STEPS,
    AnalysisStateRow.seq % BLOCK_STEPS != 0,
)
_same_code = and_(AnalysisRow.session_id == AnalysisStateRow.session_id, AnalysisRow.made_by == AnalysisStateRow.made_by)
_RESUME = (
    select(AnalysisStateRow.seq, AnalysisStateRow.state, StepBlockRow.number, StepBlockRow.phases, StepBlockRow.symbols)
    .join(AnalysisRow, _same_code)
    .outerjoin(StepBlockRow, _block_of)
    .where(AnalysisStateRow.session_id == _SESSION, AnalysisStateRow.seq <= _AFTER, AnalysisStateRow.made_by == bindparam("made_by"))
    .order_by(AnalysisStateRow.seq.desc())
    .limit(1)
)
_later_findings = (
    delete(FindingRow)
    .where(FindingRow.session_id == _SESSION, FindingRow.told > _AFTER)
    .returning(FindingRow.kind, FindingRow.name, FindingRow.first)
    .cte("later_findings")
)
_RETURN_TO = select(_later_findings).add_cte(
    delete(ExchangeRow).where(ExchangeRow.session_id == _SESSION, ExchangeRow.first > _AFTER).cte("later_exchanges"),
    delete(StepBlockRow)
    .where(StepBlockRow.session_id == _SESSION, StepBlockRow.number >= bindparam("block", type_=Integer()))
    .cte("later_blocks"),
    delete(AnalysisStateRow).where(AnalysisStateRow.session_id == _SESSION, AnalysisStateRow.seq > _AFTER).cte("later_states"),
)
"""Deletes what was told after a seq, in one statement; returns the keys of the findings."""
