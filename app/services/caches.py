"""Makes caches: a memory, the tiers below it that this deployment has, and what brings back what was used most."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.cache.favourites import Favourites
from app.cache.memory import Memory
from app.cache.shared import DatabaseTier, RedisTier
from app.cache.tiers import Tier, Tiers, intact
from app.services.tasks import owned
from app.settings import CacheSize, Settings
from app.storage.database import Database
from app.storage.invalidations import Invalidations

if TYPE_CHECKING:
    from redis.asyncio import Redis


LISTENING_SECONDS = 10.0
"""So long what was used most waits for this process to hear from the others: when it begins to, it forgets what it has."""


def memory(options: CacheSize) -> Memory:
    return Memory(options.policy, entries=options.entries, most_bytes=options.max_bytes)


def tiers(
    name: str,
    options: CacheSize,
    settings: Settings,
    *,
    invalidations: Invalidations,
    database: Database | None = None,
    redis: Redis | None = None,
) -> Tiers:
    """A cache's memory, and below it what is given and switched on."""
    lower: list[Tier] = [] if redis is None else [RedisTier(redis, name)]
    if database is not None and settings.cache.database:
        lower.append(DatabaseTier(database, name))
    timeout = settings.cache.tier_timeout_seconds
    return Tiers(name, memory(options), lower, timeout_seconds=timeout, invalidations=invalidations)


@asynccontextmanager
async def favoured(
    settings: Settings,
    database: Database,
    cache: Tiers,
    invalidations: Invalidations,
    *,
    valid: Callable[[bytes, bytes], bool] = intact,
    own_ttl_seconds: float | None = None,
) -> AsyncIterator[None]:
    """Bring back what was used most of this cache, behind the start; note what is used while it lasts. `valid`: see `Favourites`."""
    options = settings.cache.prewarm
    if not (options.enabled and settings.cache.database):
        yield
        return
    favourites = Favourites(database, cache.name, cache.memory, options, valid=valid, own_ttl_seconds=own_ttl_seconds)

    async def run() -> None:
        await invalidations.begun(most_seconds=LISTENING_SECONDS)
        await favourites.run()

    async with owned(run(), name=f"prewarm {cache.name}"):
        yield
    await favourites.close()
