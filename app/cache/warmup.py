"""Warm up a cache: write usage counts to PostgreSQL in batches in the background, and load the most used entries at the next start."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import perf_counter

import structlog
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.cache.memory import MemoryCache
from app.cache.tables import CachedRow
from app.errors import Unavailable
from app.part import Loop
from app.settings import PrewarmSettings
from app.storage.database import Database

log = structlog.get_logger()

MAX_NOTED = 10_000
MAX_WRITTEN = 500
"""Only the most used keys are written, so that a write is one short transaction."""


class CacheWarmup:
    """Persists and restores a cache's most used entries.

    `own_ttl_seconds`: for a cache without a PostgreSQL tier: reused values are stored there, for this long after their last use. None: the
    rows are that tier's own, and only their hit counts change. `valid`: tells whether a row's (key, value) is usable; others are skipped,
    and overwritten by the next use. `listening`: awaited before anything is loaded.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        memory: MemoryCache,
        options: PrewarmSettings,
        *,
        valid: Callable[[bytes, bytes], bool] = lambda _key, _value: True,
        own_ttl_seconds: float | None = None,
        listening: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._database = database
        self._name = name
        self._memory = memory
        self._options = options
        self._valid = valid
        self._own_ttl = own_ttl_seconds
        self._listening = listening
        self._loaded = False

    def loops(self) -> tuple[Loop, ...]:
        """Return the loop that loads once, then writes usage periodically. Uses count from here on."""
        self._memory.count_uses(max_keys=MAX_NOTED)
        return (
            Loop(
                name=f"cache.warmup.{self._name}",
                step=self._round,
                pause=self._options.noted_seconds,
                meanwhile="The usage of this cache is not recorded: the next start loads fewer of its entries.",
            ),
        )

    async def close(self) -> None:
        """Write the last usage counts; a failure is only logged."""
        try:
            await self._bounded(self.write)
        except Unavailable as error:
            log.warning("cache.favourites_left", cache=self._name, code=error.code)
        except Exception:
            log.exception("cache.favourites_failed", cache=self._name)

    async def _round(self) -> None:
        if self._loaded:
            await self._bounded(self.write)
            return
        self._loaded = True  # tried once: a slow PostgreSQL is not to be asked again for all of it
        if self._listening is not None:
            await self._listening()
        await self._bounded(self.load)

    async def load(self) -> int:
        """Load the most used entries into memory, within the limits. Returns their number."""
        began = perf_counter()
        left = func.extract("epoch", CachedRow.ends_at - func.now())
        sofar = func.sum(func.octet_length(CachedRow.value)).over(order_by=(CachedRow.hits.desc(), CachedRow.key))
        used = (CachedRow.cache == self._name) & (CachedRow.hits > 0) & (CachedRow.ends_at > func.now())
        most = select(CachedRow.key, left.label("seconds"), sofar.label("bytes")).where(used).order_by(CachedRow.hits.desc(), CachedRow.key)
        bounded = most.limit(self._options.entries).subquery()
        query = select(CachedRow.key, CachedRow.value, bounded.c.seconds).join(bounded, bounded.c.key == CachedRow.key)
        query = query.where(CachedRow.cache == self._name, bounded.c.bytes <= self._options.max_bytes).order_by(bounded.c.bytes)
        async with self._database.begin() as connection:
            found = (await connection.execute(query)).all()
        rows = [row for row in found if self._valid(row.key, row.value)]
        if len(rows) < len(found):
            log.warning("cache.unreadable", cache=self._name, tier="database", entries=len(found) - len(rows))
        for row in rows:
            if row.key not in self._memory:  # what has been made since is newer
                self._memory.set(row.key, row.value, float(row.seconds))
        spent, taken = round((perf_counter() - began) * 1000), sum(len(row.value) for row in rows)
        log.info("cache.prewarmed", cache=self._name, entries=len(rows), bytes=taken, ms=spent)
        return len(rows)

    async def write(self) -> int:
        """Add the uses since the last write to the rows. Returns the number of keys written."""
        uses = self._memory.uses()
        most = heapq.nlargest(MAX_WRITTEN, uses.items(), key=lambda each: each[1])
        counted = sorted(most)  # one order for every server: two that write the same rows can't deadlock
        if self._own_ttl is not None:
            return await self._put(counted, self._own_ttl)
        if counted:
            live = (
                (CachedRow.cache == self._name) & (CachedRow.key == bindparam("k")) & (CachedRow.ends_at > func.now())
            )  # the rest is the sweep's
            rows = update(CachedRow).where(live).values(hits=CachedRow.hits + bindparam("n"))
            async with self._database.begin() as connection:
                await connection.execute(rows, [{"k": key, "n": count} for key, count in counted])
        return len(counted)

    async def _put(self, counted: list[tuple[bytes, int]], ttl_seconds: float) -> int:
        ends_at = func.now() + timedelta(seconds=ttl_seconds)
        held = [(key, value, count) for key, count in counted if (value := self._memory.peek(key)) is not None]
        if held:
            row = upsert(CachedRow).values(
                [{"cache": self._name, "key": key, "value": value, "hits": count, "ends_at": ends_at} for key, value, count in held]
            )
            changed = {"value": row.excluded.value, "hits": CachedRow.hits + row.excluded.hits, "ends_at": row.excluded.ends_at}
            async with self._database.begin() as connection:
                await connection.execute(row.on_conflict_do_update(index_elements=["cache", "key"], set_=changed))
        return len(held)

    async def _bounded(self, work: Callable[[], Awaitable[int]]) -> None:
        """Run work with a timeout. Raises Unavailable when it passes."""
        try:
            async with asyncio.timeout(self._options.seconds):
                await work()
        except TimeoutError as error:
            raise Unavailable(f"PostgreSQL did not answer within {self._options.seconds:g} s.") from error
