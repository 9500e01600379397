"""Opens the database with its replicas: who tests them, and where the servers tell each other how far writes reach."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from app.services.tasks import owned
from app.settings import Settings
from app.storage.database import Database
from app.storage.replicas.positions import Positions
from app.storage.replicas.replicated import kept_seconds, open_replicated

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()


async def open_replicas(stack: AsyncExitStack, settings: Settings, url: str, redis: Redis | None) -> Database:
    """Only in a server: a worker decides, and what decides reads at the primary."""
    options = settings.database
    if redis is None:
        log.warning("positions.own_only", reason="without CAIRN_REDIS__URL a write is known to the server that took it alone")
    positions = Positions(redis, kept_seconds=kept_seconds(options), timeout_seconds=settings.redis.timeout_seconds)
    database = await open_replicated(options, url, name="cairn serve", positions=positions)
    stack.push_async_callback(database.close)
    await stack.enter_async_context(owned(database.run(every_seconds=options.replica_test_seconds), name="test replicas"))
    return database
