"""Opens the limits of keys: counted in this server, and in Redis where servers share one."""

from __future__ import annotations

from contextlib import AsyncExitStack

from app.limits.limits import RateLimits
from app.limits.shared import AT_ONCE, Shared
from app.services.services import Role
from app.services.tasks import owned
from app.settings import Settings
from app.storage.redis import open_redis


async def open_limits(stack: AsyncExitStack, settings: Settings, role: Role) -> RateLimits:
    """With a client of its own: a crowd at the caches must not leave the limits without a connection."""
    alone = RateLimits(settings.limits)
    if role != "serve" or not alone.any:
        return alone
    client = await stack.enter_async_context(open_redis(settings.redis.model_copy(update={"connections": AT_ONCE})))
    if client is None:
        return alone
    shared = Shared(client, timeout_seconds=settings.limits.timeout_seconds)
    stack.push_async_callback(shared.close)
    await stack.enter_async_context(owned(shared.run(), name="shared limits"))
    return RateLimits(settings.limits, shared)
