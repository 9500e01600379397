"""How an index is built and searched: what both stores must do alike to give the same answers. Numbers, and no engine."""

from __future__ import annotations

SPARSE = "bm25"
"""The name of the sparse vector."""
RRF_K = 60
"""As in Cormack, Clarke and Büttcher, 2009: flat enough that a place on both lists outweighs the first on one."""
QUANTILE = 0.99
"""Of the values that int8 must span; what lies outside is cut, and rescoring makes good for it."""
INDEXING_THRESHOLD_KB = 1000
FULL_SCAN_THRESHOLD_KB = 1000
"""Below about 650 vectors of 384 floats, brute force is as fast as a graph. In kilobytes of vectors, not in points."""


def candidates(limit: int) -> int:
    """How many each side of a fusion brings. A few only would leave out what is good on both sides and best on neither.

    Four times the limit instead of twice found the same ten at 100,000 items, and cost 2.3 ms instead of 1.6 (docs/performance.md).
    """
    return max(2 * limit, 50)
