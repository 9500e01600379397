"""Series over time, of all servers together: `series`, or several at once with one look at the database. Reads only.

Minutes are kept for 30 days, hours for a year: steps of an hour or more are read from the hours, what isn't in them yet from the minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Text, cast, func, select

from app.alerts import rollup
from app.alerts.rollup import Key, Point, Value, Values
from app.alerts.series import SERIES
from app.alerts.tables import Hour, Minute
from app.errors import InvalidInput
from app.storage.database import Database

MOST_POINTS = 2000
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Labels: TypeAlias = Mapping[str, str]
Columns: TypeAlias = dict[str, dict[int, Values]]
"""Series → number of the step → label values → what was measured."""


class Reading:
    """Some series of a period, in steps. `labels` choose; what they leave open is merged."""

    def __init__(self, columns: Columns, *, since: datetime, steps: int, step: timedelta) -> None:
        self._columns = columns
        self._since = since
        self._steps = steps
        self._step = step

    def points(self, name: str, labels: Labels | None = None) -> list[Point]:
        """One for each step, also where nothing was measured."""
        found, wanted = self._columns[name], _wanted(name, labels)
        return [rollup.point(self._since + number * self._step, _merged(found.get(number, {}), wanted)) for number in range(self._steps)]

    def whole(self, name: str, labels: Labels | None = None) -> Point:
        """The whole period as one point."""
        wanted, value = _wanted(name, labels), None
        for number in sorted(self._columns[name]):
            if (found := _merged(self._columns[name][number], wanted)) is not None:
                value = rollup.after(value, found)
        return rollup.point(self._since, value)

    def values(self, name: str, label: str) -> list[str]:
        """The values of a label that were seen: one line of a chart each."""
        place = _place(name, label)
        return sorted({key[place] for each in self._columns[name].values() for key in each})


class Rollups:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def series(
        self, name: str, labels: Labels | None = None, *, since: datetime, until: datetime, step: timedelta = MINUTE
    ) -> list[Point]:
        """One series. InvalidInput for an unknown name or label, or too many points."""
        return (await self.read([name], since=since, until=until, step=step)).points(name, labels)

    async def read(self, names: Sequence[str], *, since: datetime, until: datetime, step: timedelta = MINUTE) -> Reading:
        """Several series at once. Steps begin at whole multiples of `step`; the first is the one that `since` lies in."""
        first, steps = _steps(names, since, until, step)
        end = first + steps * step
        columns: Columns = {name: {} for name in names}
        async with self._database.begin() as connection:
            if step >= HOUR:
                rows = (await connection.execute(_hours(names, first, end))).all()
                made = {row.at for row in rows}
                newest = max(made, default=None)
                _fill(columns, rows, names, first, step)
                first_minute = first if newest is None else newest + HOUR
            else:
                first_minute = first
            rows = (await connection.execute(_minutes(names, first_minute, end))).all()
        _fill(columns, rows, names, first, step)
        return Reading(columns, since=first, steps=steps, step=step)


def _steps(names: Sequence[str], since: datetime, until: datetime, step: timedelta) -> tuple[datetime, int]:
    if unknown := sorted(set(names) - SERIES.keys()):
        raise InvalidInput(f"There is no series {', '.join(unknown)}. docs/rollups.md lists them.", param="name")
    if since.tzinfo is None or until.tzinfo is None or until <= since:
        raise InvalidInput("since must lie before until, and both need a time zone.", param="since")
    if step < MINUTE or step % MINUTE or (step > HOUR and step % HOUR):
        raise InvalidInput("step must be whole minutes, or whole hours.", param="step")
    first = since.astimezone(UTC) - (since - _EPOCH) % step
    steps = -(-(until - first) // step)
    if steps > MOST_POINTS:
        raise InvalidInput(f"That is {steps:,} points, at most {MOST_POINTS:,} are given: take longer steps.", param="step")
    return first, steps


def _minutes(names: Sequence[str], since: datetime, until: datetime) -> Any:
    columns = [cast(Minute.data[name], Text) for name in names]
    return select(Minute.minute.label("at"), *columns).where(Minute.minute >= since, Minute.minute < until).order_by(Minute.minute)


def _hours(names: Sequence[str], since: datetime, until: datetime) -> Any:
    columns = [cast(Hour.data[name], Text) for name in names]
    start = func.date_trunc("hour", since, "UTC")
    return select(Hour.hour.label("at"), *columns).where(Hour.hour >= start, Hour.hour < until).order_by(Hour.hour)


def _fill(columns: Columns, rows: Sequence[Any], names: Sequence[str], first: datetime, step: timedelta) -> None:
    """Rows of one moment are beside each other, those of a step after each other."""
    for place, name in enumerate(names):
        moment: datetime | None = None
        values: Values = {}
        for at, stored in [*((row.at, row[place + 1]) for row in rows), (None, None)]:
            if at != moment:
                if moment is not None and values:
                    _append(columns[name].setdefault(max(0, (moment - first) // step), {}), values)
                moment, values = at, {}
            if stored is not None:
                for key, value in rollup.unpacked(name, msgspec.json.decode(stored)).items():
                    values[key] = rollup.beside(values.get(key), value)


def _append(whole: Values, later: Values) -> None:
    for key, value in later.items():
        whole[key] = rollup.after(whole.get(key), value)


def _wanted(name: str, labels: Labels | None) -> list[tuple[int, str]]:
    return [(_place(name, label), value) for label, value in (labels or {}).items()]


def _place(name: str, label: str) -> int:
    known = SERIES[name].labels
    if label not in known:
        raise InvalidInput(f"The series {name} has no label {label}; it has: {', '.join(known) or 'none'}.", param="labels")
    return known.index(label)


def _merged(values: Mapping[Key, Value], wanted: Sequence[tuple[int, str]]) -> Value | None:
    made: Value | None = None
    for key, value in values.items():
        if all(key[place] == word for place, word in wanted):
            made = rollup.beside(made, value)
    return made
