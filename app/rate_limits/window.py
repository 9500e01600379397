"""Sliding window of one minute. Pure arithmetic: the caller passes the time, in seconds.

Usage is counted per second, and a second counts until a minute after its end. So no minute, wherever it starts, exceeds the limit; in
return, usage expires up to a second late. `scripts.py` counts the same way in Redis.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import floor

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class LimitState:
    """The state of one limit: its size, what is left, seconds until one more fits (0: now) and until it is fully restored."""

    limit: int
    left: int
    wait_seconds: float
    reset_seconds: float


class Window:
    """Usage per second within the last minute."""

    __slots__ = ("_seconds", "_used")

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()
        self._used = 0

    def use(self, amount: int, now: float) -> None:
        """Add usage without checking the limit: the caller has checked."""
        second = floor(now)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1][1] += amount
        else:
            self._seconds.append([second, amount])
        self._used += amount

    def used(self, now: float) -> int:
        oldest = floor(now) - WINDOW_SECONDS
        while self._seconds and self._seconds[0][0] < oldest:
            self._used -= self._seconds.popleft()[1]
        return self._used

    def state(self, limit: int, now: float) -> LimitState:
        used = still = self.used(now)
        free_at = now
        for second, amount in self._seconds:
            if still < limit:
                break
            still -= amount
            free_at = second + 1 + WINDOW_SECONDS
        last = self._seconds[-1][0] + 1 + WINDOW_SECONDS if self._seconds else now
        return LimitState(limit, max(0, limit - used), free_at - now, last - now)
