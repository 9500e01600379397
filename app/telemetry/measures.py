"""What is counted and what is timed, recorded once and read twice: by Prometheus as totals since the start, by the roll-ups as what a
minute brought. A record costs a third of a microsecond, a tenth of prometheus-client's; it is made on the event loop's thread only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from app.telemetry.sketch import EDGES, Sketch

Key: TypeAlias = tuple[str, ...]
MOST_KEYS = 1000
"""Label sets of one measure. What comes beyond is counted together: a name from outside must not make a metric without end."""
OTHER = "other"


class Tally:
    """A count for each set of labels."""

    __slots__ = ("labels", "name", "totals", "what")

    def __init__(self, name: str, what: str, labels: Sequence[str]) -> None:
        self.name = name
        self.what = what
        self.labels = tuple(labels)
        self.totals: dict[Key, float] = {}

    def add(self, key: Key = (), amount: float = 1) -> None:
        totals = self.totals
        if key not in totals:
            assert len(key) == len(self.labels), (self.name, key)
            if len(totals) >= MOST_KEYS:
                key = (OTHER,) * len(self.labels)
        totals[key] = totals.get(key, 0) + amount

    def families(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self.name, self.what, labels=self.labels)
        for key, total in self.totals.items():
            family.add_metric(key, total)
        yield family


class Timing:
    """A distribution for each set of labels: of seconds, or of tokens. `buckets`: Prometheus's, each an edge of the grid."""

    __slots__ = ("_buckets", "labels", "name", "sketches", "what")

    def __init__(self, name: str, what: str, labels: Sequence[str], buckets: Sequence[float]) -> None:
        if strange := set(buckets) - set(EDGES):
            raise ValueError(f"{name}: {sorted(strange)} are no edges of app/telemetry/sketch.py, so a histogram would be inexact.")
        self.name = name
        self.what = what
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
        family = HistogramMetricFamily(self.name, self.what, labels=self.labels)
        words = [_word(edge) for edge in self._buckets]
        for key, sketch in self.sketches.items():
            counts = sketch.at_most(self._buckets)
            family.add_metric(key, [*zip(words, counts, strict=True), ("+Inf", sketch.count)], sketch.sum)
        yield family

    def _new(self, key: Key) -> Sketch:
        assert len(key) == len(self.labels), (self.name, key)
        if len(self.sketches) >= MOST_KEYS:
            key = (OTHER,) * len(self.labels)
        return self.sketches.setdefault(key, Sketch())


class Exported(Collector):
    """Measures as prometheus-client wants them, made when somebody looks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._measures: list[Tally | Timing] = []
        registry.register(self)

    def tally(self, name: str, what: str, *labels: str) -> Tally:
        made = Tally(name, what, labels)
        self._measures.append(made)
        return made

    def timing(self, name: str, what: str, *labels: str, buckets: Sequence[float]) -> Timing:
        made = Timing(name, what, labels, buckets)
        self._measures.append(made)
        return made

    def collect(self) -> Iterable[Metric]:
        for measure in self._measures:
            yield from measure.families()

    def describe(self) -> Iterable[Metric]:
        return ()


def _word(edge: float) -> str:
    """As prometheus-client writes it: 1.0, 0.015, 1.048576e+06 as 1.048576e+06."""
    return str(float(edge))
