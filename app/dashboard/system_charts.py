"""Charts of the page "System": latency, throughput, queue, load and connections over a time range of the roll-ups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cached_property

from app.alerts.rollup_values import SeriesPoint
from app.alerts.rollups import SeriesReading
from app.dashboard import charts, formatting

TIMINGS = {
    "inference.seconds": "Models, to the answer or its first token",
    "search.seconds": "Search",
    "embedding.seconds": "Embedding",
    "database.seconds": "Database",
}
PERCENTILES = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A choice of the page: how far back it looks, in which steps, and how it is called there."""

    length: timedelta
    step: timedelta
    label: str


TIME_RANGES: dict[str, TimeRange] = {
    "hour": TimeRange(timedelta(hours=1), timedelta(minutes=1), "the last hour"),
    "day": TimeRange(timedelta(days=1), timedelta(minutes=10), "the last day"),
    "week": TimeRange(timedelta(days=7), timedelta(hours=2), "the last week"),
    "month": TimeRange(timedelta(days=30), timedelta(hours=12), "the last 30 days"),
}


@dataclass(frozen=True)
class Timeline:
    """The measurements of a time range that ends `now`, with the time axis that its charts share: written once, not for each chart."""

    reading: SeriesReading
    range: TimeRange
    now: datetime
    zone: tzinfo

    @cached_property
    def steps(self) -> list[datetime]:
        """Return the times at which the steps begin: every series has the same ones."""
        return self.reading.times

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """Return the time of each step in full."""
        return tuple(self.time_label(each) for each in self.steps)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Return the time of each step as the axis has it: within a day without the day."""
        times = [each.astimezone(self.zone) for each in self.steps]
        within_a_day = self.range.length <= timedelta(days=1)
        return tuple(f"{each:%H:%M}" if within_a_day else f"{formatting.short_day(each)} {each:%H:%M}" for each in times)

    def time_label(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        return f"{formatting.short_day(local)}, {local:%H:%M}"

    def chart(self, id_: str, title: str, unit: str, series: Mapping[str, Sequence[float | None]]) -> charts.Chart:
        """Make a chart with one line for each series."""
        return charts.lines(id_, title, self.labels, self.titles, series, unit=unit)


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency percentiles of the whole range, with their chart."""

    title: str
    count: int
    p50: str
    p95: str
    p99: str
    chart: charts.Chart


def latencies(timeline: Timeline) -> list[Latency]:
    return [_latency(timeline, name, title) for name, title in TIMINGS.items()]


def chart_named(timeline: Timeline, id_: str) -> charts.Chart | None:
    """Return the chart with this id; None if the page has none. The other latencies, dear to sum, are left out."""
    timed = (_latency(timeline, name, title).chart for name, title in TIMINGS.items() if _id(name) == id_)
    return next(timed, None) or next((each for each in load_charts(timeline) if each.id == id_), None)


def load_charts(timeline: Timeline) -> tuple[charts.Chart, ...]:
    """Return the charts of throughput, the job queue, the machine and the connection pool."""
    points = timeline.reading.points
    machine = {
        "CPU": _percent(each.mean for each in points("machine.cpu")),
        "memory": _percent(each.mean for each in points("machine.memory")),
    }
    jobs = {"waiting": [each.last for each in points("queue.waiting")], "running": [each.last for each in points("queue.running")]}
    connections = {"in use, maximum": _percent(each.max for each in points("pool.used"))}
    return (
        timeline.chart("throughput", "Requests a minute", "/min", {"requests": _rates(points("http.requests"), timeline)}),
        timeline.chart("queue", "Jobs", "", jobs),
        timeline.chart("load", "CPU and memory of the machine", " %", machine),
        timeline.chart("pool", "Database connections in use", " %", connections),
    )


def _latency(timeline: Timeline, name: str, title: str) -> Latency:
    points, whole = timeline.reading.points(name), timeline.reading.whole(name)
    series = {percentile: [_milliseconds(getattr(each, percentile)) for each in points] for percentile in PERCENTILES}
    chart = timeline.chart(_id(name), title, " ms", series)
    return Latency(title, whole.count, _duration(whole.p50), _duration(whole.p95), _duration(whole.p99), chart)


def _id(name: str) -> str:
    """Return the id of a series' chart, as addresses have it."""
    return name.replace(".", "-")


def _rates(points: Sequence[SeriesPoint], timeline: Timeline) -> list[float | None]:
    """Return rates per minute; the last step, which isn't over, is divided by its elapsed time."""
    minutes = [max(1.0, min(timeline.range.step, timeline.now - each.at) / timedelta(minutes=1)) for each in points]
    return [round(each.sum / length, 2) if each.count else None for each, length in zip(points, minutes, strict=True)]


def _percent(shares: Iterable[float | None]) -> list[float | None]:
    return [None if each is None else round(each * 100, 1) for each in shares]


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _duration(seconds: float | None) -> str:
    return "–" if seconds is None else formatting.milliseconds(seconds * 1000)
