"""Writes this process's minutes: what its measures counted since the minute began, and its sampled levels, whole, every 15 seconds.

A row is its process's own, so writing it again changes nothing, and a write whose answer was lost counts once. At a clean stop the
running minute is written; at kill -9 the last 15 seconds are lost. While PostgreSQL is away, two hours of minutes wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert as upsert

from app import clock
from app.alerts import rollup
from app.alerts.rollup import CounterSum, Key, Level, Measured
from app.alerts.series import SERIES
from app.alerts.tables import RollupMinute
from app.errors import Unavailable
from app.part import Loop
from app.storage.database import Database
from app.telemetry.registry import Declaration, Relabel, Timing
from app.telemetry.sketch import Sketch

log = structlog.get_logger()

WRITE_SECONDS = 15
SAMPLE_SECONDS = 0.25
MAX_WAITING = 120
NOTHING: Key = ()

Totals = Callable[[], Mapping[Key, float]]
Sampler = Callable[[], Awaitable[Mapping[str, Mapping[Key, float]]]]
"""Series → labels → what stands there now."""


def _same(key: Key) -> Key:
    return key


class Recorder:
    """Records a process's measures by the minute. What it records is added before `run`."""

    def __init__(self, database: Database, *, role: str, lag: Timing) -> None:
        self._database = database
        self._role = role
        self._lag = lag
        self._source = uuid4()
        self._timings: list[tuple[str, Timing, Relabel]] = []
        self._totals: list[tuple[str, Totals, Relabel]] = []
        self._samplers: list[Sampler] = []
        self._quick: list[tuple[str, Callable[[], float]]] = []
        self._minute = _minute(clock.now())
        self._before: dict[int, dict[Key, Any]] = {}
        self._levels: dict[str, dict[Key, Level]] = {}
        self._waiting: deque[tuple[datetime, bytes]] = deque(maxlen=MAX_WAITING)
        self._due: float | None = None

    def declared(self, declarations: Iterable[Declaration]) -> None:
        """Record every declared measure that has a source and is rolled up. Those without one are sampled: see `levels`."""
        for each in declarations:
            if each.roll_up is None or each.source is None:
                continue
            relabel = each.roll_up.relabel or _same
            if isinstance(each.source, Timing) and not each.roll_up.summed:
                self.timing(each.roll_up.series, each.source, relabel)
            else:
                self.counter(each.roll_up.series, each.totals, relabel)

    def timing(self, series: str, timing: Timing, relabel: Relabel = _same) -> None:
        self._timings.append((_known(series, "timing"), timing, relabel))

    def counter(self, series: str, totals: Totals, relabel: Relabel = _same) -> None:
        """Record a counter. `totals`: since the process began."""
        self._totals.append((_known(series, "counter"), totals, relabel))

    def level(self, series: str, sample: Callable[[], float]) -> None:
        """Sample a level four times a second: one that changes within moments, and costs nothing to read."""
        self._quick.append((_known(series, "level"), sample))

    def levels(self, sampler: Sampler) -> None:
        """Sample several levels before each write."""
        self._samplers.append(sampler)

    def loops(self) -> tuple[Loop, ...]:
        """Return the loops that sample and write. What was recorded before this is not counted.

        Written at once, so that `cairn doctor` has something to judge; then on the quarters of the minute, as all servers do.
        """
        self._fold(start_over=True)
        meanwhile = "What is measured is not kept over time."
        return (
            Loop(name="alerts.samples", step=self._sample_quick, pause=self._until_due, at_once=False, meanwhile=meanwhile),
            Loop(
                name="alerts.rollups",
                step=self._sample_and_write,
                pause=lambda: WRITE_SECONDS - clock.now().timestamp() % WRITE_SECONDS,
                meanwhile=meanwhile,
            ),
        )

    async def write(self, now: datetime | None = None) -> None:
        """Write this minute's row, and first those before it that wait. Unavailable: they wait here for the next write."""
        moment = now or clock.now()
        if (minute := _minute(moment)) > self._minute:  # a clock that is set back opens no minute again: its row would be replaced
            self._waiting.append((self._minute, self._fold(start_over=True)))
            self._minute = minute
        rows = [*self._waiting, (self._minute, self._fold(start_over=False))]
        values = [{"minute": minute, "source": self._source, "role": self._role, "data": data} for minute, data in rows]
        row = upsert(RollupMinute)
        row = row.on_conflict_do_update(
            index_elements=["minute", "source"], set_={"data": row.excluded.data, "written_at": func.clock_timestamp()}
        )
        async with self._database.begin() as connection:
            await connection.execute(row, values)
        self._waiting.clear()

    async def close(self) -> None:
        """Write the running minute before it is over."""
        await self.write()

    async def sample(self) -> None:
        """Sample the levels of every part. One that is unavailable is left out."""
        for sampler in self._samplers:
            try:
                found = await sampler()
            except Unavailable:
                continue
            for series, values in found.items():
                _known(series, "level")
                for key, value in values.items():
                    self._see(series, key, value)

    def _see(self, series: str, key: Key, value: float) -> None:
        self._levels.setdefault(series, {}).setdefault(key, Level()).see(value)

    def _until_due(self) -> float:
        now = perf_counter()
        if self._due is None:
            self._due = now + SAMPLE_SECONDS
        return max(0.0, self._due - now)

    async def _sample_quick(self) -> None:
        """Measure the event loop's lag (how much later than asked it comes back), and sample the levels that change within moments."""
        now = perf_counter()
        due = now if self._due is None else self._due
        self._lag.observe(max(0.0, now - due), (self._role,))
        self._due = max(due + SAMPLE_SECONDS, now)
        for series, sample in self._quick:
            self._see(series, NOTHING, sample())

    async def _sample_and_write(self) -> None:
        await self.sample()
        await self.write()

    def _fold(self, *, start_over: bool) -> bytes:
        """Pack what came since the minute began. `start_over`: the next minute begins here."""
        made: Measured = {}
        now: dict[int, dict[Key, Any]] = {}
        for place, (series, timing, relabel) in enumerate(self._timings):
            before = self._before.get(place, {})
            now[place] = {key: Sketch(each.counts, each.sum) for key, each in timing.sketches.items()}
            for key, each in now[place].items():
                _add(made, series, relabel(key), each.since(before.get(key)))
        for place, (series, totals, relabel) in enumerate(self._totals, start=len(self._timings)):
            before, now[place] = self._before.get(place, {}), dict(totals())
            for key, total in now[place].items():
                _add(made, series, relabel(key), CounterSum(max(0.0, total - before.get(key, 0))))
        made |= {series: dict(levels) for series, levels in self._levels.items()}
        if start_over:
            self._before, self._levels = now, {}
        return rollup.packed(made)


def _add(made: Measured, series: str, key: Key | None, value: Sketch | CounterSum) -> None:
    if key is None or (not value.counts if isinstance(value, Sketch) else not value.sum):
        return
    rollup.append(made, {series: {key: value}})


def _known(series: str, kind: str) -> str:
    if series not in SERIES:
        raise ValueError(f"{series} is not declared: add it to app/telemetry/measures.py.")
    if SERIES[series].kind != kind:
        raise ValueError(f"{series} is a {SERIES[series].kind}, not a {kind}.")
    return series


def _minute(moment: datetime) -> datetime:
    return moment - timedelta(seconds=moment.second, microseconds=moment.microsecond)
