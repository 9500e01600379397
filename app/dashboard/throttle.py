"""Limits how often a sign-in may fail from one address. In this process's memory; bounded.

Only wrong keys are throttled: a valid one always signs in, whatever others try behind the same proxy. Keys are too long to be guessed
anyway; this makes guessing expensive, and tells a person to look for another key. Of an OpenID provider's answers nobody knows whether they
are valid before the provider was asked, so that an address whose answers failed is refused first (`check`): else one browser could make the
provider refuse this server.
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
    """Counts failed sign-ins in a sliding window per address; nobody waits longer than the window. `refusal`: what is said first."""

    def __init__(self, refusal: str, *, tries: int, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._refusal = refusal
        self._tries = tries
        self._seconds = seconds
        self._now = now
        self._by_address: cachebox.LRUCache[str, deque[float]] = cachebox.LRUCache(MAX_ADDRESSES)

    def check(self, address: str) -> None:
        """Raise RateLimited if the address has reached the limit of the window."""
        mine = self._by_address.get(address)
        if mine is not None and len(mine) == self._tries and (wait := mine[0] + self._seconds - self._now()) > 0:
            raise RateLimited(f"{self._refusal} Try again in {_duration_text(wait)}.", retry_after=wait)

    def failed(self, address: str) -> None:
        """Count a failure. RateLimited as `check`; refused tries are not counted."""
        self.check(address)
        if address not in self._by_address:
            self._by_address[address] = deque(maxlen=self._tries)
        self._by_address[address].append(self._now())


def _duration_text(seconds: float) -> str:
    whole = math.ceil(seconds)
    return f"{whole} s" if whole < 120 else f"{math.ceil(whole / 60)} minutes"
