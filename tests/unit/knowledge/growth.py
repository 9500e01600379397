"""Measures how the work of reading a text grows with its length, whatever the machine: as a ratio of CPU times."""

from __future__ import annotations

import time
from collections.abc import Callable

SHORT, LONG = 500, 8_000
MAX_GROWTH = 48.0
"""Three times what reading a text that is 16 times as long may cost: work by the square of the length grows 256-fold."""
_OVERHEAD = 0.001
"""Seconds added to the short text's, so that the clock's grain and a warm-up don't count."""


def growth(read: Callable[[str], object], unit: str) -> float:
    """Return how many times the work of `read` grows from a short to a long text of this unit, repeated."""
    short, long = (min(_seconds(read, (unit * size)[:size]) for _ in range(3)) for size in (SHORT, LONG))
    return long / (short + _OVERHEAD)


def _seconds(read: Callable[[str], object], text: str) -> float:
    begin = time.thread_time()
    read(text)
    return time.thread_time() - begin
