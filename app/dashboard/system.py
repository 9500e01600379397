"""The page "System", for admins: latency, throughput, saturation and failures, now and over time (from the roll-ups)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response

from app import clock
from app.alerts.advice import Advice
from app.alerts.alarms import FiringAlert, ResolvedAlert
from app.alerts.rollup import SeriesPoint
from app.alerts.rollups import SeriesReading
from app.dashboard import charts, formatting
from app.dashboard.live import mark_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, admin
from app.errors import Unavailable
from app.inference.breaker import State as BreakerState
from app.part import State
from app.services import Services
from app.services.readiness import readiness
from app.storage.database import PoolUse

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)

SPANS: dict[str, tuple[timedelta, timedelta, str]] = {
    "hour": (timedelta(hours=1), timedelta(minutes=1), "the last hour"),
    "day": (timedelta(days=1), timedelta(minutes=10), "the last day"),
    "week": (timedelta(days=7), timedelta(hours=2), "the last week"),
    "month": (timedelta(days=30), timedelta(hours=12), "the last 30 days"),
}
TIMINGS = {
    "inference.seconds": "Models, to the answer or its first token",
    "search.seconds": "Search",
    "embedding.seconds": "Embedding",
    "database.seconds": "Database",
}
OTHERS = (
    "http.requests", "cache.hits", "cache.misses", "breaker.changes", "queue.waiting", "queue.running", "pool.used",
    "machine.cpu", "machine.memory", "process.memory",
)  # fmt: skip
OVER = 10


@dataclass(frozen=True, slots=True)
class Timed:
    """Latency percentiles of the whole span, with their chart."""

    title: str
    count: int
    p50: str
    p95: str
    p99: str
    chart: charts.Chart


@dataclass(frozen=True, slots=True)
class HitRate:
    """A cache tier's hit rate. `share`, in percent: of all servers in the span; if nothing was measured, of this one since its start."""

    cache: str
    tier: str
    hits: int
    asked: int
    share: int | None


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """A provider and its circuit breaker on this server; how often it opened in the span, on all servers."""

    name: str
    model: str
    ready: bool
    detail: str
    state: BreakerState | None
    seconds_left: float
    opened: int
    history: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class System:
    span: str
    said: str
    parts: dict[str, State]
    firing: Sequence[FiringAlert]
    over: Sequence[ResolvedAlert]
    advice: Sequence[Advice]
    timed: Sequence[Timed]
    throughput: charts.Chart
    queue: charts.Chart
    load: charts.Chart
    pool_chart: charts.Chart
    hits: Sequence[HitRate]
    providers: Sequence[ProviderLine]
    jobs: dict[str, int]
    pending: int | None
    pool: PoolUse
    memory: str


@router.get("/system")
async def system(request: Request) -> Response:
    who = await admin(request)
    mark = await mark_of(who, "system", None)
    span = request.query_params.get("span", "day")
    found = await load_system(who, request, span if span in SPANS else "day")
    return await state_of(request).renderer.page("system.html", who, system=found, spans=list(SPANS), mark=mark)


async def load_system(who: Visitor, request: Request, span: str) -> System:
    services, zone = who.services, state_of(request).renderer.zone
    length, step, said = SPANS[span]
    now = clock.now()
    reading = await services.watch.rollups.read([*TIMINGS, *OTHERS], since=now - length, until=now, step=step)
    times = [each.at.astimezone(zone) for each in reading.points("search.seconds")]
    labels = tuple(f"{each:%H:%M}" if length <= timedelta(days=1) else f"{formatting.short_day(each)} {each:%H:%M}" for each in times)
    titles = tuple(f"{formatting.short_day(each)}, {each:%H:%M}" for each in times)

    def lines(id_: str, title: str, unit: str, *series: tuple[str, Sequence[float | None]]) -> charts.Chart:
        return charts.lines(id_, title, labels, titles, dict(series), unit=unit)

    jobs, pending = await _queue(services)
    return System(
        span=span,
        said=said,
        parts=(await readiness(services.parts)).states,
        firing=await services.watch.alarms.firing(),
        over=await services.watch.alarms.over(limit=OVER),
        advice=await services.watch.advice(),
        timed=[_timed(reading, name, title, lines) for name, title in TIMINGS.items()],
        throughput=lines("throughput", "Requests a minute", "/min", ("requests", _rate(reading.points("http.requests"), step, now))),
        queue=lines(
            "queue",
            "Jobs",
            "",
            ("waiting", [each.last for each in reading.points("queue.waiting")]),
            ("under way", [each.last for each in reading.points("queue.running")]),
        ),
        load=lines(
            "load",
            "CPU and memory of the machine",
            " %",
            ("CPU", _shares(reading.points("machine.cpu"))),
            ("memory", _shares(reading.points("machine.memory"))),
        ),
        pool_chart=lines(
            "pool", "Database connections in use", " %", ("in use, at the fullest", _shares(reading.points("pool.used"), most=True))
        ),
        hits=_hits(reading, services),
        providers=_providers(
            reading, services, zone_label=lambda at: f"{formatting.short_day(at.astimezone(zone))}, {at.astimezone(zone):%H:%M}"
        ),
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


def _timed(reading: SeriesReading, name: str, title: str, lines: Callable[..., charts.Chart]) -> Timed:
    points, whole = reading.points(name), reading.whole(name)
    series = (("p50", "p50"), ("p95", "p95"), ("p99", "p99"))
    chart = lines(
        name.replace(".", "-"), title, " ms", *((label, [_ms(getattr(each, field)) for each in points]) for label, field in series)
    )
    return Timed(title, whole.count, _written(whole.p50), _written(whole.p95), _written(whole.p99), chart)


def _hits(reading: SeriesReading, services: Services) -> list[HitRate]:
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


def _providers(reading: SeriesReading, services: Services, *, zone_label: Callable[[datetime], str]) -> list[ProviderLine]:
    catalog, found = services.inference.catalog, []
    states = reading.values("breaker.changes", "state")
    for each in catalog.standings:
        breaker = catalog.breakers.get(each.name)
        history = [
            (zone_label(point.at), state, formatting.count(round(point.sum)))
            for state in states
            for point in reading.points("breaker.changes", {"provider": each.name, "state": state})
            if point.sum
        ]
        opened = reading.whole("breaker.changes", {"provider": each.name, "state": "open"}) if "open" in states else None
        found.append(
            ProviderLine(
                name=each.name,
                model=each.model,
                ready=each.why == "ready",
                detail=each.detail,
                state=breaker.state if breaker is not None and each.why == "ready" else None,
                seconds_left=breaker.seconds_left if breaker is not None else 0.0,
                opened=round(opened.sum) if opened is not None else 0,
                history=sorted(history, reverse=True)[:OVER],
            )
        )
    return found


def _memory(reading: SeriesReading) -> str:
    whole = reading.whole("process.memory")
    return formatting.size(round(whole.last)) if whole.last is not None else "not yet measured"


def _rate(points: Sequence[SeriesPoint], step: timedelta, now: datetime) -> list[float | None]:
    """Return rates per minute; the last step, which isn't over, is divided by its elapsed time."""
    minutes = [max(1.0, min(step, now - each.at) / timedelta(minutes=1)) for each in points]
    return [round(each.sum / length, 2) if each.count else None for each, length in zip(points, minutes, strict=True)]


def _shares(points: Sequence[SeriesPoint], *, most: bool = False) -> list[float | None]:
    """Return shares in percent: the maximum of each point with `most`, else its mean."""
    values = [each.max if most else each.mean for each in points]
    return [None if each is None else round(each * 100, 1) for each in values]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _written(seconds: float | None) -> str:
    return "–" if seconds is None else formatting.milliseconds(seconds * 1000)
