"""A cache in memory, bounded by entries and by bytes, each entry with its end. Policies are libraries': cachebox's LRU and LFU, theine's
W-TinyLFU."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Literal, Protocol

import cachebox
import theine

Policy = Literal["lru", "lfu", "w-tinylfu"]
OVERHEAD_BYTES = 300
"""What an entry takes beside its value: key, object, the policy's own book-keeping."""
MAX_SHARE = 8
"""A value larger than an eighth of the cache is not kept: it would push out too many others."""


class Entry:
    """A value until a moment. It takes itself off its cache's sum when nobody holds it any more, whoever dropped it."""

    __slots__ = ("_bytes", "ends", "value")

    def __init__(self, value: bytes, ends: float, counted: Counted) -> None:
        self.value = value
        self.ends = ends
        self._bytes = counted
        counted.bytes += len(value) + OVERHEAD_BYTES

    def __del__(self) -> None:
        self._bytes.bytes -= len(self.value) + OVERHEAD_BYTES


class Counted:
    """Bytes of the entries that are alive."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class Store(Protocol):
    """A policy's own container, bounded by entries."""

    def get(self, key: bytes) -> Entry | None: ...
    def set(self, key: bytes, entry: Entry, ttl_seconds: float) -> None: ...
    def delete(self, key: bytes) -> bool: ...
    def make_room(self) -> bool:
        """Drop one entry; False when there is none."""

    def clear(self) -> None: ...
    def __len__(self) -> int: ...


class Memory:
    """`get` and `set` of bytes. Never more than `entries`, nor than `most_bytes`; a TTL is shortened by up to `jitter` of itself."""

    def __init__(
        self, policy: Policy, *, entries: int, most_bytes: int, jitter: float = 0.1, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.entries = entries
        self._store: Store = _TinyLfu(entries) if policy == "w-tinylfu" else _Recent(policy, entries)
        self._counted = Counted()
        self._most_bytes = most_bytes
        self._jitter = jitter
        self._now = now
        self._uses: dict[bytes, int] | None = None
        self._most_uses = 0
        self.hits = self.misses = self.stored = self.expired = self.dropped = 0

    @property
    def size(self) -> int:
        """Bytes, with what the book-keeping takes."""
        return self._counted.bytes

    @property
    def evictions(self) -> int:
        """Entries that went before their time."""
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
        if self._uses is not None and (key in self._uses or len(self._uses) < self._most_uses):
            self._uses[key] = self._uses.get(key, 0) + 1
        return entry.value

    def peek(self, key: bytes) -> bytes | None:
        """The value, without counting a hit or a miss."""
        entry = self._store.get(key)
        return None if entry is None or entry.ends <= self._now() else entry.value

    def note_uses(self, *, most: int) -> None:
        """From now on count how often each key is given, of at most so many keys."""
        self._uses, self._most_uses = self._uses or {}, most

    def uses(self) -> dict[bytes, int]:
        """Key → hits since this was asked last."""
        found, self._uses = self._uses or {}, None if self._uses is None else {}
        return found

    def set(self, key: bytes, value: bytes, ttl_seconds: float) -> None:
        """Kept until its time, or until others need the room. Too large a value is not kept."""
        self.dropped += self._store.delete(key)
        if len(value) + OVERHEAD_BYTES > self._most_bytes // MAX_SHARE:
            return
        while self.size + len(value) + OVERHEAD_BYTES > self._most_bytes and self._store.make_room():
            pass
        seconds = ttl_seconds * (1 - random.random() * self._jitter)  # noqa: S311 - so that what came together doesn't end together
        self._store.set(key, Entry(value, self._now() + seconds, self._counted), seconds)
        self.stored += 1

    def delete(self, key: bytes) -> None:
        self.dropped += self._store.delete(key)

    def clear(self) -> int:
        """Returns how many entries went."""
        count = len(self._store)
        self.dropped += count
        self._store.clear()
        return count


class _Recent:
    """cachebox's LRU or LFU."""

    def __init__(self, policy: Policy, entries: int) -> None:
        kind = cachebox.LFUCache if policy == "lfu" else cachebox.LRUCache
        self._held: cachebox.LRUCache[bytes, Entry] | cachebox.LFUCache[bytes, Entry] = kind(entries)

    def get(self, key: bytes) -> Entry | None:
        return self._held.get(key)

    def set(self, key: bytes, entry: Entry, ttl_seconds: float) -> None:
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
    """theine's W-TinyLFU. It has no way to drop its least wanted on demand: where bytes are short, the oldest written goes."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._held: theine.Cache[bytes, Entry] = theine.Cache(entries)
        self._written: dict[bytes, None] = {}

    def get(self, key: bytes) -> Entry | None:
        return self._held.get(key)[0]

    def set(self, key: bytes, entry: Entry, ttl_seconds: float) -> None:
        self._held.set(key, entry, timedelta(seconds=max(1.0, ttl_seconds)))
        self._written.pop(key, None)
        self._written[key] = None
        while len(self._written) > 2 * self._entries:  # most of the oldest are gone already
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
