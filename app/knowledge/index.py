"""The index of items and passages in the vector store: fed from the outbox, rebuilt from PostgreSQL, never the source of truth."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, VectorStoreUnavailable
from app.knowledge import changes, points
from app.knowledge.tables import OutboxRow
from app.part import Loop
from app.storage.database import Database
from app.storage.vectors.store import Sink, Staging, VectorStore

log = structlog.get_logger()

BATCH = 256
DRAINED_KEPT = timedelta(hours=1)
"""Drained rows are kept at least this long, and throughout a rebuild, which catches up from them."""
_DRAIN_LOCK, _REBUILD_LOCK, _SWEEP_LOCK = 0xCA1C_0001, 0xCA1C_0003, 0xCA1C_0004
"""Advisory locks: one drain at a time, so that an older state of a point can't overwrite a newer one; one rebuild; no sweep during it."""
SLACK_POINTS, SLACK_SHARE = 10, 0.01
"""Missing points that `check` tolerates: deletions race with the count."""
CHECKED_SECONDS = 30.0
MAX_FEED_PAUSE_SECONDS = 5.0
"""Between two tries while the store is away: who ingests waits for it."""


Progress = Callable[[int, int], None]
"""(done, total)."""
Copy = Callable[[str, datetime | None, Progress], Awaitable[int]]
"""Runs `copy_all` (`since` None) or `catch_up` in another process, into the index under construction at a place; returns the count."""


def _ignore_progress(done: int, total: int) -> None:
    """Ignore the progress."""
    del done, total


class Index:
    """Feeds, checks and rebuilds the index.

    `complete`: False once a check has found points missing, as when the store was created anew or restored from an old copy.
    `copy`: does the copying of a rebuild in another process; without it, this process's event loop does, and is slower for others.
    """

    def __init__(self, database: Database, vectors: VectorStore, *, copy: Copy | None = None) -> None:
        self._database = database
        self._vectors = vectors
        self._copy_elsewhere = copy
        self._checked = -math.inf
        self.complete = True

    async def check(self) -> bool:
        """Compare the index's number of points with PostgreSQL's, less what waits in the outbox; set and return `complete`."""
        waiting = select(OutboxRow.point_id).where(OutboxRow.drained_at.is_(None))
        async with self._database.begin() as connection:
            expected = await points.count(connection, but=waiting)
        status = await self._vectors.status()
        missing = expected - status.points
        empty = expected > 0 and status.points == 0
        self.complete = not status.unfilled and not empty and missing <= max(SLACK_POINTS, SLACK_SHARE * expected)
        self._checked = time.monotonic()
        if not self.complete:
            log.warning("index.incomplete", expected=expected, missing=missing, unfilled=status.unfilled)
        return self.complete

    async def require(self) -> None:
        """Raise VectorStoreUnavailable while points are missing: known items would be stored again as new."""
        if not self.complete or time.monotonic() - self._checked > CHECKED_SECONDS:
            await self.check()
        if not self.complete:
            raise VectorStoreUnavailable(
                "The vector index lacks entries that PostgreSQL has. The server rebuilds it automatically; `cairn index rebuild` "
                "does so at once."
            )

    async def drain(self) -> int:
        """Apply one batch of the outbox to the index; return its size. Idempotent; safe to interrupt and to run in several processes."""
        async with self._database.begin() as connection:
            await _lock_drain(connection)
            rows = (
                await connection.execute(
                    select(OutboxRow.id, OutboxRow.point_id, OutboxRow.project_id)
                    .where(OutboxRow.drained_at.is_(None))
                    .order_by(OutboxRow.id)
                    .limit(BATCH)
                )
            ).all()
            if not rows:
                return 0
            await _apply(connection, self._vectors, [row.point_id for row in rows])
            await connection.execute(
                update(OutboxRow).where(OutboxRow.id.in_([row.id for row in rows])).values(drained_at=func.clock_timestamp())
            )
            await changes.invalidate_after_indexing(connection, {row.project_id for row in rows})
            return len(rows)

    async def drain_to(self, mark: int) -> None:
        """Drain until everything up to this outbox id is searchable. Raises Unavailable while the vector store is away."""
        while await self.pending(mark):
            await self.drain()

    async def pending(self, mark: int | None = None) -> int:
        """Return the number of changes (up to `mark`) that the index hasn't applied yet."""
        query = select(func.count()).select_from(OutboxRow).where(OutboxRow.drained_at.is_(None))
        async with self._database.begin() as connection:
            return await connection.scalar(query if mark is None else query.where(OutboxRow.id <= mark)) or 0

    def loops(self, *, poll_seconds: float) -> tuple[Loop, ...]:
        """Return the feed, for a worker: it drains without a pause after a full batch."""
        drained = 0

        async def step() -> None:
            nonlocal drained
            drained = 0
            drained = await self.drain()

        return (
            Loop(
                name="knowledge.feed",
                step=step,
                pause=lambda: 0.0 if drained >= BATCH else poll_seconds,
                max_backoff_seconds=MAX_FEED_PAUSE_SECONDS,
                meanwhile="New sessions can't be found by search yet.",
            ),
        )

    async def sweep(self) -> int:
        """Delete rows drained longer than DRAINED_KEPT ago, except during a rebuild, which catches up from them. Returns their number."""
        async with self._database.begin() as connection:
            if not await connection.scalar(select(func.pg_try_advisory_xact_lock(_SWEEP_LOCK))):
                return 0
            gone = await connection.execute(delete(OutboxRow).where(OutboxRow.drained_at < func.now() - DRAINED_KEPT))
            return gone.rowcount

    async def rebuild(self, progress: Progress = _ignore_progress) -> int:
        """Build a new index from PostgreSQL beside the live one, catch up, and swap them. Returns the number of points.

        Searches and drains continue; drains wait only for the last catch-up and the swap. Conflict while any process's rebuild runs.
        """
        async with self._exclusively(), self._vectors.rebuild() as staging:
            async with self._database.begin() as connection:
                began = await _moment(connection)
            done = await self._copy(staging, progress)
            await staging.optimize()
            async with self._database.begin() as connection:
                again = await _moment(connection)
            await self._catch_up(staging, began)
            async with self._database.begin() as connection:
                await _lock_drain(connection)
                await catch_up(connection, staging, again)
                await staging.commit()
                await changes.invalidate_all(connection)
            log.info("index.rebuilt", points=done)
            self.complete = True
            return done

    @asynccontextmanager
    async def _exclusively(self) -> AsyncIterator[None]:
        async with self._database.begin() as guard:
            await _without_idle_limit(guard)
            if not await guard.scalar(select(func.pg_try_advisory_xact_lock(_REBUILD_LOCK))):
                raise Conflict("The index is already being rebuilt: wait until that is done.")
            await guard.execute(select(func.pg_advisory_xact_lock_shared(_SWEEP_LOCK)))
            yield

    async def _copy(self, staging: Staging, progress: Progress) -> int:
        if self._copy_elsewhere is not None:
            return await self._copy_elsewhere(staging.place, None, progress)
        return await copy_all(self._database, staging, progress)

    async def _catch_up(self, staging: Staging, since: datetime) -> None:
        """Run the long catch-up, during which drains continue."""
        if self._copy_elsewhere is not None:
            await self._copy_elsewhere(staging.place, since, _ignore_progress)
            return
        async with self._database.begin() as connection:
            await catch_up(connection, staging, since)


async def copy_all(database: Database, target: Sink, progress: Progress) -> int:
    """Copy every item and passage, page by page, in transactions of their own. Returns their number."""
    async with database.begin() as connection:
        total = await points.count(connection)
    done = 0
    async for page in points.read_pages(database, page=BATCH):
        await target.upsert(page)
        done += len(page)
        progress(done, max(done, total))
    return done


async def catch_up(connection: AsyncConnection, target: Sink, since: datetime) -> int:
    """Copy what is undrained or was drained since then: earlier changes were committed, and copied, before. Returns their number."""
    await _without_idle_limit(connection)
    changed = await connection.scalars(
        select(OutboxRow.point_id).where(or_(OutboxRow.drained_at.is_(None), OutboxRow.drained_at >= since)).distinct()
    )
    ids = list(changed)
    for start in range(0, len(ids), BATCH):
        await _apply(connection, target, ids[start : start + BATCH])
    return len(ids)


async def _moment(connection: AsyncConnection) -> datetime:
    """Return PostgreSQL's clock, by which rows are marked as drained."""
    found: datetime = (await connection.scalars(select(func.clock_timestamp()))).one()
    return found


async def _without_idle_limit(connection: AsyncConnection) -> None:
    """Lift the idle limit from this transaction, which sends PostgreSQL nothing while it waits for the vector store."""
    await connection.exec_driver_sql("set local idle_in_transaction_session_timeout = 0")


async def _lock_drain(connection: AsyncConnection) -> None:
    await _without_idle_limit(connection)
    await connection.execute(select(func.pg_advisory_xact_lock(_DRAIN_LOCK)))


async def _apply(connection: AsyncConnection, target: Sink, ids: Sequence[UUID]) -> None:
    """Write the points' present state: the outbox only says that they changed, so order and repetition don't matter."""
    found = await points.read(connection, set(ids))
    if found:
        await target.upsert(found)
    if gone := set(ids) - {point.id for point in found}:
        await target.delete(sorted(gone))
