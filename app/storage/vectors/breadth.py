"""How broadly a graph has to be searched: the least breadth (`ef`) that finds what exact search finds, measured on the graph itself.

By whoever builds the index, off the hot path, with every re-index anew: what is enough at 1,000 points is not at 1,000,000.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

BREADTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512)
NAME = "dense_384"
SAMPLE, K = 200, 10
"""Questions asked, and how many of the nearest have to be found: one in 2,000 is the finest difference seen."""
STORED = 1_000
"""Vectors that the questions are made of."""
MIXED = 3
"""Of two, the measurement was too kind to clusters; of four, it asked for twice what questions need (docs/performance.md)."""
WORTH_MEASURING = 10_000
"""Points. Fewer are searched without their graph (`recipe.FULL_SCAN_THRESHOLD_KB`)."""
UNMEASURED = 128

Vector = Sequence[float]
"""Plain numbers: the engine's process has no numpy, and starts the faster for it."""
Search = Callable[[Vector, int | None], Sequence[str]]
"""(question, ef; None: exactly) → ids."""


def least_breadth(stored: Sequence[Vector], search: Search, *, recall: float) -> int:
    """The least of BREADTHS whose recall@10 on a sample is at least `recall`; the largest where none is."""
    asked = _questions(stored)
    exact = [frozenset(search(question, None)) for question in asked]
    wanted = sum(map(len, exact))
    for breadth in BREADTHS[:-1]:
        if sum(len(found & set(search(question, breadth))) for question, found in zip(asked, exact, strict=True)) >= recall * wanted:
            return breadth
    return BREADTHS[-1]


def _questions(stored: Sequence[Vector]) -> list[Vector]:
    """Amid MIXED stored vectors each: as a question, near several items and equal to none. A stored one finds itself too easily."""
    apart = len(stored) // MIXED
    mixed = [[stored[(n + place * apart) % len(stored)] for place in range(MIXED)] for n in range(SAMPLE)]
    return [_unit([sum(parts) for parts in zip(*each, strict=True)]) for each in mixed]


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector] if length else vector
