"""Redis, where a team has one: shared state that may be lost. Only messages between agents depend on it. Knows no domain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.errors import ConfigurationError
from app.settings import Redis as Options

if TYPE_CHECKING:
    from redis.asyncio import Redis


@asynccontextmanager
async def open_redis(options: Options) -> AsyncIterator[Redis | None]:
    """None without a URL. Connections are made when they are needed, and again when they were lost; a bad URL is a ConfigurationError."""
    if options.url is None:
        yield None
        return
    from redis.asyncio import Redis

    try:
        client = Redis.from_url(
            options.url.get_secret_value(),
            socket_timeout=options.timeout_seconds,
            socket_connect_timeout=options.timeout_seconds,
            max_connections=options.connections,
            client_name="cairn",
        )
    except ValueError:
        raise ConfigurationError("CAIRN_REDIS__URL can't be read. It looks like redis://host:6379/0.") from None
    try:
        yield client
    finally:
        await client.aclose()


async def answers(client: Redis) -> bool:
    """Whether it is there right now."""
    from redis.exceptions import RedisError

    try:
        return bool(await client.ping())
    except (RedisError, OSError, TimeoutError):
        return False
