"""A disk that fills up, on a real small file system: told before and while it is full, and over once there is room."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pydantic import ValidationError
from sqlalchemy import text

from app.errors import DatabaseUnavailable
from app.settings import DatabaseSettings, DiskSettings
from app.storage.database import Database
from app.storage.disk import DiskWatch, free_space
from app.storage.postgres import embedded_postgres

MB = 2**20
OPTIONS = DiskSettings(low_bytes=20 * MB, full_bytes=5 * MB)


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of its own in memory, of as many MB as the test asks for."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small file system: run it as root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={request.param}m,mode=0755", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here, run it as root: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("small_disk", [64], indirect=True)
async def test_a_disk_is_told_while_it_is_low_and_full_and_has_room_again(small_disk: Path) -> None:
    watch, file = DiskWatch(small_disk, OPTIONS), small_disk / "taken"
    told = []
    with structlog.testing.capture_logs() as logged:
        for taken in (0, 50, 55, 62, 62, 10):
            file.write_bytes(bytes(taken * MB))
            condition = await watch.condition()
            told.append((condition.state, (condition.reason or "").partition(":")[0]))
            await watch.watch()
    low, full = "The disk of the data folder is nearly full", "The disk of the data folder is full"
    assert told == [("ok", ""), ("degraded", low), ("degraded", low), ("degraded", full), ("degraded", full), ("ok", "")]
    assert [(each["event"], each["log_level"]) for each in logged] == [
        ("disk.low", "warning"),
        ("disk.full", "error"),
        ("disk.ok", "info"),
    ]


@pytest.mark.parametrize("small_disk", [64], indirect=True)
def test_what_is_left_is_told_without_the_folders_path(small_disk: Path) -> None:
    (small_disk / "taken").write_bytes(bytes(52 * MB))
    found = free_space(small_disk, OPTIONS)
    assert (found.state, found.free) == ("low", 12 * MB)
    assert found.words.startswith("The disk of the data folder is nearly full: 12 MB left.")
    assert str(small_disk) not in found.words


def test_a_full_disk_beside_a_database_elsewhere_is_not_said_to_stop_everything(tmp_path: Path) -> None:
    full = DiskSettings(low_bytes=2**62, full_bytes=2**62)
    assert "soon nothing can be stored." in free_space(tmp_path, full).words
    assert "soon nothing can be stored there; the database is elsewhere." in free_space(tmp_path, full, embedded=False).words


@pytest.mark.parametrize("small_disk", [200], indirect=True)
async def test_what_postgresql_can_not_write_says_that_the_servers_disk_is_full(small_disk: Path) -> None:
    """The table is unlogged: where its log can't be written PostgreSQL ends, which `/readyz` tells."""
    async with embedded_postgres(small_disk / "postgres", max_connections=20) as url:
        database = await Database.open(DatabaseSettings(), url, name="test of a full disk")
        try:
            async with database.begin() as connection:
                await connection.execute(text("create unlogged table noise (words text)"))
                await connection.execute(text("alter table noise alter column words set storage external"))
            fill = small_disk / "taken"
            free = (await asyncio.to_thread(free_space, small_disk, OPTIONS)).free
            fill.write_bytes(bytes(free - 24 * MB))
            with pytest.raises(DatabaseUnavailable, match="The server's disk is full: what was sent is not stored") as refused:
                async with database.begin() as connection:
                    await connection.execute(text("insert into noise select repeat(n::text, 100000) from generate_series(1, 1000) n"))
            assert "make room" in refused.value.message
            fill.unlink()
            async with database.begin() as connection:
                assert await connection.scalar(text("select count(*) from noise")) == 0
        finally:
            await database.close()


def test_a_disk_that_would_be_full_before_it_is_low_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"disk\.full_bytes is above disk\.low_bytes"):
        DiskSettings(low_bytes=1, full_bytes=2)
