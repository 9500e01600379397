"""What a read and a write cost with and without a replica: `python tests/performance/measure_replicas.py`. Real servers, over Unix sockets."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from redis.asyncio import Redis
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app import settings as config
from app.storage.database import Database, rows_of
from app.storage.postgres import embedded_postgres
from app.storage.replicas.positions import KNOWN, Positions
from app.storage.replicas.read_session import ReadSession, identify, reading_within
from app.storage.replicas.replicated import ReplicatedDatabase, open_replicated
from tests.fakes.redis_server import RedisServer
from tests.fakes.standby import StandbyServer, ask

ROUNDS = 1500
ROWS = rows_of(text("select n from counter"))


async def timed(name: str, work: Callable[[], Awaitable[object]]) -> None:
    """One after the other: what one request pays."""
    for _ in range(100):
        await work()
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - began) * 1000)
    print(f"{name:55} p50 {statistics.median(taken):.2f} ms, p95 {statistics.quantiles(taken, n=20)[18]:.2f} ms")


def reading(database: ReplicatedDatabase) -> Callable[[], Awaitable[object]]:
    async def work() -> None:
        reading = ReadSession(stale_reads_ok=True)
        with reading_within(reading):
            identify("ada")
            await database.read(ROWS)
        await database.acknowledge(reading)

    return work


def writing(database: Database, acknowledge: ReplicatedDatabase | None = None) -> Callable[[], Awaitable[object]]:
    async def work() -> None:
        reading = ReadSession(stale_reads_ok=False)
        with reading_within(reading):
            identify("grace")
            async with database.begin() as connection:
                await connection.execute(text("update counter set n = n + 1"))
        if acknowledge is not None:
            await acknowledge.acknowledge(reading)

    return work


async def main() -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cairn-", dir="/tmp", ignore_cleanup_errors=True)))
        folder.chmod(0o755)
        url = await stack.enter_async_context(embedded_postgres(folder / "primary", max_connections=50))
        await ask(url, "create table counter (n int)")
        await ask(url, "insert into counter values (0)")
        standby, server = StandbyServer(folder / "standby", url), RedisServer(folder / "redis.sock")
        await asyncio.to_thread(standby.make)
        stack.callback(standby.stop)
        server.start()
        stack.callback(server.stop)
        redis = await stack.enter_async_context(Redis.from_url(server.url))
        await redis.set(KNOWN, 1)
        options = config.DatabaseSettings(replica_urls=(standby.url,))
        plain = await Database.open(config.DatabaseSettings(), url, name="plain")
        alone = await open_replicated(options, url, name="alone", positions=Positions(None, kept_seconds=30, timeout_seconds=1))
        shared = await open_replicated(options, url, name="shared", positions=Positions(redis, kept_seconds=30, timeout_seconds=1))
        for each in (plain, alone, shared):
            stack.push_async_callback(each.close)

        async def as_before() -> None:
            async with plain.begin() as connection:
                await ROWS(connection)

        await timed("read, no replica: begin(), as before", as_before)
        await timed("read, no replica: read()", lambda: plain.read(ROWS))
        await timed("read, at the replica", reading(alone))
        await timed("read, at the replica, positions in Redis", reading(shared))
        await timed("write, no replica", writing(plain))
        await timed("write, its position known to its server", writing(alone, alone))
        await timed("write, its position known in Redis", writing(shared, shared))


if __name__ == "__main__":
    asyncio.run(main())
