"""Memory, Redis and PostgreSQL as one cache: found below and brought up, written behind, passed over when away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from sqlalchemy import text

from app import supervision
from app.cache.memory import MemoryCache
from app.cache.shared import DatabaseTier, RedisTier, sweep
from app.cache.tiers import CacheTier, TieredCache, TierValue, sealed
from app.settings import RedisSettings as RedisOptions
from app.storage.database import Database
from app.storage.invalidations import CHANNEL, Invalidations
from app.storage.notify_listener import NotifyListener
from app.storage.redis import open_redis
from tests.fakes.redis_server import RedisServer
from tests.waiting import patience, patient_database


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with open_redis(RedisOptions(url=SecretStr(redis_server.url), timeout_seconds=30)) as made:
        assert made is not None
        await made.flushall()
        yield made


@pytest.fixture(params=["redis", "database"])
def tier(request: pytest.FixtureRequest, client: Redis, database: Database) -> CacheTier:
    return RedisTier(client, "test") if request.param == "redis" else DatabaseTier(database, "test")


def made(*lower: CacheTier, timeout: float = 10, name: str = "test", bus: Invalidations | None = None) -> TieredCache:
    return TieredCache(name, MemoryCache("lru", entries=100, max_bytes=2**20), lower, timeout_seconds=timeout, invalidations=bus)


async def test_a_tier_keeps_a_value_and_says_how_long(tier: CacheTier) -> None:
    assert await tier.get(b"\x00key") is None
    await tier.set(b"\x00key", b"\xffvalue", 60)
    kept = await tier.get(b"\x00key")
    assert kept is not None
    assert (kept.value, 55 < kept.seconds <= 60) == (b"\xffvalue", True)
    await tier.set(b"\x00key", b"other", 60)
    kept = await tier.get(b"\x00key")
    assert kept is not None
    assert kept.value == b"other"
    await tier.clear()
    assert await tier.get(b"\x00key") is None


async def test_a_tier_forgets_at_the_end(tier: CacheTier) -> None:
    await tier.set(b"key", b"value", 0.05)
    await asyncio.sleep(0.1)
    assert await tier.get(b"key") is None


async def test_clearing_one_cache_leaves_another(client: Redis, database: Database) -> None:
    for one, other in ((RedisTier(client, "a"), RedisTier(client, "b")), (DatabaseTier(database, "a"), DatabaseTier(database, "b"))):
        for each in (one, other):
            for place in range(3):
                await each.set(str(place).encode(), b"value", 60)
        await one.clear()
        assert await one.get(b"1") is None
        assert await other.get(b"1") is not None


async def test_what_is_found_below_is_brought_up(client: Redis, database: Database) -> None:
    redis, rows = RedisTier(client, "test"), DatabaseTier(database, "test")
    first, second = made(redis, rows), made(redis, rows)
    first.set(b"key", b"value" * 1000, 60)
    await first.close()
    await client.flushall()
    tiers: list[Sequence[str]] = []
    for _ in range(2):
        found = await second.get(b"key")
        assert found is not None
        assert found.value == b"value" * 1000
        tiers.append(found.tier)
    assert tiers == ["database", "memory"]
    await second.close()
    kept = await redis.get(b"key")
    assert kept is not None
    assert kept.seconds <= 60


async def test_a_flush_here_empties_the_memory_of_that_cache_in_the_other_process(client: Redis, database_url: str) -> None:
    notices = [NotifyListener(patient_database(), database_url, name="test", channel=CHANNEL) for _ in range(2)]
    buses = [Invalidations(each) for each in notices]
    here, there = (made(RedisTier(client, "test"), bus=bus) for bus in buses)
    another = made(name="another", bus=buses[1])
    listening = [asyncio.create_task(supervision.run(*bus.loops())) for bus in buses]
    async with patience():
        while not all(each.listening for each in notices):  # who begins to listen forgets everything
            await asyncio.sleep(0.01)
    for _ in range(3):
        here.set(b"key", b"value", 60)
        another.set(b"key", b"value", 60)
        await here.close()
        found = await there.get(b"key")
        assert found is not None
        assert (len(here.memory), len(there.memory)) == (1, 1)
        assert await here.clear() == 1
        async with patience():
            while await there.get(b"key") is not None:
                await asyncio.sleep(0.01)
    assert len(another.memory) == 1
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)


async def test_what_was_being_read_when_it_was_flushed_is_not_brought_up(client: Redis) -> None:
    tier = Slow(client, "test")
    tiers = made(tier)
    await RedisTier(client, "test").set(b"key", sealed(b"key", b"old"), 60)
    reading = asyncio.create_task(tiers.get(b"key"))
    await tier.read.wait()
    await tiers.clear()
    tier.answers.set()
    found = await reading
    assert found is not None  # who asked before the flush may be told
    assert await tiers.get(b"key") is None


class Slow(RedisTier):
    """It has read, and doesn't answer yet."""

    def __init__(self, client: Redis, cache: str) -> None:
        super().__init__(client, cache)
        self.read, self.answers = asyncio.Event(), asyncio.Event()

    async def get(self, key: bytes) -> TierValue | None:
        kept = await super().get(key)
        self.read.set()
        await self.answers.wait()
        return kept


async def test_what_has_ended_is_swept(database: Database) -> None:
    tier = DatabaseTier(database, "test")
    await tier.set(b"old", b"1", 60)
    await tier.set(b"new", b"1", 60)
    async with database.begin() as connection:
        await connection.execute(text("update cache_entries set ends_at = now() where key = :key"), {"key": b"old"})
    assert (await sweep(database), await sweep(database)) == (1, 0)
    assert await tier.get(b"new") is not None


class Bad:
    """A tier that hangs, or fails."""

    name = "redis"

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs
        self.asked = 0

    async def get(self, key: bytes) -> TierValue | None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        raise ConnectionError("away")

    async def set(self, key: bytes, value: bytes, ttl_seconds: float) -> None:
        await self.get(key)

    async def clear(self) -> None:
        await self.get(b"")


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_tier_that_hangs_or_fails_is_left_alone_for_a_while(database: Database, hangs: bool) -> None:
    bad, now = Bad(hangs=hangs), 0.0
    rows = DatabaseTier(database, "test")
    tiers = TieredCache("test", MemoryCache("lru", entries=9, max_bytes=2**20), [bad, rows], timeout_seconds=2, now=lambda: now)  # type: ignore[list-item]
    await rows.set(b"key", sealed(b"key", b"value"), 60)
    found = await tiers.get(b"key")
    assert found is not None
    assert (found.value, found.tier) == (b"value", "database")
    for place in range(3):
        assert await tiers.get(f"other {place}".encode()) is None
    assert bad.asked == 1
    assert tiers.counts["redis"].skipped >= 3
    now = 6.0
    await tiers.get(b"once more")
    assert bad.asked == 2
    tiers._timeout = 0.05  # to clear may take ten times as long
    assert await tiers.clear() == 1


async def test_large_values_are_compressed_on_their_way(database: Database) -> None:
    tiers = made(DatabaseTier(database, "test"))
    tiers.set(b"key", b"word " * 2000, 60)
    await tiers.close()
    async with database.begin() as connection:
        assert (await connection.execute(text("select length(value) from cache_entries"))).scalar_one() < 200
    found = await made(DatabaseTier(database, "test")).get(b"key")
    assert found is not None
    assert found.value == b"word " * 2000


DAMAGES = {
    "nothing": lambda whole: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "zeros": lambda whole: bytes(len(whole)),
    "another's bytes": lambda whole: bytes(range(256)) * 3,
    "one bit": lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]),
    "an older version's": lambda whole: b"\x00" + whole[5:],
    "a newer version's": lambda whole: b"\x09" + whole[1:],
    "the other way of packing": lambda whole: bytes([whole[0] ^ 1]) + whole[1:],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("value", [b"short", b"word " * 1000], ids=["plain", "compressed"])
async def test_a_value_that_cannot_be_read_is_a_miss_and_is_written_over(tier: CacheTier, damage: str, value: bytes) -> None:
    await tier.set(b"key", DAMAGES[damage](sealed(b"key", value)), 60)
    tiers = made(tier)
    assert await tiers.get(b"key") is None
    assert (tiers.counts[tier.name].errors, tiers.counts[tier.name].misses) == (1, 1)
    tiers.set(b"key", value, 60)
    await tiers.close()
    found = await made(tier).get(b"key")
    assert found is not None
    assert found.value == value


async def test_a_value_under_another_key_is_a_miss(tier: CacheTier) -> None:
    await tier.set(b"key", sealed(b"another", b"value"), 60)
    assert await made(tier).get(b"key") is None


async def test_a_key_of_another_kind_in_redis_is_a_miss_and_redis_stays_in_use(client: Redis) -> None:
    await client.rpush("cairn:cache:test:key", "a list")
    tiers = made(RedisTier(client, "test"))
    assert await tiers.get(b"key") is None
    tiers.set(b"other", b"value", 60)
    await tiers.close()
    assert tiers.counts["redis"].skipped == 0
    assert await made(RedisTier(client, "test")).get(b"other") is not None
