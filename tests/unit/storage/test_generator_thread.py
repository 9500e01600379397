"""Generators in threads over asynchronous sources: order, bounds, errors."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from app.storage.generator_thread import through_thread


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def test_items_arrive_in_order_in_bounded_batches() -> None:
    batches = [batch async for batch in through_thread(numbers(10), lambda source: (n * n for n in source), batch=4)]
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert [n for batch in batches for n in batch] == [n * n for n in range(10)]


async def test_the_generator_runs_beside_the_loops_thread() -> None:
    def where(source: Iterator[int]) -> Iterator[int]:
        for _ in source:
            yield threading.get_ident()

    seen = {ident async for batch in through_thread(numbers(3), where, batch=1) for ident in batch}
    assert threading.get_ident() not in seen


async def test_no_more_is_read_than_the_batch_needs() -> None:
    read = []

    async def watched() -> AsyncIterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    batches = through_thread(watched(), iter, batch=3)
    assert await anext(batches) == [0, 1, 2]
    assert len(read) == 3


async def test_an_error_of_the_generator_reaches_the_reader() -> None:
    def breaks(source: Iterator[int]) -> Iterator[int]:
        yield next(source)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        _ = [batch async for batch in through_thread(numbers(3), breaks, batch=10)]


async def test_an_empty_source_makes_no_batch() -> None:
    assert [batch async for batch in through_thread(numbers(0), iter, batch=3)] == []
