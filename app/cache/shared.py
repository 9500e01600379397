"""The cache tiers that servers share: Redis, and a PostgreSQL table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.cache.tables import CachedRow
from app.cache.tiers import Name, TierValue
from app.storage.database import Database
from app.storage.redis import readable

if TYPE_CHECKING:
    from redis.asyncio import Redis

CLEAR_BATCH = 500


class RedisTier:
    """Entries in Redis under `cairn:cache:NAME:KEY`; Redis expires them."""

    name: Name = "redis"

    def __init__(self, client: Redis, cache: str) -> None:
        self._client = client
        self._prefix = f"cairn:cache:{cache}:".encode()

    async def get(self, key: bytes) -> TierValue | None:
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.get(self._prefix + key)
            pipeline.pttl(self._prefix + key)
            value, left = await pipeline.execute(raise_on_error=False)
        value = readable(value)
        return None if value is None or left <= 0 else TierValue(value, left / 1000)

    async def set(self, key: bytes, value: bytes, ttl_seconds: float) -> None:
        await self._client.set(self._prefix + key, value, px=max(1, int(ttl_seconds * 1000)))

    async def clear(self) -> None:
        found: list[bytes] = []
        async for key in self._client.scan_iter(self._prefix + b"*", count=CLEAR_BATCH):
            found.append(key)
            if len(found) >= CLEAR_BATCH:
                await self._client.unlink(*found)
                found.clear()
        if found:
            await self._client.unlink(*found)


class DatabaseTier:
    """Entries in the table `cache_entries`; the worker deletes expired ones."""

    name: Name = "database"

    def __init__(self, database: Database, cache: str) -> None:
        self._database = database
        self._cache = cache

    async def get(self, key: bytes) -> TierValue | None:
        left = func.extract("epoch", CachedRow.ends_at - func.now())
        query = select(CachedRow.value, left).where(CachedRow.cache == self._cache, CachedRow.key == key, CachedRow.ends_at > func.now())
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else TierValue(row[0], float(row[1]))

    async def set(self, key: bytes, value: bytes, ttl_seconds: float) -> None:
        ends_at = func.now() + timedelta(seconds=ttl_seconds)
        row = upsert(CachedRow).values(cache=self._cache, key=key, value=value, ends_at=ends_at)
        changed = {"value": row.excluded.value, "ends_at": row.excluded.ends_at}
        async with self._database.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["cache", "key"], set_=changed))

    async def clear(self) -> None:
        async with self._database.begin() as connection:
            await connection.execute(delete(CachedRow).where(CachedRow.cache == self._cache))


async def sweep(database: Database) -> int:
    """Delete expired rows; return their number."""
    async with database.begin() as connection:
        return (await connection.execute(delete(CachedRow).where(CachedRow.ends_at <= func.now()))).rowcount
