"""The door to PostgreSQL: one pool, short transactions, and errors that say whether the database is away. Knows no table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NoReturn

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app import settings as config
from app.errors import ConfigurationError, DatabaseUnavailable
from app.telemetry import metrics, traces

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server said good-bye, and the connection hasn't noticed yet
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # the server became a standby
    asyncpg.DeadlockDetectedError,
    OSError,
    TimeoutError,
)
"""What asyncpg raises when the server is away, shutting down, full, or took too long: worth another try later."""

HOUSE = ("house",)
MARGIN_SECONDS = 5
"""The driver gives up this much after the server should have: only when the server itself hangs."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    size: int
    checked_out: int
    overflow: int
    most: int
    """Connections that this process may open."""


class Database:
    """`begin()` is the only way in: one short transaction, committed when its block ends well."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        event.listen(engine.sync_engine, "before_cursor_execute", _begun)
        event.listen(engine.sync_engine, "after_cursor_execute", _ended)

    @classmethod
    async def open(
        cls, settings: config.Database, url: str, *, name: str, pool_size: int | None = None, max_overflow: int | None = None
    ) -> Database:
        """Make the pool and prove that the server answers. `name`: shown in pg_stat_activity."""
        milliseconds = str(int(settings.statement_timeout_seconds * 1000))
        engine = create_async_engine(
            async_url(url),
            pool_size=settings.pool_size if pool_size is None else pool_size,
            max_overflow=settings.max_overflow if max_overflow is None else max_overflow,
            pool_pre_ping=settings.pre_ping,
            pool_recycle=settings.recycle_seconds,
            pool_timeout=settings.acquire_timeout_seconds,
            connect_args={
                "timeout": settings.connect_timeout_seconds,
                "command_timeout": settings.statement_timeout_seconds + MARGIN_SECONDS,
                "server_settings": {
                    "application_name": name,
                    "timezone": "UTC",
                    "statement_timeout": milliseconds,
                    "idle_in_transaction_session_timeout": milliseconds,
                },
            },
        )
        database = cls(engine)
        try:
            await database.ping()
        except BaseException:
            await engine.dispose()
            raise
        return database

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One transaction. DatabaseUnavailable when no connection is free in time, or the server is away or too slow."""
        began = perf_counter()
        try:
            connection = await self._engine.connect()
        except (PoolTimeoutError, DBAPIError, *AWAY) as error:
            raise_away(error)
        finally:
            metrics.database_wait.observe(perf_counter() - began)
        try:
            async with connection.begin():
                yield connection
        except (DBAPIError, asyncpg.InternalClientError, TimeoutError, ConnectionError) as error:  # all but the first: the driver's own
            raise_away(error)
        finally:
            # Also when the caller is cancelled: a connection that isn't given back is lost to the pool.
            await asyncio.shield(connection.close())

    async def ping(self) -> None:
        """DatabaseUnavailable unless the server answers."""
        async with self.begin() as connection:
            await connection.execute(text("select 1"))

    def pool(self) -> PoolUse:
        pool = self._engine.pool
        assert isinstance(pool, AsyncAdaptedQueuePool)
        most = pool.size() + pool._max_overflow  # noqa: SLF001 - SQLAlchemy tells it nowhere else
        return PoolUse(size=pool.size(), checked_out=pool.checkedout(), overflow=max(0, pool.overflow()), most=most)

    async def close(self) -> None:
        await self._engine.dispose()


def _begun(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
    context.began = perf_counter()


def _ended(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
    seconds = perf_counter() - context.began
    metrics.database_seconds.observe(seconds, HOUSE)
    if traces.on():
        verb = statement.split(None, 1)[0].upper()
        traces.past(verb, seconds, db__system__name="postgresql", db__operation__name=verb)


def async_url(url: str) -> str:
    """Any spelling of a PostgreSQL URL as SQLAlchemy's asyncpg one. ConfigurationError for another database."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError("The database URL can't be read. It looks like postgresql://user@host:5432/cairn.") from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError(
            f"Cairn works on PostgreSQL, not on {parsed.get_backend_name()}. Set CAIRN_DATABASE__URL to a PostgreSQL URL."
        )
    return parsed.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def raise_away(error: BaseException) -> NoReturn:
    """The error as DatabaseUnavailable if the database is away; as it is otherwise (a constraint, a bug)."""
    if isinstance(error, PoolTimeoutError):
        raise DatabaseUnavailable("No database connection was free in time: try again, or raise database.pool_size.") from error
    cause: BaseException = error
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ or error.orig if error.orig is not None else error
    if isinstance(cause, asyncpg.QueryCanceledError):
        raise DatabaseUnavailable("The database took too long: try again, or raise database.statement_timeout_seconds.") from error
    if isinstance(cause, asyncpg.DiskFullError):
        raise DatabaseUnavailable("The database's disk is full: nothing can be stored until there is room again.") from error
    if isinstance(cause, AWAY) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        raise DatabaseUnavailable(
            "The database doesn't answer. An embedded one is started again by itself; a team's own: check that it runs and that"
            " CAIRN_DATABASE__URL is right."
        ) from error
    raise error
