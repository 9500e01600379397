"""A session's course in numbers: per deed its duration, the size of its result, whether it was new, and whether it failed.

Bounded: at MAX_POINTS neighbours are averaged pairwise, so a session of any length keeps its whole course, only coarser.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log1p
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.trajectory.events.steps import SessionStep

CHANNELS: Final = ("duration", "size", "novelty", "failure")
MAX_POINTS: Final = 512
MAX_GAP_SECONDS: Final = 3_600.0
"""A longer pause is a break, not work; a clock that jumps back counts as none."""
MAX_OUTPUT_CHARS: Final = 32_000
"""Characters of a result that count: a longer one is as large as any."""


@dataclass(slots=True)
class SessionCourse:
    """The points so far, each the mean of `stride` deeds, and the sum of the `pending` deeds that don't fill one yet.

    All values lie in 0 to 1, in the order of CHANNELS.
    """

    points: list[list[float]] = field(default_factory=list)
    stride: int = 1
    sums: list[float] = field(default_factory=lambda: [0.0] * len(CHANNELS))
    pending: int = 0

    def add(self, point: list[float]) -> None:
        """Take the next deed's point."""
        self.sums = [total + value for total, value in zip(self.sums, point, strict=True)]
        self.pending += 1
        if self.pending == self.stride:
            self.points.append(self._mean())
            self.sums, self.pending = [0.0] * len(CHANNELS), 0
        if len(self.points) == MAX_POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [[(a + b) / 2 for a, b in zip(one, other, strict=True)] for one, other in pairs]
            self.stride *= 2

    def series(self) -> NDArray[np.float64]:
        """Return channels × points; one point of zeros where there was no deed."""
        points = [*self.points, self._mean()] if self.pending else self.points
        return np.array(points or [[0.0] * len(CHANNELS)], dtype=np.float64).T

    def _mean(self) -> list[float]:
        return [total / self.pending for total in self.sums]


def point_of(step: SessionStep, *, gap_seconds: float, novelty: float) -> list[float]:
    """Return a deed's point. Sizes and times on a logarithmic scale: a second matters between short ones only."""
    gap = min(max(gap_seconds, 0.0), MAX_GAP_SECONDS)
    size = min(step.output_chars, MAX_OUTPUT_CHARS)
    return [
        log1p(gap) / log1p(MAX_GAP_SECONDS),
        log1p(size) / log1p(MAX_OUTPUT_CHARS),
        novelty,
        float(step.result in {"failed", "rejected", "unavailable"}),
    ]
