"""The page "System", for admins: latency, throughput, saturation and failures, now and over time (from the roll-ups)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request, Response

from app import clock
from app.alerts.advice import Advice
from app.alerts.rollups import SeriesReading
from app.alerts.series_alerts import FiringAlert, ResolvedAlert
from app.dashboard import charts, formatting
from app.dashboard.live import mark_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.system_charts import TIME_RANGES, TIMINGS, Latency, Timeline, chart_named, latencies, load_charts
from app.dashboard.visitor import PATH, Visitor, admin
from app.errors import NotFound, Unavailable
from app.inference.breaker import State as BreakerState
from app.part import State
from app.services import Services
from app.services.readiness import readiness
from app.storage.database import PoolUse
from app.web import spreadsheet

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)

OTHERS = (
    "http.requests", "cache.hits", "cache.misses", "breaker.changes", "queue.waiting", "queue.running", "pool.used",
    "machine.cpu", "machine.memory", "process.memory",
)  # fmt: skip
MAX_RESOLVED, MAX_CHANGES = 10, 10
"""Alerts that are over, and changes of a provider's breaker, that are listed."""


@dataclass(frozen=True, slots=True)
class HitRate:
    """A cache tier's hit rate in percent: of all servers in the span; if nothing was measured, of this one since its start."""

    cache: str
    tier: str
    hits: int
    asked: int
    percent: int | None


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """A provider and its circuit breaker on this server; how often it opened in the span, on all servers."""

    name: str
    model: str
    ready: bool
    detail: str
    state: BreakerState | None
    seconds_left: float
    free: bool
    opened: int
    history: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class SystemPage:
    """All that the page shows. `axis`: of all its charts.

    `pending`: changes that wait for the vector index; None: unknown, since the database is away.
    """

    span: str
    span_label: str
    parts: dict[str, State]
    firing: Sequence[FiringAlert]
    over: Sequence[ResolvedAlert]
    advice: Sequence[Advice]
    axis: dict[str, object]
    latencies: Sequence[Latency]
    charts: Sequence[charts.Chart]
    hits: Sequence[HitRate]
    providers: Sequence[ProviderLine]
    jobs: dict[str, int]
    pending: int | None
    pool: PoolUse
    memory: str


@dataclass(frozen=True, slots=True)
class ShownChart:
    """A chart with its figures. `steps`: when each step of its time axis begins."""

    chart: charts.Chart
    span: str
    span_label: str
    steps: Sequence[datetime]


@router.get("/system")
async def system(request: Request) -> Response:
    who = await admin(request)
    mark = await mark_of(who, "system")
    found = await load_system(who, request, _span(request))
    return await state_of(request).renderer.page("system.html", who, system=found, spans=list(TIME_RANGES), mark=mark)


@router.get("/system/{chart}.csv")
async def figures_csv(request: Request, chart: str) -> Response:
    """Export what a chart shows."""
    who = await admin(request)
    shown = await _chart(who, request, chart)
    rows = zip(shown.steps, *(each.values for each in shown.chart.series), strict=True)
    lines = [spreadsheet.line(["from", *(f"{each.name}{shown.chart.unit}" for each in shown.chart.series)])]
    lines += [spreadsheet.line([at.isoformat(), *values]) for at, *values in rows]
    return spreadsheet.file(f"{shown.chart.id}.csv", "".join(lines))


@router.get("/system/{chart}")
async def figures(request: Request, chart: str) -> Response:
    """Show what a chart shows as a table: on the page System the tables would weigh more than all the rest."""
    who = await admin(request)
    shown = await _chart(who, request, chart)
    return await state_of(request).renderer.page("system_chart.html", who, shown=shown, spans=list(TIME_RANGES))


async def _chart(who: Visitor, request: Request, id_: str) -> ShownChart:
    """Load a chart of the span in the address. NotFound if the page System has no such one."""
    span = _span(request)
    timeline = await _timeline(who, request, span)
    chart = chart_named(timeline, id_)
    if chart is None:
        raise NotFound("System has no such chart: go back to System, and choose one there.")
    return ShownChart(chart, span, timeline.range.label, timeline.steps)


def _span(request: Request) -> str:
    """Return the span in the address: a key of TIME_RANGES."""
    span = request.query_params.get("span", "day")
    return span if span in TIME_RANGES else "day"


async def _timeline(who: Visitor, request: Request, span: str) -> Timeline:
    chosen, now = TIME_RANGES[span], clock.now()
    reading = await who.services.monitoring.rollups.read([*TIMINGS, *OTHERS], since=now - chosen.length, until=now, step=chosen.step)
    return Timeline(reading, chosen, now, state_of(request).renderer.zone)


async def load_system(who: Visitor, request: Request, span: str) -> SystemPage:
    """Load all that the page shows of a span, a key of TIME_RANGES."""
    services, timeline = who.services, await _timeline(who, request, span)
    reading, (jobs, pending) = timeline.reading, await _queue(services)
    timed = latencies(timeline)
    return SystemPage(
        span=span,
        span_label=timeline.range.label,
        parts=(await readiness(services.parts)).states,
        firing=await services.monitoring.alerts.firing(),
        over=await services.monitoring.alerts.resolved(limit=MAX_RESOLVED),
        advice=await services.monitoring.advice(),
        axis=timed[0].chart.axis,
        latencies=timed,
        charts=load_charts(timeline),
        hits=_hit_rates(reading, services),
        providers=_providers(timeline, services),
        jobs=jobs,
        pending=pending,
        pool=services.database.pool(),
        memory=_memory(reading),
    )


async def _queue(services: Services) -> tuple[dict[str, int], int | None]:
    try:
        return await services.queue.counts(), await services.knowledge.index.pending()
    except Unavailable:
        return {}, None


def _hit_rates(reading: SeriesReading, services: Services) -> list[HitRate]:
    """Return the hit rates by cache and tier, from the roll-ups, else from this server's counters."""
    found = []
    for cache, tiers in services.caches.items():
        for tier, here in tiers.figures().items():
            chosen = {"cache": cache, "tier": tier}
            over_time = round(reading.whole("cache.hits", chosen).sum), round(reading.whole("cache.misses", chosen).sum)
            hits, misses = over_time if sum(over_time) else (here["hits"], here["misses"])
            asked = hits + misses
            found.append(HitRate(cache, tier, hits, asked, hits * 100 // asked if asked else None))
    return found


def _providers(timeline: Timeline, services: Services) -> list[ProviderLine]:
    catalog, reading, found = services.inference.catalog, timeline.reading, []
    states = reading.values("breaker.changes", "state")
    for each in catalog.statuses:
        breaker = catalog.breakers.get(each.name)
        history = [
            (timeline.time_label(point.at), state, formatting.count(round(point.sum)))
            for state in states
            for point in reading.points("breaker.changes", {"provider": each.name, "state": state})
            if point.sum
        ]
        opened = reading.whole("breaker.changes", {"provider": each.name, "state": "open"}) if "open" in states else None
        found.append(
            ProviderLine(
                name=each.name,
                model=each.model,
                ready=each.readiness == "ready",
                detail=each.detail,
                state=breaker.state if breaker is not None and each.readiness == "ready" else None,
                seconds_left=breaker.seconds_left if breaker is not None else 0.0,
                free=each.free,
                opened=round(opened.sum) if opened is not None else 0,
                history=sorted(history, reverse=True)[:MAX_CHANGES],
            )
        )
    return found


def _memory(reading: SeriesReading) -> str:
    whole = reading.whole("process.memory")
    return formatting.size(round(whole.last)) if whole.last is not None else "not yet measured"
