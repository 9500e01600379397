"""Features of a course: statistics of each channel, the magnitudes of its spectrum, and its Haar wavelets. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.trajectory.sequences import thinned

Course = NDArray[np.float64]

POINTS: Final = 64
"""Points of a course that is brought to one length: a power of two, as the wavelets need."""
MIDDLE: Final = 0.5
"""Values lie in 0 to 1; features are taken from the middle, so that two courses may also point apart."""
LAGS: Final = (1, 2)
NOISE: Final = 1e-12
"""A smaller power is what rounding left of a constant channel."""


def stretched(channel: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Bring a channel to a number of points: a longer one by means of stretches, a shorter one by linear interpolation."""
    if len(channel) >= points:
        return thinned(channel, points)
    return np.interp(np.linspace(0, len(channel) - 1, points), np.arange(len(channel)), channel)


def statistics(course: Course) -> Course:
    """Return 8 statistics a channel: mean, deviation, slope, the means of the first and the last third, two autocorrelations, the share of steps up or down."""
    third = max(1, course.shape[1] // 3)
    mean = course.mean(axis=1)
    lagged = [_autocorrelation(course, lag) for lag in LAGS]
    moves = np.abs(np.diff(course, axis=1, prepend=course[:, :1])).mean(axis=1)
    columns = (
        mean - MIDDLE,
        course.std(axis=1),
        course[:, -third:].mean(axis=1) - course[:, :third].mean(axis=1),
        course[:, :third].mean(axis=1) - MIDDLE,
        course[:, -third:].mean(axis=1) - MIDDLE,
        *lagged,
        moves,
    )
    return np.stack(columns, axis=1)


def spectrum(course: Course) -> Course:
    """Return the magnitudes of 32 frequencies a channel, without the mean, on a logarithmic scale."""
    centred = course - course.mean(axis=1, keepdims=True)
    magnitudes: Course = np.log1p(np.abs(np.fft.rfft(centred, axis=1))[:, 1:])
    return magnitudes


def wavelets(course: Course) -> Course:
    """Return 40 Haar coefficients a channel: the 32 coarsest, the energies of all 6 levels, and the strongest of the two finest levels."""
    rest, details = course - MIDDLE, []
    while rest.shape[1] > 1:
        even, odd = rest[:, ::2], rest[:, 1::2]
        details.append((even - odd) / np.sqrt(2))
        rest = (even + odd) / np.sqrt(2)
    energies = np.stack([np.sqrt((level**2).sum(axis=1)) for level in details], axis=1)
    strongest = np.stack([np.abs(level).max(axis=1) for level in details[:2]], axis=1)
    return np.concatenate([rest, *details[:0:-1], energies, strongest], axis=1)


def _autocorrelation(course: Course, lag: int) -> NDArray[np.float64]:
    """Return each channel's correlation with itself, so many points later; 0 for a constant one."""
    centred = course - course.mean(axis=1, keepdims=True)
    power = (centred**2).sum(axis=1)
    shifted = (centred[:, lag:] * centred[:, :-lag]).sum(axis=1)
    correlation: NDArray[np.float64] = np.divide(shifted, power, out=np.zeros_like(power), where=power > NOISE)
    return correlation
