"""Reads series over time, of all servers together: `series`, or several at once with one look at the database. Reads only.

Steps of ten minutes or more are read from spans of ten minutes or an hour that hold all servers, what isn't in them yet from the minutes:
a day in steps of ten minutes is read in a tenth of the time of a day in steps of five.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import rollup
from app.alerts.ageing import HOUR, TEN
from app.alerts.rollup import Measured, Reader, SeriesPoint, Value
from app.alerts.series import SERIES
from app.alerts.tables import RollupMinute, RollupSpan
from app.errors import InvalidInput
from app.storage.database import Database

MAX_POINTS = 2000
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Labels: TypeAlias = Mapping[str, str]


class SeriesReading:
    """Series of a period, in steps. `labels` select; label sets that they leave open are merged."""

    def __init__(self, steps: Sequence[Measured], *, since: datetime, step: timedelta) -> None:
        self._steps = steps
        self._since = since
        self._step = step

    def points(self, name: str, labels: Labels | None = None) -> list[SeriesPoint]:
        """Return one point for each step, also where nothing was measured."""
        wanted = _wanted(name, labels)
        return [rollup.point(self._since + place * self._step, _one(each, name, wanted)) for place, each in enumerate(self._steps)]

    def whole(self, name: str, labels: Labels | None = None) -> SeriesPoint:
        """Return the whole period as one point."""
        wanted, made = _wanted(name, labels), Measured()
        for each in self._steps:
            if (value := _one(each, name, wanted)) is not None:
                rollup.append(made, {name: {(): value}})
        return rollup.point(self._since, made.get(name, {}).get(()))

    def values(self, name: str, label: str) -> list[str]:
        """List the values of a label that were seen: one line of a chart each."""
        place = _place(name, label)
        return sorted({key[place] for each in self._steps for key in each.get(name, ())})


class Rollups:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def series(
        self, name: str, labels: Labels | None = None, *, since: datetime, until: datetime, step: timedelta = MINUTE
    ) -> list[SeriesPoint]:
        """Read one series. InvalidInput for an unknown name or label, or too many points."""
        return (await self.read([name], since=since, until=until, step=step)).points(name, labels)

    async def read(self, names: Sequence[str], *, since: datetime, until: datetime, step: timedelta = MINUTE) -> SeriesReading:
        """Read several series at once. Steps begin at whole multiples of `step`; the first is the one that `since` lies in."""
        first, count = _steps(names, since, until, step)
        end = first + count * step
        async with self._database.begin() as connection:
            rows = await _rows(connection, first, end, step)
        reader, steps = Reader(names), [Measured() for _ in range(count)]
        beside, moment = Measured(), first
        for at, data in rows:
            if at != moment:
                rollup.append(steps[_number(moment, first, step)], beside)
                beside, moment = {}, at
                await asyncio.sleep(0)  # a page of charts is no reason to keep the others waiting
            reader.add(beside, data)
        rollup.append(steps[_number(moment, first, step)], beside)
        return SeriesReading(steps, since=first, step=step)


async def _rows(connection: AsyncConnection, first: datetime, end: datetime, step: timedelta) -> Sequence[tuple[datetime, bytes]]:
    """Read the longest spans that fit into a step; then the minutes that are in none yet."""
    since, found = first, list[tuple[datetime, bytes]]()
    for seconds in (HOUR, TEN):
        if step % timedelta(seconds=seconds):
            continue
        query = (
            select(RollupSpan.at, RollupSpan.data)
            .where(RollupSpan.seconds == seconds, RollupSpan.at >= since, RollupSpan.at < end)
            .order_by(RollupSpan.at)
        )
        found += [(row.at, row.data) for row in await connection.execute(query)]
        since = max(since, found[-1][0] + timedelta(seconds=seconds)) if found else since
    minutes = (
        select(RollupMinute.minute, RollupMinute.data)
        .where(RollupMinute.minute >= since, RollupMinute.minute < end)
        .order_by(RollupMinute.minute)
    )
    return found + [(row.minute, row.data) for row in await connection.execute(minutes)]


def _steps(names: Sequence[str], since: datetime, until: datetime, step: timedelta) -> tuple[datetime, int]:
    if unknown := sorted(set(names) - SERIES.keys()):
        raise InvalidInput(f"There is no series {', '.join(unknown)}. docs/reference/rollups.md lists them.", param="name")
    if since.tzinfo is None or until.tzinfo is None or until <= since:
        raise InvalidInput("since must lie before until, and both need a time zone.", param="since")
    if step < MINUTE or step % MINUTE:
        raise InvalidInput("step must be whole minutes.", param="step")
    first = since.astimezone(UTC) - (since - EPOCH) % step
    count = -(-(until - first) // step)
    if count > MAX_POINTS:
        raise InvalidInput(f"That is {count:,} points, at most {MAX_POINTS:,} are given: take longer steps.", param="step")
    return first, count


def _number(at: datetime, first: datetime, step: timedelta) -> int:
    return (at - first) // step


def _wanted(name: str, labels: Labels | None) -> list[tuple[int, str]]:
    return [(_place(name, label), value) for label, value in (labels or {}).items()]


def _place(name: str, label: str) -> int:
    known = SERIES[name].labels
    if label not in known:
        raise InvalidInput(f"The series {name} has no label {label}; it has: {', '.join(known) or 'none'}.", param="labels")
    return known.index(label)


def _one(measured: Measured, name: str, wanted: Sequence[tuple[int, str]]) -> Value | None:
    return rollup.beside(value for key, value in measured.get(name, {}).items() if all(key[place] == word for place, word in wanted))
