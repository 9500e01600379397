"""Distributions that merge: counts on one grid of edges, the same in every process, so that a percentile over N servers is a
percentile and not an average of percentiles. Knows nothing of what is counted: seconds and tokens share the grid.

A bucket is at most 5 % wide and answers with its middle: a percentile is within 2.5 % of the exact one (nearest rank), between
10 µs and 10⁸; below, within 10 µs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil

LAYOUT = 1
"""The version of the grid. Stored sketches name their buckets by position: after a change of the grid, older ones are skipped."""
FIRST, LAST = -5, 8
"""Powers of ten: 10 µs; beyond the tokens of any call."""
OTHERS = (0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, *(4.0**power for power in range(3, 14)))
"""Edges that OpenTelemetry recommends, and that are not on the grid: so that Prometheus's buckets are exact."""


def _grid() -> tuple[float, ...]:
    """Return the edges, in each decade 1 to 2 by 0.05, 2 to 5 by 0.1, 5 to 10 by 0.25. Read from text, so that 0.015 is the float 0.015."""
    hundredths = [*range(100, 200, 5), *range(200, 500, 10), *range(500, 1000, 25)]
    edges = {float(f"{each}e{power - 2}") for power in range(FIRST, LAST) for each in hundredths}
    return tuple(sorted(edges | set(OTHERS) | {float(f"1e{LAST}")}))


EDGES = _grid()
assert all(high <= low * 1.0501 for low, high in pairwise(EDGES))


def place(value: float) -> int:
    """Return the bucket of a value: those up to and including its edge."""
    return bisect_left(EDGES, value)


class Sketch:
    """A histogram of sizes with relative precision. Merging two is exact."""

    __slots__ = ("counts", "sum")

    def __init__(self, counts: Mapping[int, int] | None = None, total: float = 0.0) -> None:
        self.counts: dict[int, int] = dict(counts or {})
        self.sum = total

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def observe(self, value: float) -> None:
        at = bisect_left(EDGES, value)
        self.counts[at] = self.counts.get(at, 0) + 1
        self.sum += value

    def merge(self, other: Sketch) -> None:
        for at, count in other.counts.items():
            self.counts[at] = self.counts.get(at, 0) + count
        self.sum += other.sum

    def since(self, before: Sketch | None) -> Sketch:
        """Return the difference to an earlier state of the same sketch."""
        if before is None:
            return Sketch(self.counts, self.sum)
        come = {at: count - before.counts.get(at, 0) for at, count in self.counts.items()}
        return Sketch({at: count for at, count in come.items() if count}, self.sum - before.sum)

    def quantile(self, share: float) -> float | None:
        """Return the value that so large a share lies at or below; None: nothing was seen."""
        return self.quantiles((share,))[0]

    def quantiles(self, shares: Sequence[float]) -> list[float | None]:
        """Return the values that these shares lie at or below, smaller shares first, in one pass; None: nothing was seen."""
        total, seen, at = self.count, 0, 0
        if not total:
            return [None] * len(shares)
        found, buckets = list[float | None](), iter(sorted(self.counts.items()))
        for share in shares:
            rank = max(1, ceil(share * total))
            while seen < rank:
                at, count = next(buckets)
                seen += count
            found.append(_middle(at))
        return found

    def at_most(self, edges: tuple[float, ...]) -> list[int]:
        """Count for each edge how many lie at or below it: exact where the edges are on the grid, as a histogram's must be."""
        ends, made, seen = [place(edge) for edge in edges], [], 0
        left = sorted(self.counts.items(), reverse=True)
        for end in ends:
            while left and left[-1][0] <= end:
                seen += left.pop()[1]
            made.append(seen)
        return made

    def packed(self) -> list[int]:
        """Encode for storage: bucket and count in turn, each bucket as its distance from the one before (delta encoding)."""
        numbers: list[int] = []
        last = 0
        for at in sorted(self.counts):
            numbers += (at - last, self.counts[at])
            last = at
        return numbers

    def add_packed(self, numbers: Sequence[int], total: float) -> None:
        counts, at = self.counts, 0
        pairs = iter(numbers)
        for distance, count in zip(pairs, pairs, strict=True):
            at += distance
            counts[at] = counts.get(at, 0) + count
        self.sum += total


def _middle(at: int) -> float:
    if at == 0:
        return EDGES[0] / 2
    if at == len(EDGES):
        return EDGES[-1]
    return (EDGES[at - 1] + EDGES[at]) / 2
