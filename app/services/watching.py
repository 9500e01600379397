"""Which measure becomes which series of the roll-ups, and what is looked at. Opens this process's recorder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Literal

from app import clock
from app.accounts.accounts import Accounts
from app.alerts.alarms import Alarms
from app.alerts.budget_evaluator import BudgetEvaluator
from app.alerts.evaluator import Evaluator
from app.alerts.notifications import Notifications
from app.alerts.recorder import Recorder
from app.alerts.rollup import Key
from app.alerts.rollups import Rollups
from app.alerts.rules import load as load_rules
from app.alerts.watch import Watch
from app.cache.tiers import Tiers
from app.queue.outbox import Outbox
from app.services.services import Money, Role, Services
from app.services.tasks import owned, quietly
from app.settings import Settings
from app.storage.database import Database
from app.telemetry import metrics
from app.telemetry.machine import Machine, Use
from app.telemetry.measures import Timing

EARLY = timedelta(days=7)
"""Left of the month, or more: a budget that is nearly spent by then is spent early."""
BREAKER = {"open": 1.0, "half-open": 0.5, "closed": 0.0}
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


def open_recorder(stack: AsyncExitStack, database: Database, role: Role) -> Recorder:
    """Closed late, after all that measures: what they did while they closed is in the last minute."""
    recorder = Recorder(database, role=role, lag=metrics.loop_lag)
    stack.push_async_callback(quietly, recorder.close)
    return recorder


async def open_watch(
    stack: AsyncExitStack, settings: Settings, database: Database, accounts: Accounts, outbox: Outbox, budget: Money
) -> Watch:
    """Open the alert engine. ConfigurationError for a bad file of rules: before anything is served.

    What budgets cross is told by the process that saw it, of either role and whatever `alerts.enabled` says: that is about series.
    """

    async def used_early() -> Mapping[Key, float]:
        """Spent of the limit, of developers whose month has more than a week left."""
        early = clock.now() + EARLY
        found = await budget.budgets.spending()
        return {(name,): each.spent / each.limit for name, each in found if each.limit and each.ends > early}

    rules, rollups = load_rules(settings.alerts.rules), Rollups(database)
    probes = {"budget.used_early": used_early}
    notifications = Notifications(outbox)
    evaluator = Evaluator(database, rollups, notifications, rules, every_seconds=settings.alerts.every_seconds, probes=probes)
    daily = settings.budget.team_tokens_a_day
    budgets = BudgetEvaluator(database, budget.facts, notifications, rules, names=accounts.names, daily_tokens=daily)
    await stack.enter_async_context(owned(budgets.run(), name="budget alerts"))
    return Watch(rollups, Alarms(database), evaluator, budgets, rules, settings)


def record(recorder: Recorder, services: Services, role: Role) -> None:
    """Everything that this process measures."""
    _timings(recorder)
    _counters(recorder)
    _caches(recorder, services.caches)

    def used() -> float:
        pool = services.database.pool()
        return pool.checked_out / pool.most

    recorder.level("pool.used", used)
    machine = Machine(services.folder.path)

    async def look() -> Mapping[str, Mapping[Key, float]]:
        return _machine(await asyncio.to_thread(machine.look), role)

    recorder.levels(look)
    if role == "serve":
        _shared(recorder, services)


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


def _caches(recorder: Recorder, caches: Mapping[str, Tiers]) -> None:
    def counted(what: Literal["hits", "misses"]) -> dict[Key, float]:
        return {(name, tier): figures[what] for name, each in caches.items() for tier, figures in each.figures().items()}

    async def look() -> Mapping[str, Mapping[Key, float]]:
        return {
            "cache.bytes": {(name,): float(each.memory.size) for name, each in caches.items()},
            "cache.entries": {(name,): float(len(each.memory)) for name, each in caches.items()},
        }

    recorder.counter("cache.lookups", lambda: {(name,): float(each.memory.hits + each.memory.misses) for name, each in caches.items()})
    recorder.counter("cache.hits", lambda: counted("hits"))
    recorder.counter("cache.misses", lambda: counted("misses"))
    recorder.counter("cache.evictions", lambda: {(name,): float(each.memory.evictions) for name, each in caches.items()})
    recorder.levels(look)


def _shared(recorder: Recorder, services: Services) -> None:
    """What all servers see alike: each looks, and the highest counts."""

    async def breakers() -> Mapping[str, Mapping[Key, float]]:
        return {"breaker.open": {(name,): BREAKER[each.state] for name, each in services.inference.catalog.breakers.items()}}

    async def queue() -> Mapping[str, Mapping[Key, float]]:
        found, pending = await services.queue.backlog(), await services.knowledge.index.pending()
        return {
            "queue.waiting": {(): float(found.waiting)},
            "queue.running": {(): float(found.running)},
            "queue.oldest": {(): found.oldest_seconds},
            "index.pending": {(): float(pending)},
        }

    async def messages() -> Mapping[str, Mapping[Key, float]]:
        return {"messages.waiting": {(): float(await services.messages.waiting())}}

    for look in (breakers, queue, messages):
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
