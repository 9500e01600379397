"""Kinds of measures, and the registry in which each is declared once: name, help, kind, labels, and how it is rolled up.

A fast counter or a timing is recorded once and read twice: by Prometheus as totals since the start, by the roll-ups as what a minute
brought. A record costs a third of a microsecond, a tenth of prometheus-client's; it is made on the event loop's thread only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from prometheus_client import Counter, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from app.telemetry.sketch import EDGES, Sketch

Key: TypeAlias = tuple[str, ...]
Kind: TypeAlias = Literal["timing", "counter", "level"]
"""timing: a distribution, kept as percentiles, count and sum. counter: kept as a sum. level: a gauge, kept as last, mean and max."""
Relabel: TypeAlias = Callable[[Key], Key | None]
"""Labels of a measure → labels of its series. None: left out of the series."""
MAX_KEYS = 1000
"""Label sets of one measure. What comes beyond is counted together: a name from outside must not make a metric without end."""
OTHER = "other"


class FastCounter:
    """A counter whose increments cost a dictionary entry; one total for each set of labels."""

    __slots__ = ("description", "labels", "name", "totals")

    def __init__(self, name: str, description: str, labels: Sequence[str]) -> None:
        self.name = name
        self.description = description
        self.labels = tuple(labels)
        self.totals: dict[Key, float] = {}

    def add(self, key: Key = (), amount: float = 1) -> None:
        totals = self.totals
        if key not in totals:
            assert len(key) == len(self.labels), (self.name, key)
            if len(totals) >= MAX_KEYS:
                key = (OTHER,) * len(self.labels)
        totals[key] = totals.get(key, 0) + amount

    def families(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self.name, self.description, labels=self.labels)
        for key, total in self.totals.items():
            family.add_metric(key, total)
        yield family


class Timing:
    """A distribution for each set of labels: of seconds, or of tokens. `buckets`: Prometheus's, each an edge of the grid."""

    __slots__ = ("_buckets", "description", "labels", "name", "sketches")

    def __init__(self, name: str, description: str, labels: Sequence[str], buckets: Sequence[float]) -> None:
        if strange := set(buckets) - set(EDGES):
            raise ValueError(f"{name}: {sorted(strange)} are no edges of app/telemetry/sketch.py, so a histogram would be inexact.")
        self.name = name
        self.description = description
        self.labels = tuple(labels)
        self.sketches: dict[Key, Sketch] = {}
        self._buckets = tuple(buckets)

    def observe(self, value: float, key: Key = ()) -> None:
        sketch = self.sketches.get(key)
        if sketch is None:
            sketch = self._new(key)
        at = bisect_left(EDGES, value)
        counts = sketch.counts
        counts[at] = counts.get(at, 0) + 1
        sketch.sum += value

    def families(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self.name, self.description, labels=self.labels)
        words = [_word(edge) for edge in self._buckets]
        for key, sketch in self.sketches.items():
            counts = sketch.at_most(self._buckets)
            family.add_metric(key, [*zip(words, counts, strict=True), ("+Inf", sketch.count)], sketch.sum)
        yield family

    def _new(self, key: Key) -> Sketch:
        assert len(key) == len(self.labels), (self.name, key)
        if len(self.sketches) >= MAX_KEYS:
            key = (OTHER,) * len(self.labels)
        return self.sketches.setdefault(key, Sketch())


@dataclass(frozen=True, slots=True)
class RollUp:
    """The series that a measure is rolled up into by the minute: name, unit, and what differs from the measure.

    `labels` and `relabel`: where the series has other labels. `description`: where the metric's help doesn't fit. `summed`: of a timing
    only the sum is kept, as a counter.
    """

    series: str
    unit: str
    labels: tuple[str, ...] | None = None
    relabel: Relabel | None = None
    description: str | None = None
    summed: bool = False


@dataclass(frozen=True, slots=True)
class Declaration:
    """One measure. `metric` None: rolled up, and not shown to Prometheus. `source`: what it is recorded in; None: it is looked at."""

    metric: str | None
    kind: Kind
    description: str
    labels: tuple[str, ...]
    roll_up: RollUp | None = None
    source: FastCounter | Timing | None = None

    def totals(self) -> Mapping[Key, float]:
        """Sum what was recorded since the process began, by label set."""
        match self.source:
            case FastCounter():
                return self.source.totals
            case Timing():
                return {key: each.sum for key, each in self.source.sketches.items()}
            case None:
                return {}


class Measures(Collector):
    """Every measure of this process, each declared once; fast counters and timings are exported when somebody looks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.declared: list[Declaration] = []
        self.registry.register(self)

    def counter(self, name: str, description: str, *labels: str) -> Counter:
        """Declare a counter that is rarely raised."""
        self._declare(Declaration(name, "counter", description, labels))
        return Counter(name, description, labels, registry=self.registry)

    def gauge(self, name: str, description: str, *labels: str, roll_up: RollUp | None = None) -> Gauge:
        """Declare a value that is set when somebody looks. The recorder of the roll-ups looks at its series by itself."""
        self._declare(Declaration(name, "level", description, labels, roll_up))
        return Gauge(name, description, labels, registry=self.registry)

    def fast_counter(self, name: str, description: str, *labels: str, roll_up: RollUp | None = None) -> FastCounter:
        """Declare a counter that is raised with every request."""
        made = FastCounter(name, description, labels)
        self._declare(Declaration(name, "counter", description, labels, roll_up, made))
        return made

    def timing(self, name: str, description: str, *labels: str, buckets: Sequence[float], roll_up: RollUp | None = None) -> Timing:
        """Declare a distribution. `buckets`: Prometheus's upper edges."""
        made = Timing(name, description, labels, buckets)
        self._declare(Declaration(name, "timing", description, labels, roll_up, made))
        return made

    def series(self, name: str, kind: Kind, description: str, *labels: str, unit: str) -> None:
        """Declare a measure that is only rolled up: a room hands its values to the recorder."""
        self._declare(Declaration(None, kind, description, labels, RollUp(name, unit)))

    def collect(self) -> Iterable[Metric]:
        for each in self.declared:
            if each.source is not None:
                yield from each.source.families()

    def describe(self) -> Iterable[Metric]:
        return ()

    def _declare(self, made: Declaration) -> None:
        taken = {each.metric for each in self.declared if each.metric} | {each.roll_up.series for each in self.declared if each.roll_up}
        for name in (made.metric, made.roll_up.series if made.roll_up else None):
            if name in taken:
                raise ValueError(f"{name} is declared already: a measure is declared once.")
        self.declared.append(made)


def _word(edge: float) -> str:
    """Write an edge as prometheus-client does: 1.0, 0.015, 1048576.0."""
    return str(float(edge))
