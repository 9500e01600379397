"""Which measure becomes which series of the roll-ups, and what is looked at. Opens this process's recorder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import structlog

from app import clock
from app.alerts import ageing
from app.alerts.alarms import Alarms
from app.alerts.evaluator import Evaluator
from app.alerts.recorder import Recorder
from app.alerts.rollup import Key
from app.alerts.rollups import Rollups
from app.alerts.rules import load as load_rules
from app.alerts.watch import Watch
from app.budget.alerts import EARLY
from app.budget.budgets import Budgets
from app.errors import Unavailable
from app.part import Cache, Levels, Loop, Maintenance, Opened, Part, Role
from app.queue.outbox import Outbox
from app.services.composition import caches_of
from app.settings import Settings
from app.storage.database import Database
from app.storage.folder import DataFolder
from app.telemetry import metrics
from app.telemetry.machine import Machine, Use
from app.telemetry.measures import Timing

log = structlog.get_logger()

CLASSES = {
    "chat": "completions",
    "embeddings": "embeddings",
    "knowledge": "knowledge",
    "sessions": "sessions",
    "channels": "messages",
    "budget": "budgets",
    "budgets": "budgets",
}
"""Of routes under /v1, by their first word."""
OPERATIONS = frozenset({"/healthz", "/readyz", "/metrics"})


@asynccontextmanager
async def open_recorder(database: Database, role: Role) -> AsyncIterator[Opened[Recorder]]:
    """Open the recorder. It closes late, after all that measures, so that their end is in the last minute. What it records: `record`."""
    recorder = Recorder(database, role=role, lag=metrics.loop_lag)
    try:
        yield recorder, Part(name="recorder")
    finally:
        try:
            await recorder.close()
        except Unavailable as error:  # PostgreSQL may be gone already
            log.warning("closing.unwritten", code=error.code)


@asynccontextmanager
async def open_watch(
    settings: Settings, role: Role, *, database: Database, outbox: Outbox, budgets: Budgets
) -> AsyncIterator[Opened[Watch]]:
    """ConfigurationError for a bad file of rules: before anything is served."""

    async def used_early() -> Mapping[Key, float]:
        """Spent of the limit, of developers whose month has more than a week left."""
        early = clock.now() + EARLY
        found = await budgets.spending()
        return {(name,): each.spent / each.limit for name, each in found if each.limit and each.ends > early}

    rules, rollups = load_rules(settings.alerts.rules), Rollups(database)
    probes = {"budget.used_early": used_early}
    evaluator = Evaluator(database, rollups, outbox, rules, every_seconds=settings.alerts.every_seconds, probes=probes)
    alarms = Alarms(database)
    evaluating = Loop(
        name="alerts.rules",
        step=evaluator.run,
        pause=1.0,
        lasting=True,
        meanwhile="No alert begins to fire or ends.",
    )

    async def firing() -> None:
        metrics.set_firing((each.rule, each.severity) for each in await alarms.firing())

    part = Part(
        name="alerts",
        loops=[evaluating] if role == "serve" and settings.alerts.enabled else (),
        gauges=[firing],
        maintenance=[Maintenance("spans", lambda: ageing.age(database, clock.now()))],
    )
    yield Watch(rollups, alarms, evaluator, rules, settings), part


def record(recorder: Recorder, parts: Sequence[Part], folder: DataFolder, role: Role) -> Part:
    """Register everything that this process measures. Returns the part that records it, to be added last."""
    _timings(recorder)
    _counters(recorder)
    _caches(recorder, caches_of(parts))
    for part in parts:
        for series, now in part.samples.items():
            recorder.level(series, now)
        for look in part.levels:
            recorder.levels(look)
    machine = Machine(folder.path)

    async def look_at_machine() -> Levels:
        return _machine(await asyncio.to_thread(machine.look), role)

    recorder.levels(look_at_machine)
    writing = Loop(name="alerts.rollups", step=recorder.run, pause=1.0, lasting=True, meanwhile="What is measured is not kept over time.")
    return Part(name="rollups", loops=[writing])


def class_of(route: str) -> str:
    """What kind of work a route is: few enough to draw."""
    if route in OPERATIONS:
        return "operations"
    top, _, rest = route.lstrip("/").partition("/")
    if top == "v1":
        return CLASSES.get(rest.partition("/")[0], "other")
    return top if top in {"dashboard", "mcp"} else "other"


def _timings(recorder: Recorder) -> None:
    def provider(key: Key) -> Key | None:
        """Of a provider's own answer: one from a cache says nothing about it."""
        operation, provider, _model, *cache = key
        return (provider,) if operation == "chat" and cache in ([], ["miss"]) else None

    recorder.timing("http.seconds", metrics.request_seconds, lambda key: (class_of(key[1]),))
    recorder.timing("inference.seconds", metrics.answer_seconds)
    recorder.timing("inference.whole", metrics.server_seconds, provider)
    recorder.timing("inference.first_token", metrics.first_token_seconds, provider)
    recorder.timing("inference.per_token", metrics.per_token_seconds, provider)
    recorder.timing("search.seconds", metrics.search_seconds)
    recorder.timing("embedding.seconds", metrics.embedding_seconds)
    recorder.timing("database.seconds", metrics.database_seconds)
    recorder.timing("database.wait", metrics.database_wait)
    recorder.timing("queue.seconds", metrics.job_seconds)
    recorder.timing("loop.lag", metrics.loop_lag)


def _counters(recorder: Recorder) -> None:
    recorder.counter("http.requests", lambda: metrics.requests.totals, lambda key: (class_of(key[1]), key[2]))
    recorder.counter("inference.attempts", lambda: metrics.attempts.totals)
    recorder.counter("inference.disputes", lambda: metrics.disputes.totals)
    recorder.counter("inference.tokens", lambda: _sums(metrics.token_usage), lambda key: (key[1], key[3]))
    recorder.counter("inference.nanousd", lambda: metrics.charged.totals)
    recorder.counter("inference.saved_nanousd", lambda: metrics.saved.totals)
    recorder.counter("search.queries", lambda: metrics.queries.totals)
    recorder.counter("embedding.texts", lambda: metrics.embedded_texts.totals)
    recorder.counter("breaker.changes", lambda: metrics.breaker_changes.totals)
    recorder.counter("queue.done", lambda: metrics.job_attempts.totals)
    recorder.counter("budget.holds", lambda: metrics.holds.totals)
    evicted = {"evicted": ("embeddings",)}
    recorder.counter("cache.asked_again", lambda: metrics.embedding_cache.totals, lambda key: evicted.get(key[0]))


def _caches(recorder: Recorder, caches: Mapping[str, Cache]) -> None:
    def counted(what: Literal["hits", "misses"]) -> dict[Key, float]:
        return {(name, tier): figures[what] for name, each in caches.items() for tier, figures in each.figures().items()}

    def in_memory(*what: str) -> dict[Key, float]:
        return {(name,): float(sum(each.figures()["memory"][one] for one in what)) for name, each in caches.items()}

    async def look() -> Levels:
        return {"cache.bytes": in_memory("bytes"), "cache.entries": in_memory("entries")}

    recorder.counter("cache.lookups", lambda: in_memory("hits", "misses"))
    recorder.counter("cache.hits", lambda: counted("hits"))
    recorder.counter("cache.misses", lambda: counted("misses"))
    recorder.counter("cache.evictions", lambda: in_memory("evictions"))
    recorder.levels(look)


def _machine(use: Use, role: Role) -> dict[str, dict[Key, float]]:
    return {
        "machine.cpu": {(): use.cpu},
        "machine.memory": {(): use.memory},
        "disk.used": {(): use.disk},
        "process.cpu": {(role,): use.process_cpu},
        "process.memory": {(role,): float(use.process_memory)},
    }


def _sums(timing: Timing) -> dict[Key, float]:
    return {key: each.sum for key, each in timing.sketches.items()}
