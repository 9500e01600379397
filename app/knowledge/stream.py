"""Between the loop and a worker's thread: synchronous parsers and rules read asynchronous sources, batch by batch.

Parsing and extraction are plain generators that pull; PostgreSQL is asynchronous. The generator runs in a thread, one batch
at a time, and its source waits there for the loop; so neither a whole transcript nor a whole session is ever in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

_END = object()


async def through_thread(
    source: AsyncIterator[In], transform: Callable[[Iterator[In]], Iterator[Out]], *, batch: int
) -> AsyncIterator[list[Out]]:
    """Run a generator over `source` in threads, and yield what it makes in lists of at most `batch`."""
    loop = asyncio.get_running_loop()
    output = transform(_pulled(source, loop))
    while made := await asyncio.to_thread(lambda: list(islice(output, batch))):
        yield made


def _pulled(source: AsyncIterator[In], loop: asyncio.AbstractEventLoop) -> Iterator[In]:
    """The source as a plain iterator, for a thread that is not the loop's."""
    while True:
        item = asyncio.run_coroutine_threadsafe(_next(source), loop).result()
        if item is _END:
            return
        yield item  # type: ignore[misc]


async def _next(source: AsyncIterator[In]) -> In | object:
    return await anext(source, _END)
