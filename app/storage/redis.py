"""Redis, if configured: shared state that may be lost. Only messages between agents depend on it. Knows no domain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from app.errors import ConfigurationError
from app.settings import RedisSettings as Options

if TYPE_CHECKING:
    from redis.asyncio import Redis


@asynccontextmanager
async def open_redis(options: Options) -> AsyncIterator[Redis | None]:
    """Yield a client, or None without a URL. Connects lazily and reconnects. Raises ConfigurationError for a bad URL."""
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
    client.connection_pool.connection_class = _cancellable(client.connection_pool.connection_class)
    try:
        yield client
    finally:
        await client.aclose()


def _cancellable(base: type[Any]) -> type[Any]:
    """Derive a connection class that does not lose cancellations.

    redis-py sends within `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that arrives as its work completes, so that a
    cancelled task never ended.
    """
    from redis.exceptions import TimeoutError as RedisTimeout

    class Cancellable(base):  # type: ignore[misc]
        socket_timeout: float | None

        async def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
            seconds, self.socket_timeout = self.socket_timeout, None  # without one it sends plainly
            try:
                async with asyncio.timeout(seconds):
                    await super().send_packed_command(command, check_health)
            except TimeoutError:
                await self.disconnect(nowait=True)
                raise RedisTimeout("Timeout writing to socket") from None
            finally:
                self.socket_timeout = seconds

    return Cancellable


def readable(found: Any) -> bytes | None:
    """Read a pipeline's answer to GET; None if the key is missing or not a string. Raises any other error that Redis answered."""
    if isinstance(found, Exception):
        if "WRONGTYPE" in str(found):
            return None
        raise found
    return found if isinstance(found, bytes) else None


async def answers(client: Redis) -> bool:
    """Tell whether Redis answers a ping."""
    from redis.exceptions import RedisError

    try:
        return bool(await client.ping())
    except (RedisError, OSError, TimeoutError):
        return False
