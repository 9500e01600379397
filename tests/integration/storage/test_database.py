"""The pool and its errors, on a real PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app import settings as config
from app.errors import DatabaseUnavailable
from app.storage import preping
from app.storage.database import Database, rows_of


async def opened(url: str, **fields: object) -> Database:
    return await Database.open(config.DatabaseSettings(**fields), url, name="test")  # type: ignore[arg-type]


async def test_a_block_that_fails_is_rolled_back(database: Database) -> None:
    with pytest.raises(ValueError, match="stop"):
        async with database.begin() as connection:
            await connection.execute(text("create table kept (n int)"))
            raise ValueError("stop")
    async with database.begin() as connection:
        assert await connection.scalar(text("select to_regclass('kept')")) is None


async def test_a_full_pool_refuses_after_its_timeout_and_says_what_to_do(database_url: str) -> None:
    database = await opened(database_url, pool_size=1, max_overflow=0, acquire_timeout_seconds=0.05)
    async with database.begin():
        assert database.pool().checked_out == 1
        with pytest.raises(DatabaseUnavailable, match="pool_size"):
            async with database.begin():
                pass
    async with database.begin() as connection:
        assert await connection.scalar(text("select 1")) == 1
    await database.close()


async def test_a_statement_past_its_timeout_is_unavailable(database_url: str) -> None:
    database = await opened(database_url, statement_timeout_seconds=0.5)
    with pytest.raises(DatabaseUnavailable, match="statement_timeout"):
        async with database.begin() as connection:
            await connection.execute(text("select pg_sleep(5)"))
    await database.close()


async def test_a_connection_that_the_server_ended_is_replaced(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with database.begin() as connection:
            await connection.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    await database.ping()


@pytest.mark.parametrize("rested_seconds", [0, 60])
async def test_one_that_was_ended_while_it_rested_is_replaced_before_its_use(
    database: Database, monkeypatch: pytest.MonkeyPatch, rested_seconds: float
) -> None:
    monkeypatch.setattr(preping, "RESTED_SECONDS", rested_seconds)
    async with database.begin() as one, database.begin() as two:
        rested = await one.scalar(text("select pg_backend_pid()"))
        other = await two.scalar(text("select pg_backend_pid()"))
    async with database.begin() as killer:
        mine = await killer.scalar(text("select pg_backend_pid()"))
        await killer.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": rested if mine == other else other})
    for _ in range(2):
        await database.ping()


async def test_a_ping_that_finds_nobody_gets_a_new_connection(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver has not heard of the end: only the ping finds it."""
    monkeypatch.setattr(preping, "RESTED_SECONDS", 0)
    await database.ping()
    asked: list[object] = []
    dialect = database._engine.dialect

    def gone(connection: object) -> bool:
        asked.append(connection)
        raise dialect.loaded_dbapi.InterfaceError("gone")

    monkeypatch.setattr(dialect, "do_ping", gone)
    await database.ping()
    assert len(asked) == 1


async def test_a_lone_statement_opens_no_transaction_and_others_that_read_cannot_write(database: Database) -> None:
    how = select(func.current_setting("transaction_read_only"))
    alone = await database.read(rows_of(how))
    assert alone[0][0] == "off"
    with pytest.raises(DatabaseUnavailable):  # as at a server that became a standby
        await database.read(rows_of(text("create table kept_not (n int)")))

    async def together(connection: AsyncConnection) -> object:
        return await connection.scalar(how)

    assert await database.read(together) == "on"
    async with database.begin() as connection:  # the connection is as before
        assert await connection.scalar(how) == "off"
        await connection.execute(text("create table kept_not (n int)"))
        await connection.rollback()
    async with database.begin() as connection:
        assert await connection.scalar(text("select to_regclass('kept_not')")) is None


async def test_no_server_at_all_is_unavailable_at_once() -> None:
    with pytest.raises(DatabaseUnavailable, match="CAIRN_DATABASE__URL"):
        await opened("postgresql://nobody@127.0.0.1:1/none", connect_timeout_seconds=2)


async def test_a_broken_constraint_is_not_taken_for_an_outage(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.begin() as connection:
            for _ in range(2):
                await connection.execute(text("insert into teams (id, name) values (gen_random_uuid(), 'twice')"))


async def test_a_cancelled_block_gives_its_connection_back(database_url: str) -> None:
    database = await opened(database_url, pool_size=1, max_overflow=0, acquire_timeout_seconds=5)

    async def sleeps() -> None:
        async with database.begin() as connection:
            await connection.execute(text("select pg_sleep(30)"))

    task = asyncio.create_task(sleeps())
    while database.pool().checked_out == 0:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await database.ping()
    await database.close()


async def test_times_come_back_in_utc(database: Database) -> None:
    async with database.begin() as connection:
        assert (await connection.scalar(text("show timezone"))) == "UTC"
