"""The WAL position of each requester's last write, in memory and, if Redis is configured, shared between servers.

A server that can't reach Redis doesn't know the others' writes: it returns `UNKNOWN`, and reads go to the primary.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import cachebox
import structlog

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

UNKNOWN = 2**63 - 1
"""A position beyond any that a replica reaches."""
AWAY_SECONDS = 5.0
"""Pause before Redis is tried again after a failure."""
MAX_NAMES = 100_000
POSITION, KNOWN, YOUNG = "cairn:position:of:", "cairn:position:known", "cairn:position:young"
"""KNOWN vanishes when Redis loses its data. While YOUNG exists, positions may be missing: lost, or never written."""

RAISE = """
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'table' then
  if held.err and not string.find(held.err, 'WRONGTYPE') then return held end
  held = nil  -- something else stands there, and is written over
end
if tonumber(ARGV[1]) > (tonumber(held or '0') or 0) then redis.call('SET', KEYS[1], ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
"""Stores the maximum, since two servers may write at once. A Lua number is exact up to 2^53: nine petabytes of WAL."""


class Positions:
    """Positions by name. `kept_seconds`: after it every replica in use has replayed the write. `timeout_seconds`: of Redis."""

    def __init__(self, client: Redis | None, *, kept_seconds: float, timeout_seconds: float) -> None:
        self._client = client
        self._timeout = timeout_seconds
        self._kept_ms = int(kept_seconds * 1000)
        self._ours: cachebox.TTLCache[str, int] = cachebox.TTLCache(MAX_NAMES, kept_seconds)
        self._unavailable_until = 0.0
        self._missed = False
        """Redis was away, so it may lack a write of this or another server."""

    async def position_of(self, name: str) -> int:
        """Return the position that this requester's reads must include; UNKNOWN if it can't be determined."""
        ours = self._ours.get(name) or 0
        if self._client is None:
            return ours
        if self._unavailable_until > time.monotonic():
            return UNKNOWN
        try:
            async with asyncio.timeout(self._timeout):
                known, young, theirs = await self._client.mget(KNOWN, YOUNG, POSITION + name)
                if (position := _position(theirs)) is None:  # overwritten: treat it as data that Redis has lost
                    log.warning("positions.unreadable")
                    await self._client.delete(POSITION + name)
                if known is None or position is None or self._missed:
                    await self._doubt(self._client)
                    return UNKNOWN
        except Exception as error:  # noqa: BLE001 - whatever it is: the primary answers
            self._failed(error)
            return UNKNOWN
        self._unavailable_until = 0.0
        return UNKNOWN if young is not None else max(ours, position)

    def record_read(self, name: str, position: int) -> None:
        """Record that this requester has read at a position; its later reads here are no older."""
        self._ours[name] = max(position, self._ours.get(name) or 0)

    async def record_write(self, name: str, position: int) -> None:
        """Record the position of this requester's writes. On return every server can learn it, or Redis is away."""
        self.record_read(name, position)
        if self._client is None:
            return
        if self._unavailable_until > time.monotonic():
            self._missed = True
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._client.eval(RAISE, 1, POSITION + name, str(position), str(self._kept_ms))
        except Exception as error:  # noqa: BLE001
            self._failed(error)

    async def repair(self) -> None:
        """Mark positions as incomplete in Redis once it is back, if it missed a write."""
        if self._client is None or not self._missed:
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._doubt(self._client)
        except Exception as error:  # noqa: BLE001
            self._failed(error)

    async def _doubt(self, client: Redis) -> None:
        """Send all reads to the primary until missing positions no longer matter."""
        self._missed = False  # before the write: a miss during it must set the flag again
        try:
            async with client.pipeline(transaction=True) as pipeline:
                pipeline.set(YOUNG, "1", px=self._kept_ms)
                pipeline.set(KNOWN, "1")
                await pipeline.execute()
        except BaseException:  # includes cancellation of the request
            self._missed = True
            raise
        log.info("positions.begun_anew", seconds=self._kept_ms / 1000)

    def _failed(self, error: Exception) -> None:
        if self._unavailable_until == 0.0:
            log.warning("positions.not_shared", reason=type(error).__name__)
        self._missed = True
        self._unavailable_until = time.monotonic() + AWAY_SECONDS


def _position(held: bytes | str | None) -> int | None:
    """Parse the stored position; 0: none. None if it is not a position: another program's or another version's value."""
    try:
        number = int(held or 0)
    except ValueError:
        return None
    return number if 0 <= number < UNKNOWN else None
