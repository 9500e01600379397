"""Records this process's measures: a row for each minute, with what timings and counters gained in it, and the levels sampled in it.

The current minute's row is overwritten whole every 15 seconds, so a repeated write counts once. A clean stop writes it a last time; a
kill -9 loses up to 15 seconds. While PostgreSQL is unavailable, the rows of up to two hours wait in memory.
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
from app.alerts import rollup_values
from app.alerts.rollup_values import CounterSum, Key, Level, Measured
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
"""Minutes that wait for PostgreSQL; beyond them the oldest are lost."""
NO_LABELS: Key = ()

Totals = Callable[[], Mapping[Key, float]]
"""Returns a counter's totals since the process began, by label values."""
Sampler = Callable[[], Awaitable[Mapping[str, Mapping[Key, float]]]]
"""Returns current levels: series → label values → value."""


def _same(key: Key) -> Key:
    return key


class Recorder:
    """Records a process's measures by the minute. Measures are added before `loops` is called."""

    def __init__(self, database: Database, *, role: str, lag: Timing) -> None:
        self._database = database
        self._role = role
        self._lag = lag
        self._source = uuid4()
        self._timings: list[tuple[str, Timing, Relabel]] = []
        self._totals: list[tuple[str, Totals, Relabel]] = []
        self._samplers: list[Sampler] = []
        self._fast_levels: list[tuple[str, Callable[[], float]]] = []
        self._minute = _minute(clock.now())
        self._before: dict[int, dict[Key, Any]] = {}
        self._levels: dict[str, dict[Key, Level]] = {}
        self._waiting: deque[tuple[datetime, bytes]] = deque(maxlen=MAX_WAITING)
        self._due: float | None = None

    def add_declared(self, declarations: Iterable[Declaration]) -> None:
        """Record the declared measures that are rolled up and have a source. Those without one are sampled: see `add_levels`."""
        for each in declarations:
            if each.roll_up is None or each.source is None:
                continue
            relabel = each.roll_up.relabel or _same
            if isinstance(each.source, Timing) and not each.roll_up.summed:
                self.add_timing(each.roll_up.series, each.source, relabel)
            else:
                self.add_counter(each.roll_up.series, each.totals, relabel)

    def add_timing(self, series: str, timing: Timing, relabel: Relabel = _same) -> None:
        self._timings.append((_checked(series, "timing"), timing, relabel))

    def add_counter(self, series: str, totals: Totals, relabel: Relabel = _same) -> None:
        """Record a counter."""
        self._totals.append((_checked(series, "counter"), totals, relabel))

    def add_fast_level(self, series: str, sample: Callable[[], float]) -> None:
        """Sample a level four times a second: one that changes fast and is cheap to read."""
        self._fast_levels.append((_checked(series, "level"), sample))

    def add_levels(self, sampler: Sampler) -> None:
        """Sample levels before each write."""
        self._samplers.append(sampler)

    def loops(self) -> tuple[Loop, ...]:
        """Return the loops that sample and write. What was counted before this call is left out.

        Writes at once, so that `cairn doctor` has values to check; then at each quarter of a minute, at the same time as all servers.
        """
        self._pack_minute(end=True)
        meanwhile = "Measurements are not recorded: alerts about series, charts and recommendations miss them."
        return (
            Loop(name="alerts.samples", step=self._sample_fast, pause=self._until_due, at_once=False, meanwhile=meanwhile),
            Loop(
                name="alerts.rollups",
                step=self._sample_and_write,
                pause=lambda: WRITE_SECONDS - clock.now().timestamp() % WRITE_SECONDS,
                meanwhile=meanwhile,
            ),
        )

    async def write(self, now: datetime | None = None) -> None:
        """Write the current minute's row, and the earlier ones that wait. Unavailable: they wait for the next write."""
        moment = now or clock.now()
        if (minute := _minute(moment)) > self._minute:  # not where the clock was set back: an earlier minute's row would be replaced
            self._waiting.append((self._minute, self._pack_minute(end=True)))
            self._minute = minute
        rows = [*self._waiting, (self._minute, self._pack_minute(end=False))]
        values = [{"minute": minute, "source": self._source, "role": self._role, "data": data} for minute, data in rows]
        row = upsert(RollupMinute)
        row = row.on_conflict_do_update(
            index_elements=["minute", "source"], set_={"data": row.excluded.data, "written_at": func.clock_timestamp()}
        )
        async with self._database.begin() as connection:
            await connection.execute(row, values)
        self._waiting.clear()

    async def close(self) -> None:
        """Write the current minute, before it ends."""
        await self.write()

    async def sample(self) -> None:
        """Sample the levels of every part, except of one that is unavailable."""
        for sampler in self._samplers:
            try:
                found = await sampler()
            except Unavailable:
                continue
            for series, values in found.items():
                _checked(series, "level")
                for key, value in values.items():
                    self._observe(series, key, value)

    def _observe(self, series: str, key: Key, value: float) -> None:
        self._levels.setdefault(series, {}).setdefault(key, Level()).observe(value)

    def _until_due(self) -> float:
        now = perf_counter()
        if self._due is None:
            self._due = now + SAMPLE_SECONDS
        return max(0.0, self._due - now)

    async def _sample_fast(self) -> None:
        """Measure the event loop's lag (how late it runs this step), and sample the fast levels."""
        now = perf_counter()
        due = now if self._due is None else self._due
        self._lag.observe(max(0.0, now - due), (self._role,))
        self._due = max(due + SAMPLE_SECONDS, now)
        for series, sample in self._fast_levels:
            self._observe(series, NO_LABELS, sample())

    async def _sample_and_write(self) -> None:
        await self.sample()
        await self.write()

    def _pack_minute(self, *, end: bool) -> bytes:
        """Pack what was measured in the current minute. `end`: begin the next one."""
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
        if end:
            self._before, self._levels = now, {}
        return rollup_values.pack(made)


def _add(made: Measured, series: str, key: Key | None, value: Sketch | CounterSum) -> None:
    if key is None or (not value.counts if isinstance(value, Sketch) else not value.sum):
        return
    rollup_values.merge_later(made, {series: {key: value}})


def _checked(series: str, kind: str) -> str:
    """Return the series' name. ValueError if it isn't declared, or is of another kind."""
    if series not in SERIES:
        raise ValueError(f"{series} is not declared: add it to app/telemetry/measures.py.")
    if SERIES[series].kind != kind:
        raise ValueError(f"{series} is a {SERIES[series].kind}, not a {kind}.")
    return series


def _minute(moment: datetime) -> datetime:
    return moment - timedelta(seconds=moment.second, microseconds=moment.microsecond)
