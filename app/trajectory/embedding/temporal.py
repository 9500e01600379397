"""Joins four groups of features into one vector of 384 dimensions: statistics 32, spectrum 128, warping distances 64, wavelets 160.

Each group has unit length, so none drowns the others; the whole has unit length too. A group without any variation stays zero.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.trajectory.embedding.features import POINTS, spectrum, statistics, stretched, wavelets
from app.trajectory.embedding.prototypes import warping

CHANNELS: Final = 4
NOISE: Final = 1e-9
"""A shorter group is what rounding left of one without variation."""
GROUPS: Final = {"statistics": slice(0, 32), "spectrum": slice(32, 160), "warping": slice(160, 224), "wavelets": slice(224, 384)}
DIMENSIONS: Final = 384
EMBEDDING_VERSION: Final = "1"
"""Raise it whenever the same course would give another vector."""


def temporal_embedding(course: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the unit vector of a course, given as four channels × points, all values 0 to 1. Raises ValueError for another shape."""
    if course.ndim != 2 or course.shape[0] != CHANNELS or not course.shape[1]:
        raise ValueError(f"The course has the shape {course.shape}: give {CHANNELS} channels of at least one point.")
    fixed = np.array([stretched(channel, POINTS) for channel in course])
    groups = (statistics(course), spectrum(fixed), warping(fixed), wavelets(fixed))
    vector = np.concatenate([_unit(group.ravel()) for group in groups])
    return _unit(vector).astype(np.float32)


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(values))
    unit: NDArray[np.float64] = values / length if length > NOISE else np.zeros_like(values)
    return unit
