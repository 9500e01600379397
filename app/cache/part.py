"""Makes caches: the memory, the shared tiers that this deployment has, and the warm-up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from app.cache.memory import MemoryCache
from app.cache.shared import DatabaseTier, RedisTier, sweep
from app.cache.tiers import CacheTier, TieredCache, intact
from app.cache.warmup import CacheWarmup
from app.part import Maintenance, Part
from app.settings import CacheSizeSettings, Settings
from app.storage.database import Database
from app.storage.part import StorageServices

LISTENING_SECONDS = 10.0
"""Longest wait of a warm-up for invalidations to be received: when that begins, the memory is cleared."""


def cache_part(database: Database) -> Part:
    """Return the part that all caches share: the sweep of the PostgreSQL tier."""
    return Part(name="cache", maintenance=[Maintenance("cached", partial(sweep, database))])


def memory(options: CacheSizeSettings) -> MemoryCache:
    return MemoryCache(options.policy, entries=options.entries, max_bytes=options.max_bytes)


def tiers(
    name: str, options: CacheSizeSettings, settings: Settings, storage: StorageServices, *, database: bool = True, redis: bool = True
) -> TieredCache:
    """Make a cache of its memory and the shared tiers that are available and enabled. `database`, `redis`: False leaves that tier out."""
    lower: list[CacheTier] = [] if storage.redis is None or not redis else [RedisTier(storage.redis, name)]
    if database and settings.cache.database:
        lower.append(DatabaseTier(storage.database, name))
    timeout = settings.cache.tier_timeout_seconds
    return TieredCache(name, memory(options), lower, timeout_seconds=timeout, invalidations=storage.invalidations)


def warmup_of(
    cache: TieredCache,
    settings: Settings,
    storage: StorageServices,
    *,
    valid: Callable[[bytes, bytes], bool] = intact,
    own_ttl_seconds: float | None = None,
) -> CacheWarmup | None:
    """Make the warm-up of a cache; None if it is disabled. `valid`, `own_ttl_seconds`: see `CacheWarmup`."""
    options = settings.cache.prewarm
    if not (options.enabled and settings.cache.database):
        return None
    return CacheWarmup(
        storage.database,
        cache.name,
        cache.memory,
        options,
        valid=valid,
        own_ttl_seconds=own_ttl_seconds,
        listening=partial(storage.invalidations.begun, max_seconds=LISTENING_SECONDS),
    )
