"""Access to PostgreSQL: a connection pool, short transactions, and an error for a database that is unavailable. Knows no table.

Reads that tolerate replication lag call `read`, which `storage/replicas/` routes to a replica if there is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NoReturn, Self, TypeVar

import asyncpg
from sqlalchemy import Executable, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app import settings as config
from app.errors import DatabaseUnavailable
from app.storage import preping
from app.storage.postgres_url import postgres_url
from app.storage.tables import AnyRow
from app.telemetry import measures, traces

Found = TypeVar("Found")
Reading = Callable[[AsyncConnection], Awaitable[Found]]
"""A read-only unit of work in one transaction; it may be run again on another server."""

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server closed the connection, which hasn't noticed yet
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
"""Errors that asyncpg raises when the server is away, shutting down, overloaded or too slow: retry later."""

HOUSE = ("house",)
MARGIN_SECONDS = 5
"""Added to the server's statement timeout for the driver's own, which thus fires only if the server hangs."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    """The pool's connections. `limit`: the number at which callers wait."""

    size: int
    limit: int
    checked_out: int
    overflow: int


class Database:
    """The connection pool. `begin()` opens a short transaction; `read()` runs a read that may lag behind."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reading = read_only(engine)
        self._alone = engine.execution_options(isolation_level="AUTOCOMMIT")

    @staticmethod
    async def open(
        settings: config.DatabaseSettings, url: str, *, name: str, pool_size: int | None = None, max_overflow: int | None = None
    ) -> Database:
        """Create the pool and check that the server answers. `name`: shown in pg_stat_activity."""
        sizes = {"pool_size": pool_size, "max_overflow": max_overflow}
        settings = settings.model_copy(update={field: size for field, size in sizes.items() if size is not None})
        return await Database(make_engine(settings, url, name=name)).proved()

    async def proved(self) -> Self:
        """Return itself once the server has answered; close it otherwise."""
        try:
            await self.ping()
        except BaseException:
            await self.close()
            raise
        return self

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction. Raises DatabaseUnavailable if no connection is free in time, or the server is away or too slow."""
        async with transaction(self._engine) as connection:
            yield connection

    async def read(self, work: Reading[Found]) -> Found:
        """Run `work` in a read-only transaction; return its result. Without replicas it is as fresh as `begin()`."""
        # A single SELECT is its own transaction: autocommit saves the round trips of BEGIN and COMMIT.
        engine = self._alone if isinstance(work, Rows) and work.statement.is_select else self._reading
        async with transaction(engine) as connection:
            return await work(connection)

    async def ping(self) -> None:
        """Raise DatabaseUnavailable unless the server answers."""
        async with self.begin() as connection:
            await connection.execute(text("select 1"))

    def pool(self) -> PoolUse:
        pool = self._engine.pool
        assert isinstance(pool, AsyncAdaptedQueuePool)
        limit = pool.size() + pool._max_overflow  # noqa: SLF001 - SQLAlchemy tells it nowhere else
        return PoolUse(size=pool.size(), limit=limit, checked_out=pool.checkedout(), overflow=max(0, pool.overflow()))

    async def close(self) -> None:
        await self._engine.dispose()


def make_engine(settings: config.DatabaseSettings, url: str, *, name: str) -> AsyncEngine:
    """Create a connection pool without connecting."""
    milliseconds = str(int(settings.statement_timeout_seconds * 1000))
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=postgres_url(url).creator(
            name=name,
            seconds=settings.connect_timeout_seconds,
            command_timeout=settings.statement_timeout_seconds + MARGIN_SECONDS,
            settings={
                "timezone": "UTC",
                "statement_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
            },
        ),
        pool_size=settings.pool_size,
        max_overflow=settings.max_overflow,
        pool_recycle=settings.recycle_seconds,
        pool_timeout=settings.acquire_timeout_seconds,
    )
    if settings.pre_ping:
        preping.install(engine)
    event.listen(engine.sync_engine, "before_cursor_execute", _begun)
    event.listen(engine.sync_engine, "after_cursor_execute", _ended)
    return engine


@dataclass(frozen=True, slots=True)
class Rows:
    """Reads all rows of one SELECT."""

    statement: Executable
    values: Mapping[str, object] | None

    async def __call__(self, connection: AsyncConnection) -> Sequence[AnyRow]:
        return (await connection.execute(self.statement, self.values)).all()


def rows_of(statement: Executable, values: Mapping[str, object] | None = None) -> Rows:
    """Build the commonest unit of work for `read`: all rows of one SELECT."""
    return Rows(statement, values)


def read_only(engine: AsyncEngine) -> AsyncEngine:
    """Return a view of the pool whose transactions begin READ ONLY, without an extra round trip."""
    return engine.execution_options(postgresql_readonly=True)


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a transaction. Raises DatabaseUnavailable if no connection is free in time, or the server is away or too slow."""
    began = perf_counter()
    try:
        connection = await engine.connect()
    except (PoolTimeoutError, DBAPIError, *AWAY) as error:
        raise_unavailable(error)
    finally:
        measures.database_wait.observe(perf_counter() - began)
    try:
        async with connection.begin():
            try:
                yield connection
            except TimeoutError:
                await connection.invalidate()  # the server hangs: a ROLLBACK would hang as well
                raise
    except (DBAPIError, asyncpg.InternalClientError, TimeoutError, ConnectionError) as error:  # the last three come from the driver itself
        raise_unavailable(error)
    finally:
        # Also when the caller is cancelled: a connection that isn't given back is lost to the pool.
        await asyncio.shield(connection.close())


def _begun(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
    context.began = perf_counter()


def _ended(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:  # noqa: FBT001
    seconds = perf_counter() - context.began
    measures.database_seconds.observe(seconds, HOUSE)
    if traces.on():
        verb = statement.split(None, 1)[0].upper()
        traces.past(verb, seconds, db__system__name="postgresql", db__operation__name=verb)


DISK_FULL = (
    "The server's disk is full: what was sent is not stored, and what is stored can still be read. Whoever runs the server must make room"
    " on the disk of its PostgreSQL; then send it again."
)


def raise_unavailable(error: BaseException) -> NoReturn:
    """Raise DatabaseUnavailable if the error means that; re-raise it unchanged otherwise (a constraint, a bug)."""
    if isinstance(error, PoolTimeoutError):
        raise DatabaseUnavailable("No database connection was free in time: try again, or raise database.pool_size.") from error
    cause: BaseException = error
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ or error.orig if error.orig is not None else error
    if isinstance(cause, asyncpg.QueryCanceledError):
        raise DatabaseUnavailable("The database took too long: try again, or raise database.statement_timeout_seconds.") from error
    if isinstance(cause, asyncpg.DiskFullError):
        raise DatabaseUnavailable(DISK_FULL) from error
    if isinstance(cause, AWAY) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        raise DatabaseUnavailable(
            "The database doesn't answer. An embedded one restarts by itself, unless the disk is full: `/readyz` and `cairn doctor` say so."
            " For a team's own, check that it runs, that its disk has room, and that CAIRN_DATABASE__URL is right."
        ) from error
    raise error
