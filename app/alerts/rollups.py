"""Reads series over time, merged over all servers: one (`series`), or several with the same queries (`read`). Writes nothing.

Steps of ten minutes or more are read from the spans that `downsampling.py` made, and from the minutes after the last span: a day in steps
of ten minutes takes a tenth of the time of a day in steps of five.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import rollup_values
from app.alerts.downsampling import HOUR, TEN_MINUTES
from app.alerts.rollup_values import Measured, RollupDecoder, SeriesPoint, Value
from app.alerts.series import SERIES
from app.alerts.tables import RollupMinute, RollupSpan
from app.errors import InvalidInput
from app.storage.database import Database

MAX_POINTS = 2000
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Labels: TypeAlias = Mapping[str, str]


class SeriesReading:
    """Series over a period, in steps. `labels` filter by value; the label sets that match are merged."""

    def __init__(self, steps: Sequence[Measured], *, since: datetime, step: timedelta) -> None:
        self._steps = steps
        self._since = since
        self._step = step

    @property
    def times(self) -> list[datetime]:
        """Return the times at which the steps begin: every series has the same ones."""
        return [self._since + number * self._step for number in range(len(self._steps))]

    def points(self, name: str, labels: Labels | None = None) -> list[SeriesPoint]:
        """Return one point for each step, also where nothing was measured."""
        wanted = _filter(name, labels)
        return [rollup_values.to_point(at, _value(each, name, wanted)) for at, each in zip(self.times, self._steps, strict=True)]

    def whole(self, name: str, labels: Labels | None = None) -> SeriesPoint:
        """Return the whole period as one point."""
        wanted, made = _filter(name, labels), Measured()
        for each in self._steps:
            if (value := _value(each, name, wanted)) is not None:
                rollup_values.merge_later(made, {name: {(): value}})
        return rollup_values.to_point(self._since, made.get(name, {}).get(()))

    def values(self, name: str, label: str) -> list[str]:
        """List the values of a label in this period, sorted: one line of a chart each."""
        position = _position(name, label)
        return sorted({key[position] for each in self._steps for key in each.get(name, ())})


class Rollups:
    """Reads roll-ups from PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def series(
        self, name: str, labels: Labels | None = None, *, since: datetime, until: datetime, step: timedelta = MINUTE
    ) -> list[SeriesPoint]:
        """Read one series. InvalidInput for an unknown name or label, or too many points."""
        return (await self.read([name], since=since, until=until, step=step)).points(name, labels)

    async def read(self, names: Sequence[str], *, since: datetime, until: datetime, step: timedelta = MINUTE) -> SeriesReading:
        """Read several series at once. Steps are aligned to multiples of `step`; the first contains `since`."""
        first, count = _steps(names, since, until, step)
        end = first + count * step
        async with self._database.begin() as connection:
            rows = await _rows(connection, first, end, step)
        decoder, steps = RollupDecoder(names), [Measured() for _ in range(count)]
        same_time, time = Measured(), first
        for at, data in rows:
            if at != time:
                rollup_values.merge_later(steps[(time - first) // step], same_time)
                same_time, time = {}, at
                await asyncio.sleep(0)  # a page of charts takes a while: let other requests run
            decoder.merge_into(same_time, data)
        rollup_values.merge_later(steps[(time - first) // step], same_time)
        return SeriesReading(steps, since=first, step=step)


async def _rows(connection: AsyncConnection, first: datetime, end: datetime, step: timedelta) -> Sequence[tuple[datetime, bytes]]:
    """Read the longest spans that divide a step, then the minutes after the last of them."""
    since, found = first, list[tuple[datetime, bytes]]()
    for seconds in (HOUR, TEN_MINUTES):
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
        raise InvalidInput(f"There is no series {', '.join(unknown)}. docs/reference/rollups.md lists all series.", param="name")
    if since.tzinfo is None or until.tzinfo is None or until <= since:
        raise InvalidInput("since must be before until, and both must have a time zone.", param="since")
    if step < MINUTE or step % MINUTE:
        raise InvalidInput("step must be a whole number of minutes, at least one.", param="step")
    first = since.astimezone(UTC) - (since - EPOCH) % step
    count = -(-(until - first) // step)
    if count > MAX_POINTS:
        raise InvalidInput(
            f"That would be {count:,} points; the limit is {MAX_POINTS:,}. Ask for longer steps or a shorter period.", param="step"
        )
    return first, count


def _filter(name: str, labels: Labels | None) -> list[tuple[int, str]]:
    """Return the filter as (position of the label, value). InvalidInput for an unknown label."""
    return [(_position(name, label), value) for label, value in (labels or {}).items()]


def _position(name: str, label: str) -> int:
    known = SERIES[name].labels
    if label not in known:
        raise InvalidInput(f"The series {name} has no label {label}; it has: {', '.join(known) or 'none'}.", param="labels")
    return known.index(label)


def _value(measured: Measured, name: str, wanted: Sequence[tuple[int, str]]) -> Value | None:
    """Merge the values whose labels match the filter."""
    matches = (value for key, value in measured.get(name, {}).items() if all(key[position] == label for position, label in wanted))
    return rollup_values.merge_same_time(matches)
