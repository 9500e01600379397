"""What watching costs: python -m tests.performance.measure_telemetry. Recording and one log line a request; a day of roll-ups, stored and read."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from time import perf_counter
from timeit import repeat
from uuid import uuid4

from sqlalchemy import insert, text

from app.alerts import downsampling, rollup_values
from app.alerts.rollup_values import CounterSum, Level, Measured, Value
from app.alerts.rollups import Rollups
from app.alerts.series import SERIES, Series
from app.alerts.tables import RollupMinute
from app.settings import Settings
from app.storage import migrations
from app.storage.database import Database
from app.storage.postgres import embedded_postgres
from app.telemetry import measures, metrics, traces
from app.telemetry.sketch import Sketch

PROCESSES, MINUTES, TIMES = 3, 1440, 20_000
DRAWN = (
    *("inference.seconds", "search.seconds", "embedding.seconds", "database.seconds", "http.requests", "cache.hits", "cache.misses"),
    *("breaker.open", "queue.waiting", "pool.used", "machine.cpu", "machine.memory"),
)
IDLE = frozenset({"loop.lag", "database.seconds", "database.wait", "http.seconds", "http.requests"})
VALUES = {"class": 4, "status": 3, "provider": 2, "outcome": 2, "type": 2, "by": 2, "cache": 2, "tier": 2, "kind": 2}
LINE = """
import sys, structlog
from timeit import repeat
from app.redaction.labels import free_text
from app.settings import LogSettings
from app.telemetry import logs
logs.configure(LogSettings(format=sys.argv[1]), clean=free_text)
logs.bind_request("a" * 32)
log = structlog.get_logger()
def line():
    log.info("http.answered", method="POST", route="/v1/chat/completions", status=200, ms=12.3, developer="ada", provider="groq",
             model="m", cost_usd=0.0012, cache="miss")
print(min(repeat(line, number=20_000, repeat=3)) / 20_000 * 1e6)
"""


def one_completion() -> None:
    """What one call of a model records."""
    metrics.hold_asked("granted")
    measures.database_seconds.observe(0.0012, ("ledger",))
    measures.database_seconds.observe(0.0012, ("ledger",))
    metrics.provider_attempted("one", "ok")
    metrics.tokens_charged("chat", "one", "one-model", given=20, produced=12, nanousd=1000)
    measures.answer_seconds.observe(0.012, ("one",))
    metrics.answered("chat", "one", "one-model", cache="miss", seconds=0.012)
    metrics.request_answered(method="POST", route="/v1/chat/completions", status=200, seconds=0.013)
    traces.request("POST", ())
    for _ in range(4):
        with traces.span("off"):
            pass


def line_microseconds(shape: str) -> float:
    done = subprocess.run([sys.executable, "-c", LINE, shape], capture_output=True, text=True, check=True)
    return float(done.stdout)


def minute(*, busy: bool, dice: random.Random) -> bytes:
    """A process's minute: every series with plausible labels, or what an idle process has."""
    made: Measured = {}
    for name, series in SERIES.items():
        if busy or series.kind == "level" or name in IDLE:
            keys = list(product(*([f"{label} {n}" for n in range(VALUES.get(label, 1))] for label in series.labels)))
            made[name] = {key: _value(series, busy, dice) for key in (keys if busy else keys[:1])}
    return rollup_values.pack(made)


def _value(series: Series, busy: bool, dice: random.Random) -> Value:
    match series.kind:
        case "timing":
            sketch = Sketch()
            for _ in range(600 if busy else 20):
                sketch.observe(dice.lognormvariate(-3, 0.8))
            return sketch
        case "counter":
            return CounterSum(dice.randrange(5000))
        case "level":
            level = Level()
            for _ in range(4):
                level.observe(dice.random())
            return level


async def a_day(database: Database, *, busy: bool) -> None:
    dice = random.Random(1)
    pages = [minute(busy=busy, dice=dice) for _ in range(30)]
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    async with database.begin() as connection:
        await connection.execute(text("truncate rollup_minutes, rollup_spans"))
        for _ in range(PROCESSES):
            source = uuid4()
            rows = [
                {"minute": now - n * timedelta(minutes=1), "source": source, "role": "serve", "data": pages[n % 30]} for n in range(MINUTES)
            ]
            await connection.execute(insert(RollupMinute), rows)
        size = await connection.scalar(text("select pg_total_relation_size('rollup_minutes')"))
    word, rows_stored = "busy" if busy else "idle", PROCESSES * MINUTES
    print(
        f"{word}: {len(pages[0]):,} bytes a minute, {size / rows_stored:,.0f} stored; a month of two processes {size / rows_stored * 86_400 / 1e6:.0f} MB"
    )
    began = perf_counter()
    spans = await downsampling.downsample(database, now)
    print(f"{word}: {spans} spans merged in {perf_counter() - began:.2f} s")
    for hours, step in ((1, 1), (6, 5), (24, 10)):
        began = perf_counter()
        await Rollups(database).read(DRAWN, since=now - timedelta(hours=hours), until=now, step=timedelta(minutes=step))
        print(f"{word}: {len(DRAWN)} series of {hours} h in steps of {step} min read in {(perf_counter() - began) * 1000:.0f} ms")


async def rollups() -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-rollups-", dir="/tmp") as folder:
        async with embedded_postgres(Path(folder) / "postgres", max_connections=20) as url:
            await migrations.upgrade(url)
            database = await Database.open(Settings().database, url, name="measure")
            for busy in (True, False):
                await a_day(database, busy=busy)
            await database.close()


if __name__ == "__main__":
    print(f"recording of a completion: {min(repeat(one_completion, number=TIMES, repeat=5)) / TIMES * 1e6:.1f} µs")
    for each in ("json", "console"):
        print(f"a log line, {each}: {line_microseconds(each):.1f} µs")
    asyncio.run(rollups())
