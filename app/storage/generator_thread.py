"""Runs synchronous generators over asynchronous sources, in a thread, batch by batch.

Parsers and extractors are plain generators; PostgreSQL is read asynchronously. The generator runs in a thread of its own and waits there
for the event loop to fetch its input, so neither a whole transcript nor a whole session is ever in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

_END = object()


async def through_thread(
    source: AsyncIterator[In],
    transform: Callable[[Iterator[In]], Iterator[Out]],
    *,
    batch: int,
    size: Callable[[Out], int] = lambda _: 0,
    max_size: int = 0,
) -> AsyncIterator[list[Out]]:
    """Run a generator over `source` in a thread, and yield its output in lists of at most `batch`.

    A list ends early once the sum of its items' `size` reaches `max_size` (0: no limit).
    """
    loop = asyncio.get_running_loop()
    output = transform(_pulled(source, loop))
    # Not the default pool: the source itself needs its threads, which could deadlock.
    thread = ThreadPoolExecutor(1, thread_name_prefix="stream")
    try:
        while made := await loop.run_in_executor(thread, _batch, output, batch, size, max_size):
            yield made
    finally:
        thread.shutdown(wait=False, cancel_futures=True)


def _batch(output: Iterator[Out], count: int, size: Callable[[Out], int], max_size: int) -> list[Out]:
    made: list[Out] = []
    weight = 0
    for each in output:
        made.append(each)
        weight += size(each)
        if len(made) == count or (max_size and weight >= max_size):
            break
    return made


def _pulled(source: AsyncIterator[In], loop: asyncio.AbstractEventLoop) -> Iterator[In]:
    """Iterate an asynchronous source from a thread other than the loop's."""
    while True:
        item = asyncio.run_coroutine_threadsafe(_next(source), loop).result()
        if item is _END:
            return
        yield item  # type: ignore[misc]


async def _next(source: AsyncIterator[In]) -> In | object:
    return await anext(source, _END)
