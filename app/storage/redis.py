"""Redis, where a team has one: shared state that may be lost. Only messages between agents depend on it. Knows no domain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

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
    client.connection_pool.connection_class = _cancellable(client.connection_pool.connection_class)
    try:
        yield client
    finally:
        await client.aclose()


def _cancellable(base: type[Any]) -> type[Any]:
    """Connections of this kind that lose no cancellation.

    redis-py sends within `asyncio.wait_for`, and in Python 3.11 that forgets a cancellation which comes as its work is done: a task
    that was told to end went on for ever.
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
    """Read what a pipeline's GET answered; None where nothing is kept, or something that is no string. Raises what else Redis answered."""
    if isinstance(found, Exception):
        if "WRONGTYPE" in str(found):
            return None
        raise found
    return found if isinstance(found, bytes) else None


async def answers(client: Redis) -> bool:
    """Whether it is there right now."""
    from redis.exceptions import RedisError

    try:
        return bool(await client.ping())
    except (RedisError, OSError, TimeoutError):
        return False
