"""Reads on real streaming replicas: who sees what while one lags, and what happens when one hangs, dies, comes back, is promoted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app import settings as config
from app.errors import ConfigurationError, DatabaseUnavailable, NotFound
from app.storage.database import Database, rows_of
from app.storage.postgres import embedded_postgres
from app.storage.replicas.positions import KNOWN, POSITION, UNKNOWN, YOUNG, Positions
from app.storage.replicas.read_session import ReadSession, format_lsn, identify, position_in, reading_within
from app.storage.replicas.replicated import ReplicatedDatabase, open_replicated
from app.telemetry import metrics
from tests.fakes.redis_server import RedisServer
from tests.fakes.standby import StandbyServer, ask, caught_up

KEPT_SECONDS = 30
VALUE = rows_of(text("select n from counter"))


@pytest.fixture(scope="module")
async def primary(short_folder: Path) -> AsyncIterator[str]:
    (short_folder / "p").mkdir()  # of its own: beside its folder lies its socket
    async with embedded_postgres(short_folder / "p" / "primary", max_connections=100) as url:
        await ask(url, "create table counter (n int)")
        await ask(url, "insert into counter values (0)")
        yield url


@pytest.fixture(scope="module")
def standbys(primary: str, short_folder: Path) -> Iterator[list[StandbyServer]]:
    """Two of them."""
    made = [StandbyServer(short_folder / name, primary) for name in ("standby-one", "standby-two")]
    for each in made:
        each.make()
    yield made
    for each in made:
        each.stop()


@pytest.fixture
async def standby(primary: str, standbys: list[StandbyServer]) -> AsyncIterator[StandbyServer]:
    await ask(primary, "update counter set n = 0")
    await caught_up(primary, *standbys)
    yield standbys[0]
    for each in standbys:
        await each.resume()


@asynccontextmanager
async def opened(primary: str, *urls: str, redis: Redis | None = None, **fields: object) -> AsyncIterator[ReplicatedDatabase]:
    """As a server has it, but tested only when the test says so."""
    options = config.DatabaseSettings(replica_urls=urls, **fields)  # type: ignore[arg-type]
    positions = Positions(redis, kept_seconds=KEPT_SECONDS, timeout_seconds=10)
    database = await open_replicated(options, primary, name="test", positions=positions)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def request(database: ReplicatedDatabase, name: str, *, writes: bool = False, min_position: int = 0) -> AsyncIterator[ReadSession]:
    """One request of somebody's, acknowledged at its end."""
    reading = ReadSession(stale_reads_ok=not writes, min_position=min_position)
    with reading_within(reading):
        identify(name)
        yield reading
    await database.acknowledge(reading)


async def write(database: ReplicatedDatabase, name: str, n: int) -> int:
    """Returns the position that the answer carries."""
    async with request(database, name, writes=True) as reading, database.begin() as connection:
        await connection.execute(text("update counter set n = :n"), {"n": n})
    return reading.min_position


async def read(database: ReplicatedDatabase, name: str, *, min_position: int = 0) -> int:
    async with request(database, name, min_position=min_position):
        return int((await database.read(VALUE))[0].n)


async def where(connection: AsyncConnection) -> str:
    """The server that answers, by its socket."""
    return str(await connection.scalar(text("show unix_socket_directories")))


def count(target: str) -> float:
    return metrics.REGISTRY.get_sample_value("cairn_database_reads_total", {"target": target}) or 0


async def test_without_replicas_a_read_is_a_transaction_that_cannot_write(database: Database) -> None:
    async def attempt(connection: AsyncConnection) -> None:
        await connection.execute(text("create table sneaky (n int)"))

    assert [tuple(row) for row in await database.read(rows_of(text("select 1")))] == [(1,)]
    with pytest.raises(Exception, match=r"read-only transaction|doesn't answer"):
        await database.read(attempt)
    async with database.begin() as connection:
        assert await connection.scalar(text("show transaction_read_only")) == "off"


async def test_the_writer_never_sees_an_old_state_and_others_may(primary: str, standby: StandbyServer) -> None:
    async with opened(primary, standby.url) as database:
        await standby.pause()
        await write(database, "ada", 1)
        assert await read(database, "ada") == 1
        assert await read(database, "grace") == 0
        await write(database, "ada", 2)
        assert [await read(database, "ada") for _ in range(20)] == [2] * 20
        await standby.resume()
        await caught_up(primary, standby)
        before = count(database.standbys[0].name)
        assert await read(database, "ada") == 2
        assert count(database.standbys[0].name) == before + 1


async def test_who_has_seen_the_primary_does_not_go_back_in_time(primary: str, standby: StandbyServer) -> None:
    """Grace waited for her job, which is read at the primary; what it made she finds."""
    async with opened(primary, standby.url) as database:
        await standby.pause()
        await write(database, "a worker", 1)
        async with request(database, "grace"), database.begin() as connection:
            assert await connection.scalar(text("select n from counter")) == 1
        assert await read(database, "grace") == 1
        assert await read(database, "ada") == 0


async def test_who_has_read_at_a_fresher_replica_does_not_go_back_to_an_older_one(
    primary: str, standby: StandbyServer, standbys: list[StandbyServer]
) -> None:
    async with opened(primary, *(each.url for each in standbys)) as database:
        favourite = max(database.standbys, key=lambda each: each.weight("ada"))
        other = standbys[1] if standbys[0].url.endswith(favourite.name.rpartition(":")[0]) else standbys[0]
        await other.pause()
        await write(database, "grace", 1)
        await caught_up(primary, *(each for each in standbys if each is not other))
        assert await read(database, "ada") == 1
        favourite.stop_using("for the test")
        assert await read(database, "edsger") == 0
        assert await read(database, "ada") == 1


async def test_within_a_request_that_met_the_primary_nothing_is_read_elsewhere(primary: str, standby: StandbyServer) -> None:
    async with opened(primary, standby.url) as database:
        await standby.pause()
        async with request(database, "ada"):
            async with database.begin() as connection:
                await connection.execute(text("update counter set n = 1"))
            assert (await database.read(VALUE))[0].n == 1


async def test_a_request_that_may_write_and_work_of_nobody_read_at_the_primary(primary: str, standby: StandbyServer) -> None:
    async with opened(primary, standby.url) as database:
        async with request(database, "ada", writes=True):
            assert "standby" not in await database.read(where)
        assert "standby" not in await database.read(where)
        with reading_within(ReadSession(stale_reads_ok=True)):  # nobody has shown a key
            assert "standby" not in await database.read(where)
        async with request(database, "ada"):
            assert "standby-one" in await database.read(where)


async def test_the_position_that_an_answer_carried_is_enough_at_any_server(primary: str, standby: StandbyServer) -> None:
    async with opened(primary, standby.url) as one, opened(primary, standby.url) as two:
        await standby.pause()
        position = await write(one, "ada", 1)
        assert await read(two, "ada", min_position=position) == 1
        assert await read(two, "ada") == 1  # it fell back to the primary, so it goes on there
        assert await read(two, "grace") == 0


async def test_servers_tell_each_other_through_redis(primary: str, standby: StandbyServer, redis_server: RedisServer) -> None:
    async with (
        Redis.from_url(redis_server.url) as redis,
        opened(primary, standby.url, redis=redis) as one,
        opened(primary, standby.url, redis=redis) as two,
    ):
        await redis.flushall()
        await redis.set(KNOWN, 1)
        await standby.pause()
        await write(one, "ada", 1)
        await write(two, "ada", 2)
        assert [await read(each, "ada") for each in (one, two)] == [2, 2]
        assert [await read(each, "grace") for each in (one, two)] == [0, 0]


async def test_of_two_positions_the_later_one_stays(redis_server: RedisServer) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        await redis.flushall()
        await redis.set(KNOWN, 1)
        one, two, three = (Positions(redis, kept_seconds=KEPT_SECONDS, timeout_seconds=10) for _ in range(3))
        await one.record_write("ada", 2**40 + 7)
        await two.record_write("ada", 2**40 + 6)
        assert [await each.position_of("ada") for each in (one, two, three)] == [2**40 + 7] * 3


@pytest.mark.parametrize("held", [b"garbage", b"\xff\xfe", b"-7", b"1e999", b"9" * 40, b"12.5"])
async def test_a_position_that_cannot_be_read_is_as_lost_and_is_written_over(redis_server: RedisServer, held: bytes) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        await redis.flushall()
        await redis.set(KNOWN, 1)
        reader, writer = (Positions(redis, kept_seconds=KEPT_SECONDS, timeout_seconds=10) for _ in range(2))
        await redis.set(POSITION + "ada", held)
        assert await reader.position_of("ada") == UNKNOWN
        await redis.delete(YOUNG)  # later, when what was lost does not matter any more
        assert await reader.position_of("ada") == 0
        await writer.record_write("ada", 77)
        assert await reader.position_of("ada") == 77


async def test_a_position_is_written_where_something_else_stood(redis_server: RedisServer) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        await redis.flushall()
        await redis.set(KNOWN, 1)
        positions = [Positions(redis, kept_seconds=KEPT_SECONDS, timeout_seconds=10) for _ in range(2)]
        for name in ("a list", "garbage"):
            await (redis.rpush if name == "a list" else redis.set)(POSITION + name, "x")  # type: ignore[operator]
            await positions[0].record_write(name, 78)
            assert [await each.position_of(name) for each in positions] == [78, 78]


async def test_without_an_answer_of_redis_everybody_reads_at_the_primary(primary: str, standby: StandbyServer, short_folder: Path) -> None:
    server = RedisServer(short_folder / "replicas-redis.sock")
    server.start()
    async with (
        Redis.from_url(server.url) as redis,
        opened(primary, standby.url, redis=redis) as one,
        opened(primary, standby.url, redis=redis) as two,
    ):
        await redis.set(KNOWN, 1)
        await standby.pause()
        server.kill()
        await write(one, "ada", 1)
        assert await read(two, "ada") == 1
        assert await read(two, "grace") == 1
        assert await read(one, "ada") == 1


async def test_a_redis_that_lost_what_it_held_is_not_believed_for_a_while(
    primary: str, standby: StandbyServer, redis_server: RedisServer
) -> None:
    async with (
        Redis.from_url(redis_server.url) as redis,
        opened(primary, standby.url, redis=redis) as one,
        opened(primary, standby.url, redis=redis) as two,
    ):
        await redis.flushall()
        await redis.set(KNOWN, 1)
        await standby.pause()
        await write(one, "ada", 1)
        await redis.flushall()
        assert await read(two, "ada") == 1
        assert 0 < await redis.pttl(YOUNG) <= KEPT_SECONDS * 1000
        assert await read(two, "ada") == 1
        await redis.delete(YOUNG)  # its time has passed
        assert await read(two, "grace") == 0


async def test_a_write_that_redis_missed_makes_everybody_read_at_the_primary_once_it_is_back(
    primary: str, standby: StandbyServer, redis_server: RedisServer
) -> None:
    async with (
        Redis.from_url(redis_server.url) as redis,
        Redis.from_url("unix:///nowhere/redis.sock") as nowhere,
        opened(primary, standby.url, redis=nowhere) as one,
        opened(primary, standby.url, redis=redis) as two,
    ):
        await redis.flushall()
        await redis.set(KNOWN, 1)
        await standby.pause()
        await write(one, "ada", 1)
        one._positions._client = redis
        await one._positions.repair()
        assert await read(two, "ada") == 1


async def test_a_killed_replica_costs_no_read_and_is_used_again_when_it_is_back(primary: str, standby: StandbyServer) -> None:
    async with opened(primary, standby.url) as database:
        ends, seen = asyncio.Event(), list[int]()

        async def reading(name: str) -> None:
            while not ends.is_set():
                seen.append(await read(database, name))

        readers = [asyncio.create_task(reading(f"reader {number}")) for number in range(8)]
        try:
            while len(seen) < 200:
                await asyncio.sleep(0)
            await asyncio.to_thread(standby.kill)
            before = len(seen)
            while len(seen) < before + 200:
                await asyncio.sleep(0)
        finally:
            ends.set()
            await asyncio.gather(*readers)
        assert set(seen) == {0}
        await database.probe()
        assert not database.all_usable
        await asyncio.to_thread(standby.start)
        while not database.all_usable:
            await database.probe()
        before = count(database.standbys[0].name)
        assert await read(database, "ada") == 0
        assert count(database.standbys[0].name) == before + 1


async def test_a_replica_that_hangs_is_not_waited_for(primary: str, standby: StandbyServer) -> None:
    async with opened(primary, standby.url) as database:
        started = asyncio.Event()

        async def long(connection: AsyncConnection) -> str:
            found = await where(connection)
            started.set()
            if "standby" in found:
                await connection.execute(text("select pg_sleep(300)"))
            return found

        async with request(database, "ada"):
            under_way = asyncio.create_task(database.read(long))
        await started.wait()
        assert await read(database, "grace") == 0  # its connection waits in the pool
        standby.signal(signal.SIGSTOP)
        try:
            assert await read(database, "grace") == 0
            await database.probe()
            assert not database.all_usable
            assert "standby" not in await under_way
        finally:
            standby.signal(signal.SIGCONT)
        while not database.all_usable:
            await database.probe()


async def test_a_replica_that_lags_too_far_is_left_alone_until_it_has_caught_up(primary: str, standby: StandbyServer) -> None:
    async with opened(primary, standby.url, replica_max_lag_bytes=1000) as database:
        assert database.all_usable
        await standby.pause()
        await ask(primary, "select pg_logical_emit_message(false, 'cairn', repeat('x', 5000), true)")
        await database.probe()
        assert not database.all_usable
        lag = database.standbys[0].lag
        assert lag is not None
        assert lag.bytes > 5000
        assert await read(database, "grace") == 0
        await standby.resume()
        await caught_up(primary, standby)
        await database.probe()
        assert database.all_usable


async def test_a_server_that_starts_does_not_trust_a_replica_whose_lag_it_cannot_know(primary: str, standby: StandbyServer) -> None:
    await standby.pause()
    await ask(primary, "update counter set n = 1")
    async with opened(primary, standby.url) as database:
        assert not database.all_usable
        assert await read(database, "grace") == 1
        await standby.resume()
        await caught_up(primary, standby)
        await database.probe()
        assert database.all_usable


async def test_a_url_of_the_primary_is_no_replica(primary: str, standby: StandbyServer) -> None:
    async with opened(primary, primary, standby.url) as database:
        assert [each.usable for each in database.standbys] == [False, True]
        assert not database.all_usable
        assert await read(database, "ada") == 0


async def test_a_replica_of_another_cluster_is_not_read(database_url: str, primary: str, standby: StandbyServer) -> None:
    async with opened(database_url, standby.url) as database:
        assert not database.all_usable
        with pytest.raises(DBAPIError, match="counter"):
            await read(database, "ada")


async def test_what_the_replica_has_not_got_yet_is_looked_for_at_the_primary(primary: str, standby: StandbyServer) -> None:
    async def strict(connection: AsyncConnection) -> int:
        if (found := await connection.scalar(text("select n from counter where n = 1"))) is None:
            raise NotFound("not here")
        return int(found)

    async with opened(primary, standby.url) as database:
        await standby.pause()
        await write(database, "ada", 1)
        table = f"new_{uuid4().hex}"
        await ask(primary, f"create table {table} (n int)")
        async with request(database, "grace"):
            assert await database.read(strict) == 1
        async with request(database, "edsger"):
            assert await database.read(rows_of(text(f"select * from {table}"))) == []
        assert database.all_usable


async def test_readers_are_spread_over_the_replicas_and_each_keeps_to_one(
    primary: str, standby: StandbyServer, standbys: list[StandbyServer]
) -> None:
    async with opened(primary, *(each.url for each in standbys)) as one, opened(primary, *(each.url for each in standbys)) as two:
        found: dict[str, set[str]] = {}
        for number in range(40):
            name = f"developer {number}"
            for database in (one, two, one):
                async with request(database, name):
                    found.setdefault(name, set()).add(await database.read(where))
        assert all(len(each) == 1 for each in found.values())
        assert len(set.union(*found.values())) == 2


async def test_a_promoted_replica_is_not_read_from_the_first_read_on(primary: str, standby: StandbyServer, short_folder: Path) -> None:
    third = StandbyServer(short_folder / f"standby-{uuid4().hex[:6]}", primary)
    await asyncio.to_thread(third.make)
    try:
        await caught_up(primary, third)
        async with opened(primary, third.url) as database:
            assert await read(database, "grace") == 0
            await asyncio.to_thread(third.promote)
            await third.ask("update counter set n = 99")
            assert await read(database, "grace") == 0
            await database.probe()
            assert not database.all_usable
    finally:
        await asyncio.to_thread(third.stop)


async def test_a_position_that_cannot_be_told_keeps_its_caller_at_the_primary(
    primary: str, standby: StandbyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def untold() -> int:
        raise DatabaseUnavailable("gone, just after the commit")

    async with opened(primary, standby.url) as database:
        await standby.pause()
        reading = ReadSession(stale_reads_ok=False)
        with reading_within(reading):
            identify("ada")
            async with database.begin() as connection:
                await connection.execute(text("update counter set n = 1"))
        monkeypatch.setattr(database._primary, "_ask", untold)
        assert await database.acknowledge(reading) == 0
        monkeypatch.undo()
        assert await read(database, "ada") == 1
        assert await read(database, "grace") == 0


@pytest.mark.parametrize(
    ("urls", "says"),
    [
        (("mysql://root:hunter22@db/cairn",), "can't be read"),
        (("[postgresql://a:hunter22@db/cairn]",), "can't be read"),
        (("postgresql://a:hunter22@db/cairn", "postgresql://b@db:5432/cairn"), "twice"),
    ],
)
async def test_urls_that_cannot_be_used_are_refused_without_being_shown(urls: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        async with opened("postgresql://nobody@127.0.0.1:1/none", *urls):
            pass
    assert "hunter22" not in str(refused.value)


def test_positions_are_spelled_as_postgresql_does() -> None:
    assert format_lsn(0x16B374D848) == "16/B374D848"
    assert position_in("16/b374d848") == 0x16B374D848
    assert [position_in(each) for each in ("", "16", "16/", "x/1", "1/123456789", "\uff11/2", " 1/2", "1/2\n")] == [None] * 8
