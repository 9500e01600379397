"""Tunes HNSW's search breadth (`ef`): the smallest that reaches the wanted recall against exact search on this very graph.

Measured by the index's builder, off the hot path, after every re-index, since the necessary breadth grows with the number of points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

BREADTHS = (32, 48, 64, 96, 128, 192, 256, 384, 512)
SAMPLE, K = 200, 10
"""Queries asked, and nearest neighbours compared for each: resolves recall to 1 in 2,000."""
STORED = 1_000
"""Stored vectors from which the queries are made."""
MIXED = 3
"""Stored vectors averaged into a query. Two proved too optimistic on clusters; four asked for twice the necessary breadth."""
WORTH_MEASURING = 10_000
"""Points below which `ef` is not measured: they are searched without a graph (`recipe.FULL_SCAN_THRESHOLD_KB`)."""
UNMEASURED = 128

Vector = Sequence[float]
"""Plain floats: the engine's process has no numpy, so that it starts faster."""
Search = Callable[[Vector, int | None], Sequence[str]]
"""(query, ef; None: exact) → ids."""


def min_breadth(stored: Sequence[Vector], search: Search, *, recall: float) -> int:
    """Return the smallest of BREADTHS whose recall@10 on a sample is at least `recall`; the largest if none is."""
    asked = _questions(stored)
    exact = [frozenset(search(question, None)) for question in asked]
    wanted = sum(map(len, exact))
    for breadth in BREADTHS[:-1]:
        if sum(len(found & set(search(question, breadth))) for question, found in zip(asked, exact, strict=True)) >= recall * wanted:
            return breadth
    return BREADTHS[-1]


def _questions(stored: Sequence[Vector]) -> list[Vector]:
    """Average MIXED stored vectors into each query: near several items, equal to none. A stored vector finds itself too easily."""
    apart = len(stored) // MIXED
    mixed = [[stored[(n + place * apart) % len(stored)] for place in range(MIXED)] for n in range(SAMPLE)]
    return [_unit([sum(parts) for parts in zip(*each, strict=True)]) for each in mixed]


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector] if length else vector
