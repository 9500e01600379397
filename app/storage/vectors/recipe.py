"""How an index is built and searched: what both stores must do alike to give the same answers. Numbers, and no engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SPARSE = "bm25"
"""The name of the sparse vector."""
RRF_K = 60
"""As in Cormack, Clarke and Büttcher, 2009: flat enough that a place on both lists outweighs the first on one."""
QUANTILE = 0.99
"""Of the values that int8 must span; what lies outside is cut, and rescoring makes good for it."""
INDEXING_THRESHOLD_KB = 1000
FULL_SCAN_THRESHOLD_KB = 15_000
"""Of 10,000 vectors of 384 dims all int8 are read in 0.9 ms, as fast as by a graph, and none is missed. In kB of vectors, not in points."""
EXACT_MATCHES, EXACT_SHARE = 100_000, 0.25
"""A filter by several values of a field is searched exactly (12 ms at most) where so few points match it, and so small a share of all.

A graph has links among the points of one value, none among those of several: it found half of a team's nearest items among 20 times as
many passages."""


def is_of_several(where: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether a filter takes any of several values of a field."""
    return any(len(values) > 1 for values in where.values())


def candidates(limit: int) -> int:
    """How many each side of a fusion brings. A few only would leave out what is good on both sides and best on neither.

    Four times the limit instead of twice found the same ten at 100,000 items, and cost 2.3 ms instead of 1.6 (docs/performance.md).
    """
    return max(2 * limit, 50)
