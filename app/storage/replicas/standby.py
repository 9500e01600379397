"""One streaming replica: its own pool, the result of its last probe, and reads that first check its replay position."""

from __future__ import annotations

import asyncio
import time
from hashlib import blake2b
from typing import Any

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app import settings as config
from app.errors import ConfigurationError, DatabaseUnavailable
from app.storage.database import Found, Reading, make_engine, read_only, transaction
from app.storage.direct import DedicatedConnection
from app.storage.postgres_url import postgres_url
from app.storage.replicas.primary import Lag, Primary

log = structlog.get_logger()

ANSWER_SECONDS = 1.0
"""Time limit for connecting and for reporting the replay position."""
_PROBE = (
    "select array[pg_is_in_recovery()::int::bigint, (coalesce(pg_last_wal_replay_lsn(), '0/0') - '0/0')::bigint,"
    " (select system_identifier from pg_control_system())]"
)
_WHERE = text("select pg_is_in_recovery(), (coalesce(pg_last_wal_replay_lsn(), '0/0') - '0/0')::bigint")
"""Replaces the pool's ping: proves that the connection is alive, and gives the position of the server that will run the read."""


def used_seconds(settings: config.DatabaseSettings) -> float:
    """Return how long a replica is used after a successful probe without another one."""
    return 3 * (settings.replica_test_seconds + 2 * ANSWER_SECONDS)


class PrimaryRequired(Exception):
    """The read must go to the primary: this replica is away, busy, behind, or lacks a row."""


class Standby:
    """One replica. `name`: host and port without credentials, for metrics and logs."""

    def __init__(self, settings: config.DatabaseSettings, url: str, primary: Primary) -> None:
        self.name = _place(url)
        waits = {"pre_ping": False, "connect_timeout_seconds": ANSWER_SECONDS, "acquire_timeout_seconds": ANSWER_SECONDS}
        pooled = make_engine(settings.model_copy(update=waits), url, name="cairn reads")
        self._engine = read_only(pooled)
        self._probes = DedicatedConnection(settings, url, name="cairn tests", timeout_seconds=ANSWER_SECONDS)
        self._primary = primary
        self._settings = settings
        self._trouble: str | None = "not tested yet"
        self._probed = 0.0
        self._reading: set[asyncio.Timeout] = set()
        self.lag: Lag | None = None

    @property
    def usable(self) -> bool:
        """True if its last probe succeeded recently: without probes its lag is unknown."""
        return self._trouble is None and time.monotonic() - self._probed <= used_seconds(self._settings)

    def weight(self, name: str) -> bytes:
        """Rank the replica for a requester by rendezvous hashing: each has one preferred replica, the same on every server."""
        return blake2b(f"{self.name} {name}".encode(), digest_size=8).digest()

    async def read(self, work: Reading[Found], *, min_position: int) -> tuple[Found, int]:
        """Run `work` here; return its result and the replay position. Raises PrimaryRequired; `work` may have run already."""
        begun = False
        try:
            async with transaction(self._engine) as connection:
                patience = asyncio.timeout(ANSWER_SECONDS)
                try:
                    async with patience:
                        follows, replayed = (await connection.execute(_WHERE)).one()
                        if not follows:
                            self.stop_using("it is no standby")
                        if not follows or replayed < min_position:
                            raise PrimaryRequired
                        patience.reschedule(None)
                        self._reading.add(patience)
                        begun = True
                        return await work(connection), replayed
                finally:
                    self._reading.discard(patience)
        except PrimaryRequired:
            raise
        except Exception as error:
            # An error of `work` itself recurs at the primary. Other causes: a recovery conflict, a table or row not replayed yet, or
            # this server is busy or away.
            busy = isinstance(error.__cause__, PoolTimeoutError)
            if not busy and (isinstance(error, DatabaseUnavailable) or not begun):
                self.stop_using(f"a read failed ({type(error.__cause__ or error).__name__})")
            raise PrimaryRequired from error

    async def probe(self) -> None:
        """Probe the replica. If it doesn't answer, stop using it and cancel the reads that wait for it."""
        try:
            follows, replayed, system = await self._probes.value(_PROBE)
        except (DatabaseUnavailable, asyncpg.PostgresError) as error:
            cause = error.__cause__ or error
            self.stop_using(f"it does not answer ({type(cause).__name__})")
            while self._reading:
                self._reading.pop().reschedule(asyncio.get_running_loop().time())
            return
        trouble = self._judge(follows=bool(follows), replayed=replayed, system=system)
        if trouble is not None:
            self.stop_using(trouble)
            return
        if self._trouble is not None:
            log.info("replica.used", replica=self.name)
        self._trouble, self._probed = None, time.monotonic()

    def stop_using(self, why: str) -> None:
        """Stop using the replica until a probe succeeds."""
        if self._trouble != why:
            log.warning("replica.left_alone", replica=self.name, reason=why)
        self._trouble = why

    async def close(self) -> None:
        await self._probes.close()
        await self._engine.dispose()

    def _judge(self, *, follows: bool, replayed: int, system: int) -> str | None:
        most = self._settings
        if not follows:
            return "it is no standby"  # the primary itself, or promoted, so that its data diverges
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
        postgres_url(url)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"A URL of CAIRN_DATABASE__REPLICA_URLS can't be read. They look like postgresql://user@host:5432/cairn, a space between two."
            f" {error.message}"
        ) from None
    parsed = make_url(url)
    query: dict[str, Any] = dict(parsed.query)
    return f"{parsed.host or query.get('host', 'localhost')}:{parsed.port or query.get('port', 5432)}"
