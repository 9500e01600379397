"""What was used most is noted in batches, and is in memory again behind the next start; bounded, and in nobody's way."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app import supervision
from app.cache.memory import MemoryCache
from app.cache.shared import DatabaseTier
from app.cache.tiers import TieredCache, sealed
from app.cache.warmup import MAX_WRITTEN, CacheWarmup
from app.errors import DatabaseUnavailable
from app.settings import PrewarmSettings
from app.storage.database import Database

KEYS = [bytes([n]) * 16 for n in range(20)]


def memory(entries: int = 100) -> MemoryCache:
    return MemoryCache("lru", entries=entries, max_bytes=2**20, jitter=0)


def warmup(database: Database, held: MemoryCache, *, name: str = "own", own: bool = True, **bounds: int) -> CacheWarmup:
    made = CacheWarmup(database, name, held, PrewarmSettings(**bounds), own_ttl_seconds=60 if own else None)  # type: ignore[arg-type]
    held.count_uses(max_keys=1000)
    return made


async def used(database: Database, uses: dict[bytes, int], size: int = 100) -> None:
    """A server that gave each key so often, and noted it."""
    held = memory()
    before = warmup(database, held)
    for key, times in uses.items():
        held.set(key, key[:1] * size, 60)
        for _ in range(times):
            held.get(key)
    await before.write()


async def rows(database: Database) -> dict[bytes, int]:
    async with database.begin() as connection:
        return dict((await connection.execute(text("select key, hits from cache_entries"))).all())  # type: ignore[arg-type]


async def test_what_was_used_again_comes_back_at_the_next_start(database: Database) -> None:
    await used(database, {KEYS[0]: 3, KEYS[1]: 1, KEYS[2]: 0})
    assert await rows(database) == {KEYS[0]: 3, KEYS[1]: 1}
    held = memory()
    assert await warmup(database, held).load() == 2
    assert held.get(KEYS[0]) == KEYS[0][:1] * 100
    assert KEYS[2] not in held


async def test_uses_of_several_servers_add_up(database: Database) -> None:
    await asyncio.gather(*(used(database, dict.fromkeys(KEYS, 2)) for _ in range(4)))
    assert set((await rows(database)).values()) == {8}


async def test_the_most_used_come_first_within_entries_and_bytes(database: Database) -> None:
    await used(database, {key: 1 + place for place, key in enumerate(KEYS)}, size=30_000)
    held = memory()
    assert await warmup(database, held, entries=3).load() == 3
    assert all(key in held for key in KEYS[-3:])
    held = memory()
    assert await warmup(database, held, max_bytes=2**16).load() == 2
    assert all(key in held for key in KEYS[-2:])


async def test_what_has_ended_stays_away_and_what_is_newer_stays(database: Database) -> None:
    await used(database, {KEYS[0]: 1, KEYS[1]: 1})
    async with database.begin() as connection:
        await connection.execute(text("update cache_entries set ends_at = now() where key = :key"), {"key": KEYS[0]})
    held = memory()
    held.set(KEYS[1], b"newer", 60)
    await warmup(database, held).load()
    assert KEYS[0] not in held
    assert held.get(KEYS[1]) == b"newer"


async def test_a_tiers_own_rows_are_counted_and_not_made(database: Database) -> None:
    held = memory()
    tiers = TieredCache("own", held, [DatabaseTier(database, "own")], timeout_seconds=30)
    noting = warmup(database, held, own=False)
    tiers.set(KEYS[0], b"kept below", 60)
    await tiers.close()
    held.set(KEYS[1], sealed(KEYS[1], b"only here"), 60)
    for key in KEYS[:2]:
        await tiers.get(key)
    await noting.write()
    assert await rows(database) == {KEYS[0]: 1}
    later = memory()
    again = TieredCache("own", later, [], timeout_seconds=30)
    assert await warmup(database, later, own=False).load() == 1
    found = await again.get(KEYS[0])
    assert found is not None
    assert (found.value, found.tier) == (b"kept below", "memory")


async def test_a_writing_is_bounded(database: Database) -> None:
    await used(database, {n.to_bytes(16, "big"): 1 for n in range(MAX_WRITTEN + 300)}, size=1)
    assert len(await rows(database)) <= MAX_WRITTEN


async def test_without_postgresql_it_waits_for_nothing_and_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    noting = warmup(database, memory())

    async def away() -> int:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(noting, "load", away)
    task = asyncio.create_task(supervision.run(*noting.loops()))
    await asyncio.sleep(0.05)
    assert not task.done()
    task.cancel()
