"""Merges minutes into spans of ten minutes and of an hour, and deletes what is too old. Safe to run from several workers, and again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.alerts import rollup
from app.alerts.rollup import Measured, Reader
from app.alerts.series import SERIES
from app.alerts.tables import AlertHistoryRow, RollupMinute, RollupSpan
from app.storage.database import Database

TEN, HOUR = 600, 3600
"""Seconds of a span."""
MINUTES_KEPT, HOURS_KEPT = timedelta(days=30), timedelta(days=365)
LATE = timedelta(hours=3)
"""A minute may come so late: longer than a recorder keeps it while PostgreSQL is away."""
OVERLAP = timedelta(minutes=1)
"""A minute written while its span is made is seen by the next round."""
AT_ONCE = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCK = 0xCA1C_0A1E


async def age(database: Database, now: datetime) -> int:
    """Make the spans that are over and not made, or whose minutes came late; delete what is too old. Returns how many were made."""
    await _prune(database, now)
    made = 0
    for seconds in (TEN, HOUR):
        async with database.begin() as connection:
            newest = await connection.scalar(select(func.max(RollupSpan.at)).where(RollupSpan.seconds == seconds))
            since = EPOCH if newest is None else newest - LATE
            starts = list(await connection.scalars(_unmade(seconds, since, now)))
        for at in starts:
            async with database.begin() as connection:
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                await _make(connection, seconds, at)
        made += len(starts)
    return made


async def _prune(database: Database, now: datetime) -> None:
    async with database.begin() as connection:
        await connection.execute(delete(RollupMinute).where(RollupMinute.minute < now - MINUTES_KEPT))
        for seconds, kept in ((TEN, MINUTES_KEPT), (HOUR, HOURS_KEPT)):
            await connection.execute(delete(RollupSpan).where(RollupSpan.seconds == seconds, RollupSpan.at < now - kept))
        await connection.execute(delete(AlertHistoryRow).where(AlertHistoryRow.resolved_at < now - HOURS_KEPT))


def _unmade(seconds: int, since: datetime, now: datetime) -> Select[Any]:
    at, written = _below(seconds)
    start = func.date_bin(timedelta(seconds=seconds), at, EPOCH)
    until = now - (now - EPOCH) % timedelta(seconds=seconds)
    parts = select(start.label("at"), func.max(written).label("written_at")).where(at >= since, at < until)
    if seconds == HOUR:
        parts = parts.where(RollupSpan.seconds == TEN)
    below, made = parts.group_by(start).subquery(), aliased(RollupSpan)
    lacks = made.at.is_(None) | (below.c.written_at > made.made_at - OVERLAP)
    query = select(below.c.at).outerjoin(made, (made.at == below.c.at) & (made.seconds == seconds))
    return query.where(lacks).order_by(below.c.at).limit(AT_ONCE)


def _below(seconds: int) -> tuple[InstrumentedAttribute[datetime], InstrumentedAttribute[datetime]]:
    return (RollupMinute.minute, RollupMinute.written_at) if seconds == TEN else (RollupSpan.at, RollupSpan.made_at)


async def _make(connection: AsyncConnection, seconds: int, start: datetime) -> None:
    at, _ = _below(seconds)
    query = select(at.label("at"), RollupMinute.data if seconds == TEN else RollupSpan.data)
    if seconds == HOUR:
        query = query.where(RollupSpan.seconds == TEN)
    rows = (await connection.execute(query.where(at >= start, at < start + timedelta(seconds=seconds)).order_by(at))).all()
    data = rollup.packed(await merged(rows, Reader(SERIES)))
    made = upsert(RollupSpan).values(seconds=seconds, at=start, data=data)
    await connection.execute(made.on_conflict_do_update(index_elements=["seconds", "at"], set_={"data": data, "made_at": func.now()}))


async def merged(rows: Any, reader: Reader) -> Measured:
    """Merge rows of (at, data), in the order of time: those of one moment are of several processes, later moments follow."""
    whole: Measured = {}
    beside: Measured = {}
    moment: datetime | None = None
    for at, data in rows:
        if at != moment:
            rollup.append(whole, beside)
            beside, moment = {}, at
            await asyncio.sleep(0)  # many servers are a tenth of a second's work: others come first
        reader.add(beside, data)
    rollup.append(whole, beside)
    return whole
