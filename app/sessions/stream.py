"""Between the loop and a worker's thread: synchronous parsers and rules read asynchronous sources, batch by batch.

Parsing and extraction are plain generators that pull; PostgreSQL is asynchronous. The generator runs in a thread of its own, one
batch at a time, and its source waits there for the loop; so neither a whole transcript nor a whole session is ever in memory.
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
    most: int = 0,
) -> AsyncIterator[list[Out]]:
    """Run a generator over `source` in a thread, and yield what it makes in lists of at most `batch`.

    A list ends early once its parts have `most` in `size` together: a batch is bounded by its weight too.
    """
    loop = asyncio.get_running_loop()
    output = transform(_pulled(source, loop))
    # A thread of its own: those of the default pool are what the source itself waits for.
    thread = ThreadPoolExecutor(1, thread_name_prefix="stream")
    try:
        while made := await loop.run_in_executor(thread, _batch, output, batch, size, most):
            yield made
    finally:
        thread.shutdown(wait=False, cancel_futures=True)


def _batch(output: Iterator[Out], count: int, size: Callable[[Out], int], most: int) -> list[Out]:
    made: list[Out] = []
    weight = 0
    for each in output:
        made.append(each)
        weight += size(each)
        if len(made) == count or (most and weight >= most):
            break
    return made


def _pulled(source: AsyncIterator[In], loop: asyncio.AbstractEventLoop) -> Iterator[In]:
    """The source as a plain iterator, for a thread that is not the loop's."""
    while True:
        item = asyncio.run_coroutine_threadsafe(_next(source), loop).result()
        if item is _END:
            return
        yield item  # type: ignore[misc]


async def _next(source: AsyncIterator[In]) -> In | object:
    return await anext(source, _END)
