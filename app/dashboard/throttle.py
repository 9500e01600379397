"""How often wrong keys may be tried: by address, and by all of them together. In this process's memory; bounded."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

import cachebox

from app.errors import RateLimited

MOST_ADDRESSES = 10_000


class Throttle:
    """Wrong keys are counted, right ones are not. A sliding window, so nobody waits longer than it is long."""

    def __init__(self, *, tries: int, together: int, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._tries = tries
        self._seconds = seconds
        self._now = now
        self._all: deque[float] = deque(maxlen=together)
        self._by_address: cachebox.LRUCache[str, deque[float]] = cachebox.LRUCache(MOST_ADDRESSES)

    def check(self, address: str) -> None:
        """RateLimited while there were too many: then not even a right key is looked at."""
        if (wait := self._wait(self._by_address.get(address, _NONE))) > 0:
            raise RateLimited(f"Too many wrong keys from this address. Try again in {_said(wait)}.", retry_after=wait)
        if (wait := self._wait(self._all)) > 0:
            raise RateLimited(f"Too many wrong keys are being tried at the moment. Try again in {_said(wait)}.", retry_after=wait)

    def failed(self, address: str) -> None:
        """A wrong key."""
        if address not in self._by_address:
            self._by_address[address] = deque(maxlen=self._tries)
        mine = self._by_address[address]
        moment = self._now()
        mine.append(moment)
        self._all.append(moment)

    def _wait(self, times: deque[float]) -> float:
        """Until the oldest of a full window has left it."""
        return times[0] + self._seconds - self._now() if len(times) == times.maxlen else 0.0


_NONE: deque[float] = deque()


def _said(seconds: float) -> str:
    whole = math.ceil(seconds)
    return f"{whole} s" if whole < 120 else f"{math.ceil(whole / 60)} minutes"
