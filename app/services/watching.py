"""Opens the alert engine and this process's recorder, and registers what is looked at for the roll-ups."""

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
from app.telemetry import measures
from app.telemetry.machine import Machine, Use

EARLY = timedelta(days=7)
"""A budget that is nearly spent with more than this left of the month is spent early."""
BREAKER = {"open": 1.0, "half-open": 0.5, "closed": 0.0}


def open_recorder(stack: AsyncExitStack, database: Database, role: Role) -> Recorder:
    """Open the recorder. It closes late, after all that measures, so that their end is in the last minute."""
    recorder = Recorder(database, role=role, lag=measures.loop_lag)
    stack.push_async_callback(quietly, recorder.close)
    return recorder


async def open_watch(
    stack: AsyncExitStack, settings: Settings, database: Database, accounts: Accounts, outbox: Outbox, budget: Money
) -> Watch:
    """Open the alert engine. ConfigurationError for a bad file of rules: before anything is served.

    What budgets cross is told by the process that saw it, of either role and whatever `alerts.enabled` says: that is about series.
    """

    async def used_early() -> Mapping[Key, float]:
        """Read the spent share of the limit of developers whose month has more than a week left."""
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
    """Register everything that this process measures: what is recorded, as app/telemetry/measures.py declares it, and what is looked at."""
    recorder.declared(measures.MEASURES.declared)
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
    """Register what all servers see alike: each looks, and the highest counts."""

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
