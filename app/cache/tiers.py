"""Tiered cache: memory → Redis → PostgreSQL. Reads promote a value to the tiers above; writes go down in the background.

Never delays or fails a caller: a slow or failing tier is skipped.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import structlog
import zstandard

from app.cache.memory import MemoryCache
from app.errors import Unavailable
from app.money import to_usd
from app.storage.invalidations import Invalidations
from app.telemetry import metrics

log = structlog.get_logger()

Name = Literal["memory", "redis", "database"]
CACHE = "cache"
"""Invalidation topic; its message is a cache's name."""
COMPRESS_FROM_BYTES = 1024
COOLDOWN_SECONDS = 5.0
"""The time for which a tier is skipped after a failure."""
MAX_PENDING_WRITES = 1000
_PLAIN, _ZSTD = b"\x02", b"\x03"
"""Format markers. \x00 and \x01 were an older version's, without a checksum."""
HEADER_BYTES = 5


@dataclass(frozen=True, slots=True)
class TierValue:
    """A value from a lower tier, still packed, and its remaining TTL in seconds."""

    value: bytes
    seconds: float


class CacheTier(Protocol):
    """A shared tier. Any error counts as unavailable: callers never depend on it."""

    @property
    def name(self) -> Name: ...

    async def get(self, key: bytes) -> TierValue | None: ...
    async def set(self, key: bytes, value: bytes, ttl_seconds: float) -> None: ...
    async def clear(self) -> None: ...


@dataclass(slots=True)
class TierCounts:
    """Counters of one tier, in this process."""

    hits: int = 0
    misses: int = 0
    errors: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class CacheHit:
    """A value, and the tier that had it."""

    value: bytes
    tier: Name


class TieredCache:
    """One cache: its memory and the lower tiers, in order. `timeout_seconds`: for one read of a lower tier."""

    def __init__(
        self,
        name: str,
        memory: MemoryCache,
        lower: Sequence[CacheTier],
        *,
        timeout_seconds: float,
        invalidations: Invalidations | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._invalidations = invalidations or Invalidations()
        self._invalidations.subscribe(CACHE, self._forget)
        self._flushes = 0
        self.memory = memory
        self.counts: Mapping[Name, TierCounts] = {tier.name: TierCounts() for tier in lower}
        self.saved_nanousd, self.saved_seconds = 0, 0.0
        self._lower = lower
        self._timeout = timeout_seconds
        self._now = now
        self._unavailable_until: dict[Name, float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def get(self, key: bytes) -> CacheHit | None:
        """Return the value from the first tier that has it, and promote it to the tiers above; None on a miss."""
        if (value := self.memory.get(key)) is not None:
            return CacheHit(_unpack(value), "memory")
        flushes = self._flushes
        for place, tier in enumerate(self._lower):
            entry = await self._ask(tier, key)
            if entry is not None:
                if flushes == self._flushes:  # a flush meanwhile: the value read may be an invalidated one
                    self.memory.set(key, entry.value, entry.seconds)
                    for above in self._lower[:place]:
                        self._write_in_background(above, key, entry.value, entry.seconds)
                return CacheHit(_unpack(entry.value), tier.name)
        return None

    def set(self, key: bytes, value: bytes, ttl_seconds: float) -> None:
        """Store in memory at once, in the lower tiers in the background."""
        packed = sealed(key, value)
        self.memory.set(key, packed, ttl_seconds)
        for tier in self._lower:
            self._write_in_background(tier, key, packed, ttl_seconds)

    async def clear(self) -> int:
        """Clear all tiers, and the memory of the other servers. Returns the number of entries in this process's memory."""
        for tier in self._lower:
            await self._guarded(tier, tier.clear())
        cleared = self._clear_memory()
        self._invalidations.publish(CACHE, self.name)
        return cleared

    def _forget(self, name: str | None) -> None:
        """Clear the memory after another server's flush, which has cleared the shared tiers."""
        if name in {None, self.name}:
            self._clear_memory()

    def _clear_memory(self) -> int:
        self._flushes += 1
        return self.memory.clear()

    async def close(self) -> None:
        """Wait briefly for writes in progress."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=1)

    def record_saved(self, tier: str, *, seconds: float, nanousd: int = 0) -> None:
        """Count the cost and the time that a cached value saved."""
        self.saved_nanousd += nanousd
        self.saved_seconds += seconds
        metrics.cache_saved(self.name, tier, usd=to_usd(nanousd), seconds=seconds)

    def figures(self) -> dict[str, dict[str, int]]:
        """Return each tier's counters, under the names that `/v1/caches` and `/metrics` use."""
        memory = self.memory
        own = {"hits": memory.hits, "misses": memory.misses, "entries": len(memory), "bytes": memory.size, "evictions": memory.evictions}
        return {"memory": own, **{name: asdict(counts) for name, counts in self.counts.items()}}

    async def _ask(self, tier: CacheTier, key: bytes) -> TierValue | None:
        counts = self.counts[tier.name]
        if self._unavailable_until.get(tier.name, 0.0) > self._now():
            counts.skipped += 1
            return None
        try:
            async with asyncio.timeout(self._timeout):
                entry = await tier.get(key)
        except Exception as error:  # noqa: BLE001 - a cache must never fail its caller
            self._failed(tier, error)
            return None
        if entry is not None and not intact(key, entry.value):
            counts.errors += 1
            log.warning("cache.unreadable", cache=self.name, tier=tier.name)
            entry = None
        if entry is None:
            counts.misses += 1
        else:
            counts.hits += 1
        return entry

    def _write_in_background(self, tier: CacheTier, key: bytes, value: bytes, ttl_seconds: float) -> None:
        if self._unavailable_until.get(tier.name, 0.0) > self._now() or len(self._writing) >= MAX_PENDING_WRITES:
            self.counts[tier.name].skipped += 1
            return
        task = asyncio.create_task(self._guarded(tier, tier.set(key, value, ttl_seconds)), name=f"cache {tier.name}")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _guarded(self, tier: CacheTier, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(10 * self._timeout):
                await work
        except Exception as error:  # noqa: BLE001
            self._failed(tier, error)

    def _failed(self, tier: CacheTier, error: Exception) -> None:
        self.counts[tier.name].errors += 1
        self._unavailable_until[tier.name] = self._now() + COOLDOWN_SECONDS
        reason = error.code if isinstance(error, Unavailable) else type(error).__name__
        log.warning("cache.tier_away", cache=self.name, tier=tier.name, reason=reason)


def sealed(key: bytes, value: bytes) -> bytes:
    """Pack a value: format marker, checksum of marker, key and body, then the body, compressed if large."""
    flag, body = (_PLAIN, value) if len(value) < COMPRESS_FROM_BYTES else (_ZSTD, zstandard.compress(value, 3))
    return flag + _checksum(key, flag, body) + body


def intact(key: bytes, kept: bytes) -> bool:
    """Tell whether stored bytes are intact: undamaged, this key's, and of this version's format."""
    return kept[:1] in {_PLAIN, _ZSTD} and kept[1:HEADER_BYTES] == _checksum(key, kept[:1], kept[HEADER_BYTES:])


def _unpack(kept: bytes) -> bytes:
    """Unpack bytes that were checked when they entered the memory."""
    return zstandard.decompress(kept[HEADER_BYTES:]) if kept[:1] == _ZSTD else kept[HEADER_BYTES:]


def _checksum(key: bytes, flag: bytes, body: bytes) -> bytes:
    return zlib.crc32(body, zlib.crc32(flag, zlib.crc32(key))).to_bytes(4, "big")
