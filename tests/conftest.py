"""What every test may ask for: a real PostgreSQL of its own process, a fresh migrated database, the public evaluation data."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from blockbuster import BlockBuster
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.storage import migrations
from app.storage.database import Database
from app.storage.postgres import embedded_postgres
from tests.fakes.redis_server import RedisServer
from tests.waiting import patient_database

pytest_plugins = ("tests.collecting", "tests.scheduling", "tests.skipped")
hypothesis_settings.register_profile(
    "cairn", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # a busy machine is no fault of the code's: speed has scripts of its own
hypothesis_settings.load_profile("cairn")
ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "cairn_template"


@pytest.fixture(scope="session", autouse=True)
def own_client_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes what the user has set for Cairn's client."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(scope="session", autouse=True)
def workers_of_full_priority() -> Iterator[None]:
    """Let no embedded worker yield to the tests that wait for it: on a busy machine that would be for minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAIRN_WORKER__NICE", "0")
        yield


@pytest.fixture(scope="session", autouse=True)
def no_server_stays() -> Iterator[None]:
    """Let no command of a test leave a server behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAIRN_CLI__WARM_MINUTES", "0")
        yield


@pytest.fixture(scope="session")
def blocking_calls() -> BlockBuster:
    """The blocking calls that fail a test when they are made in `app` on the event loop (files and sockets; not a lock that is free)."""
    watch = BlockBuster("app")
    # Importing late reads files once; asyncpg looks for a certificate when it connects over TCP.
    for name in (
        "io.BufferedReader.read",
        "io.TextIOWrapper.read",
        "os.stat",
        "io.BufferedReader.readinto",
        "os.access",
        "os.path.abspath",
        "os.getcwd",
        "os.listdir",
    ):
        watch.functions.pop(name, None)
    for function in watch.functions.values():
        # Alembic runs in a loop of its own, in a thread of its own.
        function.can_block_in("app/storage/migrations.py", {"_upgrade"})
        # The engine is synchronous: in Cairn it has a process of its own, in the tests' shim it hasn't.
        function.can_block_in("app/storage/vectors/shard.py", {"__init__", "unindexed", "optimize"})
    return watch


@pytest.fixture(autouse=True)
def no_blocking_calls(blocking_calls: BlockBuster) -> Iterator[None]:
    """A blocking call in `app` on the event loop fails the test."""
    blocking_calls.activate()
    yield
    blocking_calls.deactivate()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The public evaluation data: read from where it stands, never copied."""
    folder = Path(os.environ.get("CAIRN_EVAL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "transcripts").is_dir():
        pytest.skip(f"the public evaluation data is not at {folder} (CAIRN_EVAL_DATA)")
    return folder


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A private folder with a path short enough for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="cairn-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def postgres_url(short_folder: Path) -> AsyncIterator[str]:
    """One embedded PostgreSQL for this test process, with a migrated template database."""
    async with embedded_postgres(short_folder / "postgres", max_connections=100) as url:
        await without_fsync(url)
        await _statement(url, f"create database {TEMPLATE}")
        await migrations.upgrade(_in(url, TEMPLATE))
        yield url


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """A database without any table."""
    async for url in _made(postgres_url, "template1"):
        yield url


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A fresh, migrated database."""
    async for url in _made(postgres_url, TEMPLATE):
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(patient_database(), database_url, name="test", pool_size=5, max_overflow=10)
    yield opened
    await opened.close()


async def without_fsync(url: str) -> None:
    """Let a server wait for no disk: what a killed process wrote is there, and only the machine's end would lose it."""
    for setting in ("fsync", "full_page_writes"):
        await _statement(url, f"alter system set {setting} = off")
    await _statement(url, "select pg_reload_conf()")


async def _made(url: str, template: str) -> AsyncIterator[str]:
    name = f"t_{uuid4().hex}"
    await _statement(
        url, f"create database {name} template {template} strategy file_copy"
    )  # two thirds of the work of writing it to the log
    yield _in(url, name)
    await _statement(url, f"drop database {name} with (force)")


async def _statement(url: str, sql: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(sql))
    await engine.dispose()


def _in(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def redis_server(short_folder: Path) -> Iterator[RedisServer]:
    """A real Redis of this test process, from the wheel."""
    server = RedisServer(short_folder / "redis.sock")
    server.start()
    yield server
    server.stop()
