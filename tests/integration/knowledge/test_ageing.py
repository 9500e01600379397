"""Knowledge ages: labels move by the day it was last learnt, and the index hears of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.knowledge import freshness
from tests.integration.knowledge.conftest import AT, Bench, lesson


async def label(bench: Bench) -> str:
    async with bench.database.begin() as connection:
        found: str = (await connection.execute(text("select freshness from knowledge"))).scalar_one()
        return found


@pytest.mark.parametrize(("days", "expected"), [(1, "fresh"), (30, "aging"), (90, "stale"), (180, "deprecated"), (5000, "deprecated")])
async def test_the_label_follows_the_age_and_the_index_hears_of_it(bench: Bench, days: int, expected: str) -> None:
    await bench.teach("s", [lesson("a", "The proxy listens on port 8080 of the host.")])
    async with bench.database.begin() as connection:
        await freshness.refresh(connection, AT)  # whatever today is
    await bench.index.drain()
    async with bench.database.begin() as connection:
        moved = await freshness.refresh(connection, AT + timedelta(days=days))
        assert await freshness.refresh(connection, AT + timedelta(days=days)) == 0
    assert await label(bench) == expected
    assert moved == await bench.index.pending() == (0 if expected == "fresh" else 1)


async def test_what_is_learnt_again_is_fresh_again(bench: Bench) -> None:
    await bench.teach("s", [lesson("a", "The proxy listens on port 8080 of the host.", at=AT - timedelta(days=200))])
    async with bench.database.begin() as connection:
        await freshness.refresh(connection, AT)
    assert await label(bench) == "deprecated"
    await bench.teach("t", [lesson("b", "The proxy listens on port 8080 of the host.", at=AT)])
    async with bench.database.begin() as connection:
        await freshness.refresh(connection, AT)
    assert await label(bench) == "fresh"


async def test_a_batch_is_bounded(bench: Bench) -> None:
    words = ["alpha", "bravo", "charlie", "delta", "echo"]
    await bench.teach("s", [lesson(word, f"{word} {word} service waits for {word} {n}.") for n, word in enumerate(words)])
    async with bench.database.begin() as connection:
        await freshness.refresh(connection, AT)
    async with bench.database.begin() as connection:
        moved = [await freshness.refresh(connection, AT + timedelta(days=40), batch=2) for _ in range(4)]
    assert moved == [2, 2, 1, 0]
