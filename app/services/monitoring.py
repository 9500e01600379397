"""Opens the alert engine and this process's recorder, and connects every part's measures to the recorder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Literal

import structlog

from app import clock
from app.accounts.accounts import Accounts
from app.alerts import downsampling
from app.alerts.budget_evaluator import BudgetEvaluator
from app.alerts.evaluator import Evaluator
from app.alerts.monitoring import Monitoring
from app.alerts.notifications import Notifications
from app.alerts.recorder import Recorder
from app.alerts.rollup_values import Key
from app.alerts.rollups import Rollups
from app.alerts.rules import load as load_rules
from app.alerts.series_alerts import SeriesAlerts
from app.budget.part import BudgetServices
from app.errors import Unavailable
from app.part import Cache, Levels, Maintenance, Opened, Part, Role
from app.queue.outbox import Outbox
from app.services.composition import caches_of
from app.settings import Settings
from app.storage.database import Database
from app.storage.folder import DataFolder
from app.telemetry import measures, metrics
from app.telemetry.machine import Machine, Use

log = structlog.get_logger()

EARLY = timedelta(days=7)
"""With more than this left of the month, a budget that is nearly spent is spent early."""


@asynccontextmanager
async def open_recorder(database: Database, role: Role) -> AsyncIterator[Opened[Recorder]]:
    """Open the recorder, empty: `record` adds the measures. It closes after the rooms that measure, to record their last values."""
    recorder = Recorder(database, role=role, lag=measures.loop_lag)
    try:
        yield recorder, Part(name="recorder")
    finally:
        try:
            await recorder.close()
        except Unavailable as error:  # PostgreSQL may be gone already
            log.warning("closing.unwritten", code=error.code)


@asynccontextmanager
async def open_monitoring(
    settings: Settings, role: Role, *, database: Database, accounts: Accounts, outbox: Outbox, budget: BudgetServices
) -> AsyncIterator[Opened[Monitoring]]:
    """Open the alert engine. ConfigurationError for an invalid file of rules, before anything is served.

    Rules about budgets are evaluated by every process, for its own changes, also with `alerts.enabled` off: that is about series.
    """

    async def used_early() -> Mapping[Key, float]:
        """Read the spent share of the limit of developers whose month has more than a week left."""
        early = clock.now() + EARLY
        found = await budget.budgets.list_spending()
        return {(name,): each.spent / each.limit for name, each in found if each.limit and each.ends > early}

    rules, rollups = load_rules(settings.alerts.rules), Rollups(database)
    probes = {"budget.used_early": used_early}
    notifications = Notifications(outbox)
    evaluator = Evaluator(database, rollups, notifications, rules, every_seconds=settings.alerts.every_seconds, probes=probes)
    budgets = BudgetEvaluator(
        database, budget.facts, notifications, rules, names=accounts.names, daily_tokens=settings.budget.team_tokens_a_day
    )
    alerts = SeriesAlerts(database)

    async def firing() -> None:
        metrics.set_firing((each.rule, each.severity) for each in await alerts.firing())

    part = Part(
        name="alerts",
        loops=(*budgets.loops(), *(evaluator.loops() if role == "serve" and settings.alerts.enabled else ())),
        gauges=[firing],
        maintenance=[Maintenance("spans", lambda: downsampling.downsample(database, clock.now()))],
    )
    yield Monitoring(rollups, alerts, evaluator, budgets, rules, settings), part


def record(recorder: Recorder, parts: Sequence[Part], folder: DataFolder, role: Role) -> Part:
    """Add everything that this process measures to the recorder. Returns the part with its loops, to be added last."""
    recorder.add_declared(measures.MEASURES.declared)
    _caches(recorder, caches_of(parts))
    for part in parts:
        for series, now in part.samples.items():
            recorder.add_fast_level(series, now)
        for sampler in part.levels:
            recorder.add_levels(sampler)
    machine = Machine(folder.path)

    async def sample_machine() -> Levels:
        return _machine(await asyncio.to_thread(machine.measure), role)

    recorder.add_levels(sample_machine)
    return Part(name="rollups", loops=recorder.loops())


def _caches(recorder: Recorder, caches: Mapping[str, Cache]) -> None:
    def counted(what: Literal["hits", "misses"]) -> dict[Key, float]:
        return {(name, tier): figures[what] for name, each in caches.items() for tier, figures in each.figures().items()}

    def in_memory(*what: str) -> dict[Key, float]:
        return {(name,): float(sum(each.figures()["memory"][one] for one in what)) for name, each in caches.items()}

    async def sample_memory() -> Levels:
        return {"cache.bytes": in_memory("bytes"), "cache.entries": in_memory("entries")}

    recorder.add_counter("cache.lookups", lambda: in_memory("hits", "misses"))
    recorder.add_counter("cache.hits", lambda: counted("hits"))
    recorder.add_counter("cache.misses", lambda: counted("misses"))
    recorder.add_counter("cache.evictions", lambda: in_memory("evictions"))
    recorder.add_levels(sample_memory)


def _machine(use: Use, role: Role) -> dict[str, dict[Key, float]]:
    return {
        "machine.cpu": {(): use.cpu},
        "machine.memory": {(): use.memory},
        "disk.used": {(): use.disk},
        "process.cpu": {(role,): use.process_cpu},
        "process.memory": {(role,): float(use.process_memory)},
    }
