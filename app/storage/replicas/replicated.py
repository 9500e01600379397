"""A `Database` with read replicas: routes each read to a replica that is fresh enough for its requester, else to the primary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import settings as config
from app.errors import ConfigurationError, DatabaseUnavailable
from app.part import OK, Condition, Loop
from app.storage.database import Database, Found, Reading, make_engine
from app.storage.direct import DedicatedConnection
from app.storage.replicas.positions import UNKNOWN, Positions
from app.storage.replicas.primary import Primary
from app.storage.replicas.read_session import ReadSession, current_reading
from app.storage.replicas.standby import PrimaryRequired, Standby, used_seconds
from app.telemetry import metrics

log = structlog.get_logger()

PRIMARY_SECONDS = 2.0
REMEMBERED = 10
"""Multiple of the tolerated lag up to which a replica's lag is measured; beyond it, it is reported as infinite."""


def kept_seconds(settings: config.DatabaseSettings) -> float:
    """Return the time after which every replica in use has replayed a write.

    A replica that passes a probe lags no more than tolerated, and without another probe it is soon not used any more.
    """
    return settings.replica_max_lag_seconds + used_seconds(settings) + 5


async def open_replicated(settings: config.DatabaseSettings, url: str, *, name: str, positions: Positions) -> ReplicatedDatabase:
    """Connect; the primary must answer, replicas need not. Raises ConfigurationError for a malformed or duplicate replica URL."""
    direct = DedicatedConnection(settings, url, name=f"{name} position", timeout_seconds=PRIMARY_SECONDS)
    primary = Primary(direct, remembered_seconds=REMEMBERED * settings.replica_max_lag_seconds)
    standbys = [Standby(settings, each.get_secret_value(), primary) for each in settings.replica_urls]
    if len({each.name for each in standbys}) < len(standbys):
        raise ConfigurationError("CAIRN_DATABASE__REPLICA_URLS names a server twice: name each once.")
    database = await ReplicatedDatabase(make_engine(settings, url, name=name), primary, standbys, positions).proved()
    await database.probe()
    return database


class ReplicatedDatabase(Database):
    """A primary and its replicas, which a loop probes; the composition root runs it."""

    def __init__(self, engine: AsyncEngine, primary: Primary, standbys: Sequence[Standby], positions: Positions) -> None:
        super().__init__(engine)
        self._primary = primary
        self._positions = positions
        self.standbys = standbys

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        if (reading := current_reading()) is not None:
            reading.mark_at_primary()
        async with super().begin() as connection:
            yield connection

    async def read(self, work: Reading[Found]) -> Found:
        """Read at a replica that has replayed all that the requester wrote and saw; if there is none, or it fails, at the primary."""
        reading = current_reading()
        name = None if reading is None or not reading.stale_reads_ok or reading.at_primary else reading.name
        if reading is None or name is None:
            metrics.read("primary")
            return await super().read(work)
        standby = max((each for each in self.standbys if each.usable), key=lambda each: each.weight(name), default=None)
        if standby is not None and await self._needed(reading, name) < UNKNOWN:
            try:
                found, replayed = await standby.read(work, min_position=reading.min_position)
            except PrimaryRequired:
                reading.mark_at_primary()  # it will have seen what the replica has yet to replay
            else:
                reading.min_position = max(reading.min_position, replayed)
                self._positions.record_read(name, replayed)
                metrics.read(standby.name)
                return found
        reading.at_primary = True
        metrics.read("primary")
        return await super().read(work)

    async def acknowledge(self, reading: ReadSession) -> int:
        """Record the position of a request's writes before its answer leaves, for read-your-writes. Returns it; 0: unknown."""
        if reading.used_primary and reading.name is not None:
            reading.used_primary = False
            try:
                reading.min_position = await self._primary.position()
            except (DatabaseUnavailable, asyncpg.PostgresError):
                reading.min_position = UNKNOWN  # for a while this one reads at the primary
            await self._positions.record_write(reading.name, reading.min_position)
        return 0 if reading.min_position >= UNKNOWN else reading.min_position

    @property
    def all_usable(self) -> bool:
        return all(each.usable for each in self.standbys)

    async def probe(self) -> None:
        """Probe each replica once. The primary is sampled first, to measure them against."""
        try:
            await self._primary.sample()
        except (DatabaseUnavailable, asyncpg.PostgresError) as error:
            log.debug("replicas.no_sample", reason=type(error).__name__)
        await asyncio.gather(*(each.probe() for each in self.standbys))

    def loops(self, *, every_seconds: float) -> tuple[Loop, ...]:
        """Return the periodic probe of the replicas."""
        return (
            Loop(
                name="storage.replicas",
                step=self._repair_and_probe,
                pause=every_seconds,
                at_once=False,
                max_backoff_seconds=every_seconds,
                meanwhile="Replicas that were not tested are not read from: the primary answers.",
            ),
        )

    async def condition(self) -> Condition:
        """Tell `/readyz` whether all are in use."""
        return OK if self.all_usable else Condition("degraded")

    async def measure(self) -> None:
        """Set the gauges of each replica."""
        for each in self.standbys:
            lag = each.lag
            metrics.set_replica(each.name, usable=each.usable, lag=None if lag is None else (lag.seconds, lag.bytes))

    async def _repair_and_probe(self) -> None:
        await self._positions.repair()
        await self.probe()

    async def close(self) -> None:
        for standby in self.standbys:
            await standby.close()
        await self._primary.close()
        await super().close()

    async def _needed(self, reading: ReadSession, name: str) -> int:
        """Return the position that a replica must have replayed: the request's own and that of earlier writes, looked up once."""
        if not reading.writes_included:
            reading.min_position = max(reading.min_position, await self._positions.position_of(name))
            reading.writes_included = True
        return reading.min_position
