"""Searches read so many statements at once; the others wait their turn, and not for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from app.errors import DatabaseUnavailable
from app.knowledge.reads import Reads
from tests.waiting import patience

ONE = select(1)


class Database:
    """Answers when it is told to; knows how many wait for its answer."""

    def __init__(self) -> None:
        self.open = self.most = 0
        self.answer = asyncio.Event()

    async def read(self, work: Any) -> list[object]:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self.answer.wait()
        finally:
            self.open -= 1
        return []


async def until(condition: Any) -> None:
    async with patience():
        while not condition():
            await asyncio.sleep(0)


async def test_no_more_than_so_many_read_at_once_and_all_are_answered() -> None:
    database = Database()
    reads = Reads(database, max_at_once=3)  # type: ignore[arg-type]
    asked = asyncio.gather(*(reads.rows(ONE) for _ in range(20)))
    await until(lambda: database.open == 3)
    database.answer.set()
    assert await asked == [[]] * 20
    assert database.most == 3


async def test_who_waits_too_long_for_a_turn_is_told_so() -> None:
    database = Database()
    reads = Reads(database, max_at_once=1, wait_seconds=0.01)  # type: ignore[arg-type]
    first = asyncio.create_task(reads.rows(ONE))
    await until(lambda: database.open == 1)
    with pytest.raises(DatabaseUnavailable):
        await reads.rows(ONE)
    database.answer.set()
    assert await first == []
    assert await reads.rows(ONE) == []


async def test_a_turn_is_given_back_by_who_leaves() -> None:
    database = Database()
    reads = Reads(database, max_at_once=1)  # type: ignore[arg-type]
    for _ in range(3):
        leaving = asyncio.create_task(reads.rows(ONE))
        await until(lambda: database.open == 1)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
    database.answer.set()
    assert await reads.rows(ONE) == []
