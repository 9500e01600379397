"""The embedded PostgreSQL: started, taken over, recovered; never shared by two owners, never open to others."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from app import settings as config
from app.errors import ConfigurationError, DatabaseUnavailable
from app.storage.database import Database
from app.storage.postgres import embedded_postgres
from tests.waiting import patience

pytestmark = pytest.mark.long


async def ask(url: str, statement: str) -> object:
    database = await Database.open(config.DatabaseSettings(), url, name="test", pool_size=1, max_overflow=0)
    try:
        async with database.begin() as connection:
            result = await connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None
    finally:
        await database.close()


@pytest.fixture
def folder(short_folder: Path, request: pytest.FixtureRequest) -> Path:
    return short_folder / f"p{abs(hash(request.node.name)) % 10**6}" / "postgres"


def postmaster(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "postmaster.pid").read_text().splitlines()[0]))


def gone(process: psutil.Process) -> bool:
    """Ended; in a container without an init, an orphan stays a zombie."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_data_outlives_a_clean_stop(folder: Path) -> None:
    async with embedded_postgres(folder, max_connections=20) as url:
        await ask(url, "create table kept as select 42 as n")
        server = postmaster(folder)
    assert gone(server)
    async with embedded_postgres(folder, max_connections=20) as url:
        assert await ask(url, "select n from kept") == 42


async def test_a_second_owner_is_refused_and_told_who_owns_it(folder: Path) -> None:
    async with embedded_postgres(folder, max_connections=20):
        with pytest.raises(ConfigurationError, match=str(os.getpid())):
            async with embedded_postgres(folder, max_connections=20):
                pass


async def test_a_server_killed_hard_is_started_again_with_its_data(folder: Path) -> None:
    async with embedded_postgres(folder, max_connections=20) as url:
        await ask(url, "create table kept as select 42 as n")
        server = postmaster(folder)
        server.kill()
        await asyncio.to_thread(server.wait, 10)
    async with embedded_postgres(folder, max_connections=20) as url:
        assert await ask(url, "select n from kept") == 42


async def test_a_server_that_dies_under_its_owner_is_started_again_by_itself(folder: Path) -> None:
    async with embedded_postgres(folder, max_connections=20) as url:
        await ask(url, "create table kept as select 42 as n")
        postmaster(folder).kill()
        async with patience():
            while True:
                try:
                    assert await ask(url, "select n from kept") == 42
                    break
                except DatabaseUnavailable:
                    await asyncio.sleep(0.1)


async def test_a_server_whose_owner_was_killed_is_taken_over(folder: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from app.storage.postgres import embedded_postgres\n"
        "async def main():\n"
        "    async with embedded_postgres(Path(sys.argv[1]), max_connections=20):\n"
        "        print('up', flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert owner.stdout is not None
    while b"up" not in await asyncio.to_thread(owner.stdout.readline):
        assert owner.poll() is None
    left = postmaster(folder)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    async with embedded_postgres(folder, max_connections=20) as url:
        assert postmaster(folder).pid == left.pid
        assert await ask(url, "select 1") == 1
    assert gone(left)


async def test_a_pid_file_that_names_another_live_process_is_no_obstacle(folder: Path) -> None:
    async with embedded_postgres(folder, max_connections=20):
        lines = (folder / "postmaster.pid").read_text().splitlines()
    (folder / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    async with embedded_postgres(folder, max_connections=20) as url:
        assert await ask(url, "select 1") == 1


async def test_the_half_of_a_cluster_that_a_cut_off_start_left_is_made_anew(folder: Path) -> None:
    half = folder.with_name("postgres.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    async with embedded_postgres(folder, max_connections=20) as url:
        assert await ask(url, "select 1") == 1


async def test_another_major_version_is_refused_by_name(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("15\n")
    with pytest.raises(ConfigurationError, match="PostgreSQL 15"):
        async with embedded_postgres(folder, max_connections=20):
            pass


async def test_nobody_else_can_reach_the_socket_even_when_the_path_is_long(short_folder: Path) -> None:
    folder = short_folder / ("long-" * 20) / "postgres"
    async with embedded_postgres(folder, max_connections=20) as url:
        sockets = Path(url.partition("host=")[2])
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert await ask(url, "select current_setting('listen_addresses')") == ""
    assert not sockets.exists()


async def test_the_settings_are_in_force(folder: Path) -> None:
    async with embedded_postgres(folder, max_connections=33) as url:
        assert await ask(url, "show max_connections") == "33"
