"""Finds what a request asks the provider to keep in its prompt cache: writing there costs more, for an hour most. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from app.budget.prices import CacheWrites

MARK, LIFETIME = "cache_control", "ttl"
SHORT: Final = "5m"
LONG: Final = "1h"
MAX_DEPTH = 12
"""Marks stand on messages, blocks, tools and calls, and blocks within blocks; below that are a tool's schema or a call's input."""


def asked_writes(values: Iterable[object]) -> CacheWrites:
    """Return the longest lifetime for which any part of these values is marked. An unknown lifetime counts as the long one."""
    found: CacheWrites = "none"
    waiting = [(value, MAX_DEPTH) for value in values]
    while waiting:
        value, depth = waiting.pop()
        inner: Iterable[object] = ()
        if isinstance(value, Mapping):
            if isinstance(mark := value.get(MARK), Mapping):
                if mark.get(LIFETIME) not in (None, SHORT):
                    return LONG
                found = SHORT
            inner = value.values()
        elif isinstance(value, list | tuple):
            inner = value
        if depth:
            waiting += [(each, depth - 1) for each in inner if isinstance(each, Mapping | list | tuple)]
    return found
