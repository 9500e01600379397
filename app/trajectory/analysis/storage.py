"""Stores the analysis of sessions in PostgreSQL, part by part with its checkpoint. Knows no analyzer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Integer, Uuid, and_, bindparam, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.projections import Checkpointed
from app.sessions.session import Session
from app.storage.database import Database
from app.trajectory.analysis.findings import ToldFinding
from app.trajectory.analysis.part_writing import AnalysisWrite, write_part
from app.trajectory.analysis.step_blocks import BLOCK_STEPS, StepBlock
from app.trajectory.analysis.tables import AnalysisRow, AnalysisStateRow, ExchangeRow, FindingRow, StepBlockRow, ViolationRow
from app.trajectory.analysis.violations import note_unkept, note_violations
from app.trajectory.patterns.tables import TroubleEpisodeRow

STATE_DAYS = 7
"""A session that grows again after so long is analysed from its beginning: states are what takes most room."""
SWEPT = 1_000
_TABLES = (AnalysisStateRow, FindingRow, ExchangeRow, StepBlockRow, TroubleEpisodeRow)


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The place from which a session's analysis goes on: after `seq`, from `state`; 0 and none: at the beginning. `block`: the one that `seq` is in."""

    seq: int = 0
    state: bytes = b""
    block: StepBlock | None = None


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
            undone = () if given.remembered is None else await self._return_to(connection, session.id, given.after, given.remembered)
            await write_part(connection, session, given, undone)
            await note_violations(connection, session, given.part.findings)
            if given.last:
                await note_unkept(connection, session, given.part.standings)

    async def delete(self, connection: AsyncConnection, session_id: UUID) -> int:
        """Delete a session's analysis in the caller's transaction. Returns the number of its findings."""
        if await connection.scalar(delete(AnalysisRow).where(AnalysisRow.session_id == session_id).returning(AnalysisRow.seq)) is None:
            return 0  # every part writes it: without it there is nothing
        gone = {table: await connection.execute(delete(table).where(table.session_id == session_id)) for table in _TABLES}
        return gone[FindingRow].rowcount

    async def move(self, connection: AsyncConnection, project_id: UUID, into: UUID) -> None:
        """Move what was found in a project's sessions to another, in the transaction that merges them."""
        for table in (FindingRow, ViolationRow, TroubleEpisodeRow):
            await connection.execute(update(table).where(table.project_id == project_id).values(project_id=into))

    async def sweep(self) -> int:
        """Delete states that are older than STATE_DAYS; return their number."""
        row = AnalysisStateRow
        old = select(row.session_id, row.seq).where(row.created_at < func.now() - timedelta(days=STATE_DAYS)).limit(SWEPT)
        async with self._database.begin() as connection:
            return (await connection.execute(delete(row).where(tuple_(row.session_id, row.seq).in_(old)))).rowcount

    async def _return_to(
        self, connection: AsyncConnection, session_id: UUID, after: int, remembered: Sequence[ToldFinding]
    ) -> Sequence[ToldFinding]:
        """Undo what was told after a seq; after 0 everything. Returns the findings that are to be told as they were before."""
        if after == 0:
            await self.delete(connection, session_id)
            return ()
        values = {"session": session_id, "after": after, "block": -(-after // BLOCK_STEPS)}
        gone = {tuple(row) for row in await connection.execute(_RETURN_TO, values)}
        return [each for each in remembered if each.key in gone]


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
    delete(TroubleEpisodeRow).where(TroubleEpisodeRow.session_id == _SESSION, TroubleEpisodeRow.told > _AFTER).cte("later_episodes"),
)
"""Deletes what was told after a seq, in one statement; returns the keys of the findings."""
