"""The distance of two numeric series by dynamic time warping within a band (Sakoe and Chiba 1978). dtaidistance's C code does the work; pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Series: TypeAlias = NDArray[np.float64]

MAX_POINTS = 2_000
"""Points compared of a series; a longer one is thinned to as many."""
BAND = 0.1
"""Width of the band as a share of the longer series: a point may be compared with those as far away in time."""
MAX_MAGNITUDE = 1e100
"""Largest magnitude of a point: the square of a larger one may not be a number any more."""


def warping_distance(one: Sequence[float] | Series, other: Sequence[float] | Series, *, band: float = BAND) -> float:
    """Return the root of the least sum of squared differences over the warpings within the band. Symmetric, 0 for equals, no triangle rule.

    Series above MAX_POINTS are thinned first. Raises ValueError for an empty series, a point that is no number or above MAX_MAGNITUDE, and
    a band outside 0 to 1.
    """
    if not 0 <= band <= 1:
        raise ValueError(f"The band is {band}: give a share of the series from 0 to 1.")
    from dtaidistance import dtw_cc  # late: a server that only reads what a worker measured does without it

    first, second = _checked(one), _checked(other)
    return float(dtw_cc.distance(first, second, window=band_width(max(len(first), len(second)), band)))


def band_width(points: int, band: float) -> int:
    """Return the least distance from the diagonal, in points, that no warping within the band reaches; at least 1, the diagonal itself."""
    return 1 + ceil(points * band)


def thinned(series: Series, points: int) -> Series:
    """Return a series of at most as many points: the means of stretches of equal length."""
    if len(series) <= points:
        return series
    edges = np.linspace(0, len(series), points + 1).astype(np.intp)
    means: Series = np.add.reduceat(series, edges[:-1]) / np.diff(edges)
    return means


def _checked(given: Sequence[float] | Series) -> Series:
    series: Series = np.ascontiguousarray(given, dtype=np.float64)
    if series.ndim != 1 or not len(series):
        raise ValueError("The series has no points, or more than one dimension: give at least one number.")
    if not (np.abs(series) <= MAX_MAGNITUDE).all():  # false for NaN, too
        raise ValueError(f"The series has a point that is no number, or above {MAX_MAGNITUDE:g}: leave it out.")
    return np.ascontiguousarray(thinned(series, MAX_POINTS))
