"""What came of every request: when, how long, and what went wrong. Kept whole: a percentile of percentiles is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from tests.performance.measure import percentile


@dataclass(frozen=True, slots=True)
class Sample:
    """`at`: seconds since the beginning, of its end."""

    at: float
    route: str
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one route, or of all. Milliseconds."""

    route: str
    requests: int
    failed: int
    a_second: float
    p50: float
    p95: float
    p99: float


class Record:
    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.began = perf_counter()

    def answered(self, route: str, seconds: float) -> None:
        self.samples.append(Sample(perf_counter() - self.began, route, seconds))

    def failed(self, route: str, seconds: float, error: str) -> None:
        self.samples.append(Sample(perf_counter() - self.began, route, seconds, error))

    def between(self, since: float, until: float) -> list[Sample]:
        """Newest first: only the end of a long list is looked at."""
        found = []
        for sample in reversed(self.samples):
            if sample.at < since:
                break
            if sample.at < until:
                found.append(sample)
        return found

    def errors(self) -> Counter[str]:
        return Counter(f"{sample.route}: {sample.error}" for sample in self.samples if sample.error is not None)


def summary(route: str, samples: Sequence[Sample], seconds: float) -> Summary:
    spent = [sample.seconds * 1000 for sample in samples]
    failed = sum(sample.error is not None for sample in samples)
    shares = (percentile(spent, share) for share in (0.5, 0.95, 0.99))
    return Summary(route, len(samples), failed, len(samples) / seconds if seconds else 0.0, *shares)


def by_route(samples: Sequence[Sample], seconds: float) -> list[Summary]:
    """Each route by name, then all together."""
    routes = sorted({sample.route for sample in samples})
    return [summary(route, [sample for sample in samples if sample.route == route], seconds) for route in routes] + [
        summary("all", samples, seconds)
    ]
