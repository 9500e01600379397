"""Downsamples the roll-ups: merges minutes into spans of ten minutes, and those into hours; deletes what is past its retention.

Idempotent, and safe to run in several workers at once.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.alerts import rollup_values
from app.alerts.rollup_values import Measured, RollupDecoder
from app.alerts.series import SERIES
from app.alerts.tables import AlertHistoryRow, RollupMinute, RollupSpan
from app.storage.database import Database

TEN_MINUTES, HOUR = 600, 3600
"""Lengths of spans, in seconds."""
MINUTES_KEPT, HOURS_KEPT = timedelta(days=30), timedelta(days=365)
"""Retention: of minutes and of spans of ten minutes; of hours and of resolved alerts."""
MAX_LATENESS = timedelta(hours=3)
"""Longest delay with which a minute is written: a recorder keeps its minutes for two hours while PostgreSQL is away."""
OVERLAP = timedelta(minutes=1)
"""A span is made again if a row below it was written up to this long before the span: that row's commit may have come too late for it."""
MAX_SPANS_A_ROUND = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCK = 0xCA1C_0A1E


async def downsample(database: Database, now: datetime) -> int:
    """Make the spans that have ended and are missing, or got late minutes; delete what is past its retention. Returns the number made."""
    await _prune(database, now)
    made = 0
    for seconds in (TEN_MINUTES, HOUR):
        async with database.begin() as connection:
            newest = await connection.scalar(select(func.max(RollupSpan.at)).where(RollupSpan.seconds == seconds))
            since = EPOCH if newest is None else newest - MAX_LATENESS
            starts = list(await connection.scalars(_starts_to_make(seconds, since, now)))
        for at in starts:
            async with database.begin() as connection:
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                await _make(connection, seconds, at)
        made += len(starts)
    return made


async def _prune(database: Database, now: datetime) -> None:
    async with database.begin() as connection:
        await connection.execute(delete(RollupMinute).where(RollupMinute.minute < now - MINUTES_KEPT))
        for seconds, kept in ((TEN_MINUTES, MINUTES_KEPT), (HOUR, HOURS_KEPT)):
            await connection.execute(delete(RollupSpan).where(RollupSpan.seconds == seconds, RollupSpan.at < now - kept))
        await connection.execute(delete(AlertHistoryRow).where(AlertHistoryRow.resolved_at < now - HOURS_KEPT))


def _starts_to_make(seconds: int, since: datetime, now: datetime) -> Select[Any]:
    """Select the starts of spans that have ended and are missing, or are older than a row that they were made from."""
    at, written = _source_columns(seconds)
    start = func.date_bin(timedelta(seconds=seconds), at, EPOCH)
    until = now - (now - EPOCH) % timedelta(seconds=seconds)
    parts = select(start.label("at"), func.max(written).label("written_at")).where(at >= since, at < until)
    if seconds == HOUR:
        parts = parts.where(RollupSpan.seconds == TEN_MINUTES)
    source, made = parts.group_by(start).subquery(), aliased(RollupSpan)
    lacks = made.at.is_(None) | (source.c.written_at > made.made_at - OVERLAP)
    query = select(source.c.at).outerjoin(made, (made.at == source.c.at) & (made.seconds == seconds))
    return query.where(lacks).order_by(source.c.at).limit(MAX_SPANS_A_ROUND)


def _source_columns(seconds: int) -> tuple[InstrumentedAttribute[datetime], InstrumentedAttribute[datetime]]:
    """Return the columns of the rows that a span is made from: their time, and when they were written."""
    return (RollupMinute.minute, RollupMinute.written_at) if seconds == TEN_MINUTES else (RollupSpan.at, RollupSpan.made_at)


async def _make(connection: AsyncConnection, seconds: int, start: datetime) -> None:
    at, _ = _source_columns(seconds)
    query = select(at.label("at"), RollupMinute.data if seconds == TEN_MINUTES else RollupSpan.data)
    if seconds == HOUR:
        query = query.where(RollupSpan.seconds == TEN_MINUTES)
    rows = (await connection.execute(query.where(at >= start, at < start + timedelta(seconds=seconds)).order_by(at))).all()
    data = rollup_values.pack(await merge_rows(rows, RollupDecoder(SERIES)))
    made = upsert(RollupSpan).values(seconds=seconds, at=start, data=data)
    await connection.execute(made.on_conflict_do_update(index_elements=["seconds", "at"], set_={"data": data, "made_at": func.now()}))


async def merge_rows(rows: Any, decoder: RollupDecoder) -> Measured:
    """Merge rows of (at, data), ordered by time. Rows of the same time come from several processes."""
    whole: Measured = {}
    same_time: Measured = {}
    time: datetime | None = None
    for at, data in rows:
        if at != time:
            rollup_values.merge_later(whole, same_time)
            same_time, time = {}, at
            await asyncio.sleep(0)  # with many servers a span takes 0.1 s of CPU: let other tasks run
        decoder.merge_into(same_time, data)
    rollup_values.merge_later(whole, same_time)
    return whole
