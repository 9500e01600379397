"""Keeps the ledger right when processes die: heartbeat, sweep of dead processes' holds, postponed ends, stray holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.budget.ledger import Ledger
from app.budget.tables import HoldRow, ProcessRow
from app.part import Loop
from app.storage.database import Database

log = structlog.get_logger()

BEAT_SECONDS = 5.0
SWEEP_BATCH = 500
MIN_STRAY_SECONDS = 10.0
DIED = "its process died before its end was known"


class HoldSweeper:
    """One in each process that takes holds. `silent_seconds`: without a heartbeat for this long, a process counts as dead."""

    def __init__(self, database: Database, ledger: Ledger, *, process_id: UUID, silent_seconds: float) -> None:
        self._database = database
        self._ledger = ledger
        self._process_id = process_id
        self._silent = timedelta(seconds=silent_seconds)
        self._stray_seconds = max(MIN_STRAY_SECONDS, 2 * ledger.timeout_seconds)
        """Age of a hold from which its answer can't be still on its way."""
        self._beat_seconds = min(BEAT_SECONDS, silent_seconds / 3)

    async def open(self) -> None:
        """Write the first heartbeat, before the first hold."""
        await self._beat()

    def loops(self) -> tuple[Loop, ...]:
        """Return the maintenance loop. A failure is retried within a beat, since a process silent for longer counts as dead."""
        return (
            Loop(
                name="budget.hold_sweeper",
                step=self.maintain,
                pause=self._beat_seconds,
                at_once=False,
                max_backoff_seconds=self._beat_seconds,
                meanwhile="Reservations of dead processes stay open, and settlements that wait for PostgreSQL are not written.",
            ),
        )

    async def maintain(self) -> None:
        """Write the heartbeat and the postponed ends, release stray holds, sweep the holds of dead processes."""
        await self._beat()
        await self._ledger.catch_up()
        await self._ledger.release_strays(await self._own_open_holds())
        await self.sweep()

    async def sweep(self) -> int:
        """Leave the open holds of dead processes unreconciled: they stay charged until an admin closes them. Returns how many."""
        swept = 0
        while ids := await self._orphans():
            await self._ledger.mark_all_unreconciled(ids, DIED)
            swept += len(ids)
        if swept:
            log.warning("budget.swept", holds=swept)
        async with self._database.begin() as connection:
            await connection.execute(delete(ProcessRow).where(ProcessRow.seen_at < func.now() - 10 * self._silent))
        return swept

    async def close(self) -> None:
        """Sign off: holds that are still open (there should be none) are then swept by others at once."""
        async with self._database.begin() as connection:
            await connection.execute(delete(ProcessRow).where(ProcessRow.id == self._process_id))

    async def _beat(self) -> None:
        row = upsert(ProcessRow).values(id=self._process_id)
        async with self._database.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["id"], set_={"seen_at": func.now()}))

    async def _own_open_holds(self) -> Sequence[UUID]:
        """Find this process's open holds that are old enough for their answer to have arrived."""
        doubtful = func.now() - timedelta(seconds=self._stray_seconds)
        query = select(HoldRow.id).where(HoldRow.state == "held", HoldRow.process_id == self._process_id, HoldRow.created_at < doubtful)
        async with self._database.begin() as connection:
            return (await connection.scalars(query)).all()

    async def _orphans(self) -> Sequence[UUID]:
        dead = or_(ProcessRow.id.is_(None), ProcessRow.seen_at < func.now() - self._silent)
        query = (
            select(HoldRow.id)
            .outerjoin(ProcessRow, ProcessRow.id == HoldRow.process_id)
            .where(HoldRow.state == "held", dead)
            .limit(SWEEP_BATCH)
        )
        async with self._database.begin() as connection:
            return (await connection.scalars(query)).all()
