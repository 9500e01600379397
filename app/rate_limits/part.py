"""Opens the limits of keys: counted in this server, and in Redis where servers share one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.part import Opened, Part, Role
from app.rate_limits.limits import RateLimits
from app.rate_limits.shared import MAX_CONCURRENT, SharedLimits
from app.settings import Settings
from app.storage.redis import open_redis

NAME = "limits"


@asynccontextmanager
async def open_limits(settings: Settings, role: Role) -> AsyncIterator[Opened[RateLimits]]:
    """Open the limits, with a Redis client of their own: a crowd at the caches must not leave them without a connection."""
    alone = RateLimits(settings.limits)
    if role != "serve" or not alone.any:
        yield alone, Part(name=NAME)
        return
    async with open_redis(settings.redis.model_copy(update={"connections": MAX_CONCURRENT})) as client:
        if client is None:
            yield alone, Part(name=NAME)
            return
        shared = SharedLimits(client, timeout_seconds=settings.limits.timeout_seconds)
        try:
            yield RateLimits(settings.limits, shared), Part(name=NAME, loops=shared.loops())
        finally:
            await shared.close()
