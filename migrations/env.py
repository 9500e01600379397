"""Alembic's environment: the metadata of every room, and a connection, ours or one from CAIRN_DATABASE__URL."""

from __future__ import annotations

import asyncio
import sys

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import app.accounts.tables
import app.alerts.tables
import app.assist.tables
import app.budget.tables
import app.cache.tables
import app.idempotency.tables
import app.knowledge.passage_tables
import app.knowledge.relation_tables
import app.knowledge.tables
import app.queue.tables
import app.sessions.tables
import app.trajectory.analysis.tables
import app.trajectory.intent.tables
import app.trajectory.patterns.tables
import app.trajectory.policies.tables
import app.trajectory.similar.tables  # noqa: F401 - each import adds its tables to the one metadata
from app.errors import ConfigurationError
from app.settings import secret_of
from app.storage.postgres_url import postgres_url
from app.storage.tables import Base

LOCK_TIMEOUT, STATEMENT_TIMEOUT = "10s", "15min"
"""A migration that can't get its lock gives up instead of queueing every reader behind it."""


def run(connection: Connection) -> None:
    connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text(f"set statement_timeout = '{STATEMENT_TIMEOUT}'"))
    connection.commit()
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_from_environment() -> None:
    try:
        url = secret_of("CAIRN_DATABASE__URL")
    except ConfigurationError as error:
        sys.exit(error.message)
    if not url:
        sys.exit(
            "Set CAIRN_DATABASE__URL, for example postgresql://cairn@localhost:5432/cairn. An embedded Cairn migrates itself at start."
        )
    try:
        creator = postgres_url(url).creator()
    except ConfigurationError as error:
        sys.exit(error.message)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


def run_offline() -> None:
    """`alembic upgrade head --sql`: the statements, for a database administrator to read."""
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
elif (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(run_from_environment())
