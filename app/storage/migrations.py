"""Schema migrations: upgrade, and refusal to run on an outdated schema. Alembic's scripts ship with the code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.errors import DatabaseUnavailable, SchemaOutdated
from app.settings import ROOT
from app.storage.database import AWAY, Database
from app.storage.postgres_url import postgres_url

if TYPE_CHECKING:
    from alembic.config import Config

LOCK = 0xCA1C_0000
"""Advisory lock: of several processes that start at once, one migrates; the others wait and find nothing to do."""


async def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the schema. Safe to run from several processes at once.

    Runs in a thread with its own event loop, since Alembic reads its scripts from disk.
    """
    await asyncio.to_thread(asyncio.run, _upgrade_alone(url, revision))


async def _upgrade_alone(url: str, revision: str) -> None:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=postgres_url(url).creator(), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("select pg_advisory_lock(:key)"), {"key": LOCK})
            await connection.commit()
            await connection.run_sync(_upgrade, revision)
            await connection.commit()
    except (DBAPIError, OSError) as error:
        cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error
        if isinstance(cause, AWAY):
            raise DatabaseUnavailable("The database doesn't answer. Check that it runs and that CAIRN_DATABASE__URL is right.") from error
        raise
    finally:
        await engine.dispose()


def configuration() -> Config:
    """Return Alembic's configuration, independent of the working directory."""
    from alembic.config import Config

    config = Config(str(ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return config


def frozen_sql(revision: str, name: str) -> str:
    """Read what a migration executes: `migrations/sql/{revision}/{name}.sql`, which never changes once it is released.

    The current body of a function stands in its room's `sql/` folder; to change it, edit that file, copy it here and load it.
    """
    return (ROOT / "migrations" / "sql" / revision / f"{name}.sql").read_text(encoding="utf-8")


def head() -> str:
    """Return the revision that this code needs."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory.from_config(configuration()).get_current_head()
    assert found is not None
    return found


async def current(database: Database) -> str | None:
    """Return the database's revision; None for an empty database."""
    async with database.begin() as connection:
        if await connection.scalar(text("select to_regclass('alembic_version')")) is None:
            return None
        found: str | None = await connection.scalar(text("select version_num from alembic_version"))
        return found


async def require_current(database: Database) -> None:
    """Raise SchemaOutdated, naming the command to run, unless the database has this code's revision."""
    found, wanted = await current(database), await asyncio.to_thread(head)
    if found != wanted:
        raise SchemaOutdated(
            f"The database schema is at {found or 'nothing'}, this Cairn needs {wanted}. "
            "Run `cairn db upgrade` (or `alembic upgrade head`) first."
        )


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command

    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
