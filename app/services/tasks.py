"""Work that lasts as long as a context, and endings that may fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

import structlog

from app.errors import Unavailable

log = structlog.get_logger()


@asynccontextmanager
async def owned(work: Coroutine[None, None, None], *, name: str) -> AsyncIterator[None]:
    """Run a task for the length of the context."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def quietly(closing: Callable[[], Awaitable[None]]) -> None:
    """At the end PostgreSQL may be gone already: what could not be written, the next process's sweep finds."""
    try:
        await closing()
    except Unavailable as error:
        log.warning("closing.unwritten", code=error.code)
