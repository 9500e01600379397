"""Limits how often wrong keys may be tried from one address. In this process's memory; bounded.

Only wrong keys are throttled: a valid one always signs in, whatever others try behind the same proxy. Keys are too long to be guessed
anyway; this makes guessing expensive, and tells a person to look for another key.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

import cachebox

from app.errors import RateLimited

MAX_ADDRESSES = 10_000


class Throttle:
    """Counts failed sign-ins in a sliding window per address; nobody waits longer than the window."""

    def __init__(self, *, tries: int, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._tries = tries
        self._seconds = seconds
        self._now = now
        self._by_address: cachebox.LRUCache[str, deque[float]] = cachebox.LRUCache(MAX_ADDRESSES)

    def failed(self, address: str) -> None:
        """Count a wrong key. RateLimited if the address has reached the limit of the window; refused tries are not counted."""
        if address not in self._by_address:
            self._by_address[address] = deque(maxlen=self._tries)
        mine, moment = self._by_address[address], self._now()
        if len(mine) == self._tries and (wait := mine[0] + self._seconds - moment) > 0:
            raise RateLimited(
                f"This key is not valid, and too many wrong keys came from your address. Try another in {_duration_text(wait)}.",
                retry_after=wait,
            )
        mine.append(moment)


def _duration_text(seconds: float) -> str:
    whole = math.ceil(seconds)
    return f"{whole} s" if whole < 120 else f"{math.ceil(whole / 60)} minutes"
