"""Recommends changes of settings from a day of roll-ups, each with its evidence. Pure, except that `advise` reads the roll-ups once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.alerts.rollups import Rollups, SeriesReading
from app.settings import Settings

PERIOD = timedelta(days=1)
STEP = timedelta(minutes=10)
MIN_MEASUREMENTS = 100
"""Lookups, calls or samples below which nothing is recommended: too little evidence."""
VECTOR_BYTES = 1_600
"""Memory of an entry of the embeddings' cache: 384 floats and the overhead."""
SERIES = (
    *("cache.hits", "cache.lookups", "cache.evictions", "cache.bytes", "cache.asked_again"),
    *("pool.used", "database.wait", "queue.oldest", "inference.attempts", "inference.seconds"),
    *("loop.lag", "machine.cpu"),
)


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation. `evidence`: what was measured. `change`: the setting and its new value, or the step to take."""

    topic: str
    evidence: str
    change: str


async def advise(rollups: Rollups, settings: Settings, now: datetime) -> list[Advice]:
    """Recommend from the last 24 hours, or as much of them as was measured. Empty: nothing stands out."""
    reading = await rollups.read(SERIES, since=now - PERIOD, until=now, step=STEP)
    return [
        *_embeddings_cache(reading, settings),
        *_answers_cache(reading, settings),
        *_pool(reading, settings),
        *_queue(reading, settings),
        *_first_provider(reading, settings),
        *_event_loop(reading),
    ]


def _embeddings_cache(reading: SeriesReading, settings: Settings) -> Iterator[Advice]:
    labels = {"cache": "embeddings"}
    again, lookups = reading.whole("cache.asked_again", labels).sum, reading.whole("cache.lookups", labels).sum
    if lookups < MIN_MEASUREMENTS or again < 0.1 * lookups:
        return
    entries = max(1, settings.cache.embeddings.entries)
    yield Advice(
        "embeddings cache",
        f"{again:,.0f} of {lookups:,.0f} texts ({again / lookups:.0%}) were embedded again within an hour: the cache had evicted them",
        f"[cache.embeddings] entries = {2 * entries:,} instead of {entries:,}: +{entries * VECTOR_BYTES / 2**20:.0f} MB a process",
    )


def _answers_cache(reading: SeriesReading, settings: Settings) -> Iterator[Advice]:
    for name in reading.values("cache.lookups", "cache"):
        if name != "completions":
            continue
        labels = {"cache": name}
        evicted, lookups = reading.whole("cache.evictions", labels).sum, reading.whole("cache.lookups", labels).sum
        lower_hits = sum(reading.whole("cache.hits", {**labels, "tier": tier}).sum for tier in ("redis", "database"))
        if lookups < MIN_MEASUREMENTS or evicted < MIN_MEASUREMENTS or lower_hits < 0.1 * lookups:
            continue
        options, used_bytes = settings.cache.completions, reading.whole("cache.bytes", labels).max or 0
        full = used_bytes > 0.8 * options.max_bytes
        change = f"max_bytes = {2 * options.max_bytes:,}" if full else f"entries = {2 * options.entries:,}"
        more = (options.max_bytes if full else used_bytes) / 2**20
        yield Advice(
            f"{name} cache",
            f"a lower tier answered {lower_hits:,.0f} of {lookups:,.0f} lookups ({lower_hits / lookups:.0%});"
            f" memory had evicted {evicted:,.0f} entries",
            f"[cache.{name}] {change}: +{more:.0f} MB a process",
        )


def _pool(reading: SeriesReading, settings: Settings) -> Iterator[Advice]:
    used, wait = reading.whole("pool.used"), reading.whole("database.wait")
    if used.max is None or used.max < 0.9 or wait.p99 is None or wait.p99 < 0.05:
        return
    more = settings.database.max_overflow + settings.database.pool_size
    yield Advice(
        "database connections",
        f"the pool was {used.max:.0%} in use at its fullest, and 1 % of its users waited {wait.p99 * 1000:.0f} ms or more",
        f"database.max_overflow = {more}, where PostgreSQL's max_connections allows it",
    )


def _queue(reading: SeriesReading, settings: Settings) -> Iterator[Advice]:
    oldest, cpu = reading.whole("queue.oldest"), reading.whole("machine.cpu")
    late = [point for point in reading.points("queue.oldest") if point.max is not None and point.max > 60]
    if len(late) < 3 or oldest.max is None:
        return
    idle = cpu.mean is not None and cpu.mean < 0.7
    step = f"worker.concurrency = {settings.worker.concurrency + 1}" if idle else "another `cairn worker` on another machine"
    busy = f"the machine was {cpu.mean:.0%} busy" if cpu.mean is not None else "the machine's CPU use was not measured"
    yield Advice(
        "workers",
        f"in {len(late)} intervals of ten minutes a job waited more than a minute, the longest {oldest.max / 60:.0f} min; {busy}",
        step,
    )


def _first_provider(reading: SeriesReading, settings: Settings) -> Iterator[Advice]:
    chain = [name for name in settings.inference.chain if name in reading.values("inference.attempts", "provider")]
    for name in chain:
        calls = reading.whole("inference.attempts", {"provider": name}).sum
        failed = calls - reading.whole("inference.attempts", {"provider": name, "outcome": "ok"}).sum
        if calls >= MIN_MEASUREMENTS and failed >= 0.2 * calls and name == chain[0] and len(chain) > 1:
            yield Advice(
                f"provider {name}",
                f"{failed:,.0f} of its {calls:,.0f} calls ({failed / calls:.0%}) failed, and it comes first in the chain",
                "move it towards the end of inference.chain, or see its errors in the log (provider.failed)",
            )
    slow = [(name, reading.whole("inference.seconds", {"provider": name})) for name in chain]
    known = [(name, point.p95) for name, point in slow if point.count >= MIN_MEASUREMENTS and point.p95 is not None]
    if len(known) > 1 and known[0][0] == chain[0]:
        first, quickest = known[0], min(known, key=lambda each: each[1])
        if first[1] > 2 * quickest[1]:
            yield Advice(
                f"provider {first[0]}",
                f"p95 {first[1]:.1f} s, while {quickest[0]} answers in {quickest[1]:.1f} s",
                f"put {quickest[0]} before {first[0]} in inference.chain, if its price and quality suit you",
            )


def _event_loop(reading: SeriesReading) -> Iterator[Advice]:
    lag = reading.whole("loop.lag", {"role": "serve"})
    if lag.count >= MIN_MEASUREMENTS and lag.p99 is not None and lag.p99 > 0.1:
        yield Advice(
            "servers",
            f"1 % of the time a server's event loop was {lag.p99 * 1000:.0f} ms late or more: its core is busy, or its machine",
            "another `cairn serve` beside it (server mode), or fewer processes on its machine",
        )
