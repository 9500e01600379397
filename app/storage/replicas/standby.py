"""One streaming replica: a pool of its own, what the last test said of it, and reads that check where it is before they begin."""

from __future__ import annotations

import asyncio
import time
from hashlib import blake2b
from typing import Any

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app import settings as config
from app.errors import ConfigurationError, DatabaseUnavailable
from app.storage.database import Found, Reading, async_url, make_engine, read_only, transaction
from app.storage.direct import Direct
from app.storage.replicas.primary import Lag, Primary

log = structlog.get_logger()

ANSWER_SECONDS = 1.0
"""To connect, and to say where it is: who takes longer isn't waited for."""
_TEST = (
    "select array[pg_is_in_recovery()::int::bigint, (coalesce(pg_last_wal_replay_lsn(), '0/0') - '0/0')::bigint,"
    " (select system_identifier from pg_control_system())]"
)
_WHERE = text("select pg_is_in_recovery(), (coalesce(pg_last_wal_replay_lsn(), '0/0') - '0/0')::bigint")
"""In place of the pool's ping: a connection that answers this is alive, and this is where the very server is that the read will see."""


def used_seconds(settings: config.Database) -> float:
    """After a test, without another one."""
    return 3 * (settings.replica_test_seconds + 2 * ANSWER_SECONDS)


class NotHere(Exception):
    """Read at the primary: this one is away, busy, behind what is needed, or doesn't have what was asked for."""


class Standby:
    """`name`: its place without password, as metrics and logs show it."""

    def __init__(self, settings: config.Database, url: str, primary: Primary) -> None:
        self.name = _place(url)
        waits = {"pre_ping": False, "connect_timeout_seconds": ANSWER_SECONDS, "acquire_timeout_seconds": ANSWER_SECONDS}
        pooled = make_engine(settings.model_copy(update=waits), url, name="cairn reads")
        self._engine = read_only(pooled)
        self._tests = Direct(settings, url, name="cairn tests", timeout_seconds=ANSWER_SECONDS)
        self._primary = primary
        self._settings = settings
        self._trouble: str | None = "not tested yet"
        self._tested = 0.0
        self._reading: set[asyncio.Timeout] = set()
        self.lag: Lag | None = None

    @property
    def usable(self) -> bool:
        """By its last test, which must not be long ago: what nobody tests any more may be anywhere."""
        return self._trouble is None and time.monotonic() - self._tested <= used_seconds(self._settings)

    def weight(self, name: str) -> bytes:
        """Rendezvous hashing: a requester has one favourite, the same on every server, so that it doesn't go back in time between two."""
        return blake2b(f"{self.name} {name}".encode(), digest_size=8).digest()

    async def read(self, work: Reading[Found], *, needed: int) -> tuple[Found, int]:
        """What `work` finds, and how far this server was then. NotHere: ask the primary; `work` may have run already."""
        begun = False
        try:
            async with transaction(self._engine) as connection:
                patience = asyncio.timeout(ANSWER_SECONDS)
                try:
                    async with patience:
                        follows, replayed = (await connection.execute(_WHERE)).one()
                        if not follows:
                            self.leave("it is no standby")
                        if not follows or replayed < needed:
                            raise NotHere
                        patience.reschedule(None)
                        self._reading.add(patience)
                        begun = True
                        return await work(connection), replayed
                finally:
                    self._reading.discard(patience)
        except NotHere:
            raise
        except Exception as error:
            # What `work` itself does wrong it will do again at the primary. Else it is a conflict with what is replayed here, a table
            # or a row that isn't here yet, or this server is busy or away.
            busy = isinstance(error.__cause__, PoolTimeoutError)
            if not busy and (isinstance(error, DatabaseUnavailable) or not begun):
                self.leave(f"a read failed ({type(error.__cause__ or error).__name__})")
            raise NotHere from error

    async def test(self) -> None:
        """Where is it? Without an answer it is left alone, and so are the reads that wait for it."""
        try:
            follows, replayed, system = await self._tests.value(_TEST)
        except (DatabaseUnavailable, asyncpg.PostgresError) as error:
            cause = error.__cause__ or error
            self.leave(f"it does not answer ({type(cause).__name__})")
            while self._reading:
                self._reading.pop().reschedule(asyncio.get_running_loop().time())
            return
        trouble = self._judge(follows=bool(follows), replayed=replayed, system=system)
        if trouble is not None:
            self.leave(trouble)
            return
        if self._trouble is not None:
            log.info("replica.used", replica=self.name)
        self._trouble, self._tested = None, time.monotonic()

    def leave(self, why: str) -> None:
        """Until a test finds it well."""
        if self._trouble != why:
            log.warning("replica.left_alone", replica=self.name, reason=why)
        self._trouble = why

    async def close(self) -> None:
        await self._tests.close()
        await self._engine.dispose()

    def _judge(self, *, follows: bool, replayed: int, system: int) -> str | None:
        most = self._settings
        if not follows:
            return "it is no standby"  # the primary itself, or promoted: then its rows are no longer ours
        if self._primary.system is None:
            return "the primary was never asked"
        if system != self._primary.system:
            return "it follows another primary"
        self.lag = self._primary.lag(replayed)
        if self.lag.seconds > most.replica_max_lag_seconds or self.lag.bytes > most.replica_max_lag_bytes:
            return "it lags"
        return None


def _place(url: str) -> str:
    try:
        async_url(url)
    except (ArgumentError, ConfigurationError):
        raise ConfigurationError(
            "A URL of CAIRN_DATABASE__REPLICA_URLS can't be read. They look like postgresql://user@host:5432/cairn, a space between two."
        ) from None
    parsed = make_url(url)
    query: dict[str, Any] = dict(parsed.query)
    return f"{parsed.host or query.get('host', 'localhost')}:{parsed.port or query.get('port', 5432)}"
