"""A database URL with libpq's parameters, wherever Cairn connects: the pool, single connections, `cairn db`, Alembic by hand."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from app import settings as config
from app.errors import ConfigurationError
from app.storage import migrations
from app.storage.database import Database
from app.storage.direct import DedicatedConnection

ROOT = Path(__file__).resolve().parents[3]
PARAMETERS = "sslmode=prefer&connect_timeout=10&application_name=shop"
SHOWN = "select current_setting('application_name')"


def with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


async def ran(url: str, *command: str) -> tuple[int | None, str]:
    secrets = {"CAIRN_ADMIN_KEY": "a" * 43, "CAIRN_SECRET_KEY": "b" * 43}
    env = {**os.environ, **secrets, "CAIRN_DATABASE__URL": url, "CAIRN_QDRANT__URL": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT)}
    streams = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *command, cwd=ROOT, env=env, **streams)  # type: ignore[arg-type]
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_pool_and_single_connections_take_them(database_url: str) -> None:
    url, settings = with_query(database_url, PARAMETERS), config.DatabaseSettings()
    database = await Database.open(settings, url, name="test")
    async with database.begin() as connection:
        assert await connection.scalar(text(SHOWN)) == "shop"
        assert await connection.scalar(text("show timezone")) == "UTC"
    await database.close()
    alone = DedicatedConnection(settings, url, name="test", timeout_seconds=30)
    assert await alone.value(SHOWN) == "shop"
    await alone.close()


async def test_without_them_connections_keep_cairns_names(database_url: str) -> None:
    database = await Database.open(config.DatabaseSettings(), database_url, name="test")
    async with database.begin() as connection:
        assert await connection.scalar(text(SHOWN)) == "test"
    await database.close()


async def test_migrations_and_the_commands_take_them(empty_database_url: str) -> None:
    url = with_query(empty_database_url, PARAMETERS)
    status, said = await ran(url, "alembic", "upgrade", "head")
    assert status == 0, said
    await migrations.upgrade(url)
    status, said = await ran(url, "app.cli", "db", "current")
    assert (status, await asyncio.to_thread(migrations.head) in said) == (0, True), said


@pytest.mark.parametrize("command", [("alembic", "current"), ("app.cli", "db", "current"), ("app.cli", "serve")], ids=" ".join)
async def test_one_that_cannot_be_taken_is_named(database_url: str, command: tuple[str, ...]) -> None:
    status, said = await ran(with_query(database_url, "sslmode=prefer&keepalives_idle=30"), *command)
    assert (status != 0, "keepalives_idle" in said, "Traceback" in said) == (True, True, False), said


async def test_a_mode_that_does_not_exist_is_refused(database_url: str) -> None:
    with pytest.raises(ConfigurationError, match="sslmode=on"):
        await Database.open(config.DatabaseSettings(), with_query(database_url, "sslmode=on"), name="test")
