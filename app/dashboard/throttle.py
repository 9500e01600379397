"""Limits how often wrong keys may be tried from one address. In this process's memory; bounded.

Only wrong keys are slowed: a right one always signs in, whatever strangers try, behind the same proxy too. What makes guessing hopeless is
the keys' length; this keeps guesses from being cheap, and says to a person that something else than patience is needed.
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
    """A sliding window by address, so nobody waits longer than it is long."""

    def __init__(self, *, tries: int, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._tries = tries
        self._seconds = seconds
        self._now = now
        self._by_address: cachebox.LRUCache[str, deque[float]] = cachebox.LRUCache(MAX_ADDRESSES)

    def failed(self, address: str) -> None:
        """Count a wrong key. RateLimited where the address has tried too many within the window: those are not counted."""
        if address not in self._by_address:
            self._by_address[address] = deque(maxlen=self._tries)
        mine, moment = self._by_address[address], self._now()
        if len(mine) == self._tries and (wait := mine[0] + self._seconds - moment) > 0:
            raise RateLimited(
                f"This key is not valid, and too many wrong keys came from your address. Try another in {_said(wait)}.", retry_after=wait
            )
        mine.append(moment)


def _said(seconds: float) -> str:
    whole = math.ceil(seconds)
    return f"{whole} s" if whole < 120 else f"{math.ceil(whole / 60)} minutes"
