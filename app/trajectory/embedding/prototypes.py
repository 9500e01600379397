"""Distances by time warping from 16 fixed prototypes of a course to each channel. The prototypes are simple shapes, not learnt from anything."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.trajectory.embedding.features import POINTS
from app.trajectory.sequences import warping_distance

_TIME: Final = np.linspace(0, 1, POINTS)


def _prototypes() -> NDArray[np.float64]:
    shapes = [np.full(POINTS, level) for level in (0.0, 0.5, 1.0)]
    shapes += [_TIME, 1 - _TIME]
    shapes += [(share <= _TIME).astype(float) for share in (0.25, 0.5, 0.75)]
    shapes += [(share > _TIME).astype(float) for share in (0.25, 0.5, 0.75)]
    shapes += [(np.abs(_TIME - 0.5) < 0.125).astype(float), (np.abs(_TIME - 0.5) >= 0.125).astype(float)]
    shapes += [(np.sin(2 * np.pi * periods * _TIME) > 0).astype(float) for periods in (2, 4, 8)]
    return np.array(shapes)


PROTOTYPES: Final = _prototypes()
"""Levels, slopes, steps up and down, one bump and one dip, and three square waves."""
_FARTHEST: Final = np.sqrt(POINTS)
"""Distance of the constants 0 and 1, the farthest of all."""


def warping(course: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each channel's distance to each prototype, less the channel's mean distance: which are near tells, not how far all are."""
    distances = np.array([[warping_distance(channel, each) for each in PROTOTYPES] for channel in course]) / _FARTHEST
    centred: NDArray[np.float64] = distances - distances.mean(axis=1, keepdims=True)
    return centred
