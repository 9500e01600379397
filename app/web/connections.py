"""The registry of open connections: which are authenticated, how many there may be, and which is cut first.

A connection without a key is bounded three ways: by deadlines (`tick`), by a cap per address, by a total cap. Past a cap the one that
waits longest is cut, so that held-open connections (slowloris) can't lock others out. One whose whole request waits for the
application's verdict on its key is undecided: it waits for us, so it is not counted by address. Knows no HTTP: `protocol.py` does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import structlog
from starlette.types import Scope

from app.telemetry import metrics

log = structlog.get_logger()

Reason = Literal["head_slow", "body_slow", "answer_unread", "idle", "too_many", "too_many_of_address", "too_many_pipelined"]
REASONS: tuple[Reason, ...] = get_args(Reason)
SWEEP_SECONDS = 1.0
MAX_COUNTED_SECONDS = 2.0
"""At most this much of a sweep's interval counts towards deadlines: a blocked event loop is not the clients' fault."""
YOUNG_SECONDS = 1.0
"""Grace period before the cap per address applies: in a burst most connections send a key with their first bytes."""
MAX_LEAVING = 100
"""Refused or cut connections that still wait for their error response. Beyond this number they are dropped without one."""
MAX_LINGERING = 50
"""Lingering closes: connections that were answered while their client still sends. Half of `MAX_LEAVING`, so that refusals keep
their response; and at most an eighth of all connections, so that file descriptors are left."""
CUT_LOG_SECONDS = 60.0
"""Cuts are logged as one summary a minute: a line for each would let an attacker flood the log."""
KEY = "cairn.connection"


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Seconds, bytes, and numbers of connections. See `[server]` in the settings."""

    header_seconds: float
    body_seconds: float
    body_bytes_per_second: int
    write_seconds: float
    idle_seconds: float
    total: int
    per_address: int


class Connection(Protocol):
    """A connection as the registry sees it. `bucket` None: behind a trusted proxy, between two requests."""

    bucket: str | None
    keyed: bool
    opened_at: float

    @property
    def evictable(self) -> bool:
        """Return True unless the application is working on a complete request."""

    @property
    def resting(self) -> bool:
        """Return True between two requests (keep-alive)."""

    def tick(self, seconds: float) -> Reason | None:
        """Advance the deadlines by `seconds`; returns the reason to cut the connection, if one has passed."""

    def cut(self, reason: Reason) -> None:
        """Send an error response where one is still possible, and close."""


class Connections:
    """The connections of one server. One sweep a second checks every deadline, so that no request needs a timer of its own."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._max_lingering = min(MAX_LINGERING, limits.total // 8)
        self._unkeyed: dict[Connection, None] = {}  # ordered: the oldest first
        self._keyed: dict[Connection, None] = {}
        self._leaving: dict[Connection, None] = {}
        self._by_address: dict[str, dict[Connection, None]] = {}
        self._cuts = Counter[str]()
        self._timer: asyncio.TimerHandle | None = None
        self._swept_at = self._logged_at = 0.0

    def __len__(self) -> int:
        return len(self._unkeyed) + len(self._keyed)

    @property
    def overrun(self) -> bool:
        return len(self._leaving) > MAX_LEAVING

    def opened(self, connection: Connection) -> Reason | None:
        """Register a connection, cutting the one that waits longest where a cap is reached. Returns the reason where it must be refused."""
        self._wake()
        if len(self) >= self.limits.total and not self._make_room():
            return self._refused(connection, "too_many")
        if connection.bucket is not None and self._crowded(connection.bucket):
            return self._refused(connection, "too_many_of_address")
        self._unkeyed[connection] = None
        self._count(connection)
        return None

    def closed(self, connection: Connection) -> None:
        for held in (self._unkeyed, self._keyed, self._leaving):
            held.pop(connection, None)
        self._uncount(connection)

    def undecided(self, connection: Connection) -> None:
        """Don't count a connection by address while its whole request waits for a verdict; `key_shown` or `key_missing` ends this."""
        self._uncount(connection)

    def key_missing(self, connection: Connection) -> None:
        """Count a connection whose request showed no good key by its address."""
        if connection in self._unkeyed:
            self._count(connection)

    def key_shown(self, connection: Connection) -> None:
        """Count a connection as authenticated: exempt from the cap per address, and cut last."""
        if connection in self._unkeyed:
            del self._unkeyed[connection]
            self._uncount(connection)
            self._keyed[connection] = None

    def attribute(self, connection: Connection, bucket: str | None) -> Reason | None:
        """Count a proxy's connection under the address of its next request. Returns the reason where that request must be refused."""
        if connection in self._leaving:
            return None
        self._uncount(connection)
        self._keyed.pop(connection, None)
        self._unkeyed.pop(connection, None)
        crowded = bucket is not None and self._crowded(bucket)
        connection.bucket = None if crowded else bucket
        self._unkeyed[connection] = None
        self._count(connection)
        if crowded:
            self._cuts["too_many_of_address"] += 1
            metrics.connection_cut("too_many_of_address")
            return "too_many_of_address"
        return None

    def cut(self, connection: Connection, reason: Reason) -> None:
        known = connection in self._leaving
        self.closed(connection)
        self._leaving[connection] = None  # until its last bytes are sent, or dropped
        if reason != "idle" and not known:
            self._cuts[reason] += 1
            metrics.connection_cut(reason)
        connection.cut(reason)

    def let_linger(self, connection: Connection) -> bool:
        """Allow a lingering close, outside of every cap. Returns False where too many linger already."""
        if len(self._leaving) - (connection in self._leaving) >= self._max_lingering:
            return False
        self.closed(connection)
        self._leaving[connection] = None
        return True

    def sweep(self, seconds: float, now: float) -> None:
        """Advance every connection's deadlines by `seconds`, and enforce the cap per address."""
        for connection in [*self._unkeyed, *self._keyed, *self._leaving]:
            if (reason := connection.tick(seconds)) is not None:
                self.cut(connection, reason)
        for of_address in [each for each in self._by_address.values() if len(each) > self.limits.per_address]:
            old = [each for each in of_address if each.evictable and now - each.opened_at >= YOUNG_SECONDS]
            for connection in old[: len(of_address) - self.limits.per_address]:
                self.cut(connection, "too_many_of_address")
        metrics.set_connections(keyed=len(self._keyed), unkeyed=len(self._unkeyed))

    def _refused(self, connection: Connection, reason: Reason) -> Reason:
        self._leaving[connection] = None
        self._cuts[reason] += 1
        metrics.connection_cut(reason)
        return reason

    def _make_room(self) -> bool:
        """Cut the keyless connection that waits longest, else an idle one of a caller. Returns False if all are at work."""
        victim = _first(each for each in self._unkeyed if each.evictable) or _first(each for each in self._keyed if each.resting)
        if victim is None:
            return False
        self.cut(victim, "too_many")
        return True

    def _crowded(self, bucket: str) -> bool:
        """Tell whether an address has too many connections, all at work; else make room by cutting the one that waits longest."""
        of_address = self._by_address.get(bucket, {})
        if len(of_address) < self.limits.per_address:
            return False
        waiting = _first(each for each in of_address if each.evictable)
        if waiting is None:
            return True
        if asyncio.get_running_loop().time() - waiting.opened_at >= YOUNG_SECONDS:
            self.cut(waiting, "too_many_of_address")
        return False

    def _count(self, connection: Connection) -> None:
        if connection.bucket is not None:
            self._by_address.setdefault(connection.bucket, {})[connection] = None

    def _uncount(self, connection: Connection) -> None:
        of_address = None if connection.bucket is None else self._by_address.get(connection.bucket)
        if of_address is not None:
            of_address.pop(connection, None)
            if not of_address:
                del self._by_address[connection.bucket or ""]

    def _wake(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._swept_at = loop.time()
            self._timer = loop.call_later(SWEEP_SECONDS, self._swept, loop)

    def _swept(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sweep, log the cuts, and schedule the next sweep while there are connections."""
        now = loop.time()
        passed, self._swept_at = min(now - self._swept_at, MAX_COUNTED_SECONDS), now
        try:
            self.sweep(passed, now)
        except Exception:
            log.exception("http.sweep_failed")
        if self._cuts and now - self._logged_at >= CUT_LOG_SECONDS:
            log.warning("http.connections_cut", **self._cuts)
            self._cuts.clear()
            self._logged_at = now
        again = len(self) or self._leaving
        self._timer = loop.call_later(SWEEP_SECONDS, self._swept, loop) if again else None


def mark_keyed(scope: Scope) -> None:
    """Mark the connection of a request as authenticated."""
    connection = scope.get(KEY)
    if connection is not None and not connection.keyed:
        connection.show_key()


def mark_keyless(scope: Scope) -> None:
    """Mark the connection of a request as one that showed no good key, unless it has shown one before."""
    connection = scope.get(KEY)
    if connection is not None:
        connection.miss_key()


def _first(connections: Iterable[Connection]) -> Connection | None:
    return next(iter(connections), None)
