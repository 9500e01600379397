"""The schema: there and back again on a real PostgreSQL, once however many start at once, and never an old one unnoticed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from app.errors import SchemaOutdated
from app.storage import migrations
from app.storage.database import Database
from tests.waiting import patient_database

ROOT = Path(__file__).resolve().parents[3]


async def alembic(url: str | None, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "CAIRN_DATABASE__URL"}
    if url is not None:
        environment["CAIRN_DATABASE__URL"] = url
    command = [str(Path(sys.executable).parent / "alembic"), "-c", str(ROOT / "alembic.ini"), *arguments]
    return await asyncio.to_thread(subprocess.run, command, env=environment, cwd=cwd, capture_output=True, text=True)


async def test_up_down_and_up_again_leaves_the_schema_of_the_metadata(empty_database_url: str, tmp_path: Path) -> None:
    for arguments in (["upgrade", "head"], ["downgrade", "base"], ["upgrade", "head"], ["check"]):
        done = await alembic(empty_database_url, *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("before", "done"),
    [("0033", "alter table knowledge add column wording bytea"), ("0032", "alter table knowledge add column worded_at timestamptz")],
)
async def test_a_migration_that_commits_step_by_step_is_repeated_after_a_failure(empty_database_url: str, before: str, done: str) -> None:
    assert (await alembic(empty_database_url, "upgrade", before)).returncode == 0
    database = await Database.open(patient_database(), empty_database_url, name="test")
    async with database.begin() as connection:
        await connection.execute(text(done))
    await database.close()
    for arguments in (["upgrade", "head"], ["check"]):
        again = await alembic(empty_database_url, *arguments)
        assert again.returncode == 0, again.stdout + again.stderr


async def test_without_a_url_alembic_says_which_variable_to_set() -> None:
    done = await alembic(None, "upgrade", "head")
    assert done.returncode != 0
    assert "CAIRN_DATABASE__URL" in done.stderr


async def test_of_several_that_start_at_once_one_migrates_and_all_succeed(empty_database_url: str) -> None:
    await asyncio.gather(*(migrations.upgrade(empty_database_url) for _ in range(4)))
    database = await Database.open(patient_database(), empty_database_url, name="test")
    await migrations.require_current(database)
    await database.close()


async def test_an_old_schema_is_refused_with_the_command_to_run(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("update alembic_version set version_num = '0000'"))
    with pytest.raises(SchemaOutdated, match="cairn db upgrade"):
        await migrations.require_current(database)


async def test_an_empty_database_is_refused_with_the_command_to_run(empty_database_url: str) -> None:
    database = await Database.open(patient_database(), empty_database_url, name="test")
    assert await migrations.current(database) is None
    with pytest.raises(SchemaOutdated, match="cairn db upgrade"):
        await migrations.require_current(database)
    await database.close()
