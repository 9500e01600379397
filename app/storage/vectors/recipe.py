"""Index and search parameters that both stores share, so that they give the same answers. No engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

DENSE, SPARSE = "dense_384", "bm25"
"""Names of the vectors that are searched: by cosine, and by BM25."""
RRF_K = 60
"""From Cormack, Clarke and Büttcher, 2009: flat enough that a place on both lists outweighs the first place on one."""
QUANTILE = 0.99
"""Share of values that the int8 range spans; the rest is clipped, and rescoring compensates."""
INDEXING_THRESHOLD_KB = 1000
FULL_SCAN_THRESHOLD_KB = 15_000
"""About 10,000 vectors of 384 dims: a full int8 scan takes 0.9 ms, as fast as the graph, with full recall. Unit: kB, not points."""
EXACT_MATCHES, EXACT_SHARE = 100_000, 0.25
"""Bounds (points, share of all) up to which a filter by several values of a field is searched exactly, in at most 12 ms.

The graph has links among points of one value, none among those of several, nor among those that `without` leaves of one: it found half
of a team's nearest items among 20 times as many passages.
"""


MAX_LINKED_FIELDS = 2
"""Fields of a filter (a scope and a kind) whose points the graph's links still connect; of a third, as an intent's, too few are left."""


def is_of_several(where: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether a filter accepts several values of a field, or is by more than MAX_LINKED_FIELDS fields."""
    return len(where) > MAX_LINKED_FIELDS or any(len(values) > 1 for values in where.values())


def candidates(limit: int) -> int:
    """Return how many candidates each side of a fusion contributes: too few miss points good on both sides and best on neither.

    Four times the limit instead of twice found the same ten at 100,000 items, and took 2.3 ms instead of 1.6 (see performance.md).
    """
    return max(2 * limit, 50)
