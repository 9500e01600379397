"""Remember what was read in texts, within a bound in bytes: one text is compared with many, but long ones would fill the memory.

Knows no texts; which functions are remembered, their decorators say.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")
LONGEST = 1_000
ENTRIES = 256
LONG_ENTRIES = 2
"""The two long texts of one comparison: a candidate isn't read again for each of its neighbours."""


def remembered(function: Callable[..., T]) -> Callable[..., T]:
    """Remember a function of strings for the last ENTRIES of at most LONGEST characters, and for the last LONG_ENTRIES longer ones."""
    short, long = lru_cache(ENTRIES)(function), lru_cache(LONG_ENTRIES)(function)

    @wraps(function)
    def read(*strings: str) -> T:
        return (short if len(strings[0]) <= LONGEST else long)(*strings)

    return read
