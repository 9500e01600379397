"""In-memory cache, bounded by entries and bytes, with a TTL per entry. Policies: LRU and LFU by cachebox, W-TinyLFU by theine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import cachebox
import theine

from app.settings import EvictionPolicy

OVERHEAD_BYTES = 300
"""Memory of an entry beside its value: key, object, the policy's bookkeeping."""
MAX_VALUE_FRACTION = 8
"""Values larger than this fraction (1/8) of the cache are not stored: they would evict too many others."""


class CacheEntry:
    """A value with its expiry. Subtracts itself from the cache's bytes when it is freed, whoever dropped it."""

    __slots__ = ("_bytes", "ends", "value")

    def __init__(self, value: bytes, ends: float, counted: ByteCounter) -> None:
        self.value = value
        self.ends = ends
        self._bytes = counted
        counted.bytes += len(value) + OVERHEAD_BYTES

    def __del__(self) -> None:
        self._bytes.bytes -= len(self.value) + OVERHEAD_BYTES


class ByteCounter:
    """Total bytes of live entries."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class Store(Protocol):
    """A policy's container, bounded by entries."""

    def get(self, key: bytes) -> CacheEntry | None: ...
    def set(self, key: bytes, entry: CacheEntry, ttl_seconds: float) -> None: ...
    def delete(self, key: bytes) -> bool: ...
    def make_room(self) -> bool:
        """Evict one entry; False if empty."""

    def clear(self) -> None: ...
    def __len__(self) -> int: ...


class MemoryCache:
    """A cache of bytes with at most `entries` and `max_bytes`. TTLs are shortened by a random share of up to `jitter`."""

    def __init__(
        self, policy: EvictionPolicy, *, entries: int, max_bytes: int, jitter: float = 0.1, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.entries = entries
        self._store: Store = _TinyLfu(entries) if policy == "w-tinylfu" else _Recent(policy, entries)
        self._counted = ByteCounter()
        self._max_bytes = max_bytes
        self._jitter = jitter
        self._now = now
        self._uses: dict[bytes, int] | None = None
        self._max_uses = 0
        self.hits = self.misses = self.stored = self.expired = self.dropped = 0

    @property
    def size(self) -> int:
        """The size in bytes, with overhead."""
        return self._counted.bytes

    @property
    def evictions(self) -> int:
        """The number of entries evicted before their expiry."""
        return max(0, self.stored - self.expired - self.dropped - len(self._store))

    def __len__(self) -> int:
        return len(self._store)

    def __contains__(self, key: bytes) -> bool:
        return self.peek(key) is not None

    def get(self, key: bytes) -> bytes | None:
        entry = self._store.get(key)
        if entry is not None and entry.ends <= self._now():
            self.expired += self._store.delete(key)
            entry = None
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        if self._uses is not None and (key in self._uses or len(self._uses) < self._max_uses):
            self._uses[key] = self._uses.get(key, 0) + 1
        return entry.value

    def peek(self, key: bytes) -> bytes | None:
        """Return the value without counting a hit or a miss."""
        entry = self._store.get(key)
        return None if entry is None or entry.ends <= self._now() else entry.value

    def count_uses(self, *, max_keys: int) -> None:
        """Start counting hits per key, for at most `max_keys` keys."""
        self._uses, self._max_uses = self._uses or {}, max_keys

    def uses(self) -> dict[bytes, int]:
        """Return hits per key since the last call, and reset them."""
        found, self._uses = self._uses or {}, None if self._uses is None else {}
        return found

    def set(self, key: bytes, value: bytes, ttl_seconds: float) -> None:
        """Store a value until its TTL or eviction. Values that are too large are not stored."""
        self.dropped += self._store.delete(key)
        if len(value) + OVERHEAD_BYTES > self._max_bytes // MAX_VALUE_FRACTION:
            return
        while self.size + len(value) + OVERHEAD_BYTES > self._max_bytes and self._store.make_room():
            pass
        seconds = ttl_seconds * (1 - random.random() * self._jitter)  # noqa: S311 - jitter: entries stored together must not expire together
        self._store.set(key, CacheEntry(value, self._now() + seconds, self._counted), seconds)
        self.stored += 1

    def delete(self, key: bytes) -> None:
        self.dropped += self._store.delete(key)

    def clear(self) -> int:
        """Remove all entries; return their number."""
        count = len(self._store)
        self.dropped += count
        self._store.clear()
        return count


class _Recent:
    """An LRU or LFU store, by cachebox."""

    def __init__(self, policy: EvictionPolicy, entries: int) -> None:
        kind = cachebox.LFUCache if policy == "lfu" else cachebox.LRUCache
        self._held: cachebox.LRUCache[bytes, CacheEntry] | cachebox.LFUCache[bytes, CacheEntry] = kind(entries)

    def get(self, key: bytes) -> CacheEntry | None:
        return self._held.get(key)

    def set(self, key: bytes, entry: CacheEntry, ttl_seconds: float) -> None:
        del ttl_seconds
        self._held[key] = entry

    def delete(self, key: bytes) -> bool:
        return self._held.pop(key, None) is not None

    def make_room(self) -> bool:
        if not self._held:
            return False
        self._held.popitem()
        return True

    def clear(self) -> None:
        self._held.clear()

    def __len__(self) -> int:
        return len(self._held)


class _TinyLfu:
    """A W-TinyLFU store, by theine. It can't evict on demand, so where bytes run short the oldest written entry goes."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._held: theine.Cache[bytes, CacheEntry] = theine.Cache(entries)
        self._written: dict[bytes, None] = {}

    def get(self, key: bytes) -> CacheEntry | None:
        return self._held.get(key)[0]

    def set(self, key: bytes, entry: CacheEntry, ttl_seconds: float) -> None:
        self._held.set(key, entry, timedelta(seconds=max(1.0, ttl_seconds)))
        self._written.pop(key, None)
        self._written[key] = None
        while len(self._written) > 2 * self._entries:  # most of the oldest are evicted already
            self._written.pop(next(iter(self._written)))

    def delete(self, key: bytes) -> bool:
        if self._written.pop(key, self) is self:
            return False
        return bool(self._held.delete(key))

    def make_room(self) -> bool:
        return any(self.delete(key) for key in list(self._written))

    def clear(self) -> None:
        self._held.clear()
        self._written.clear()

    def __len__(self) -> int:
        return len(self._held)
