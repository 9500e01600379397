"""The primary's WAL position, now and in the recent past, against which replicas are measured."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass

from app.storage.direct import DedicatedConnection

NOW = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"
"""The insert position, not `flush`: with `synchronous_commit` off, an acknowledged write may lie beyond the flushed one."""
SAMPLE = "select array[(pg_current_wal_flush_lsn() - '0/0')::bigint, (select system_identifier from pg_control_system())]"
"""The flush position: what isn't flushed isn't sent, so a replica is not behind for lacking it."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Replication lag at the last probe. `seconds`: infinite if it exceeds the remembered period."""

    seconds: float
    bytes: int


class Primary:
    """The primary's WAL position. `remembered_seconds`: the longest lag that can be measured."""

    def __init__(self, direct: DedicatedConnection, *, remembered_seconds: float) -> None:
        self._direct = direct
        self._remembered = remembered_seconds
        self._samples: deque[tuple[float, int]] = deque()
        self._next: asyncio.Task[int] | None = None
        self._turn = asyncio.Lock()
        self.system: int | None = None
        """The cluster's system identifier, which its replicas share. None: not read yet."""

    async def position(self) -> int:
        """Return a WAL position that includes every commit before this call. Concurrent calls share one query."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask(), name="position")
        return await asyncio.shield(self._next)

    async def sample(self) -> None:
        """Record the current position. Raises DatabaseUnavailable or asyncpg's error if it can't be read."""
        now = time.monotonic()  # before the query: everything committed by now is included in its answer
        position, self.system = await self._direct.value(SAMPLE)
        self._samples.append((now, position))
        while now - self._samples[0][0] > self._remembered:
            self._samples.popleft()

    def lag(self, replayed: int) -> Lag:
        """Compute a replica's lag by this machine's clock: the servers' own replay times look like lag when the primary is idle."""
        newest = self._samples[-1][1] if self._samples else 0
        moment = next((moment for moment, position in reversed(self._samples) if position <= replayed), -math.inf)
        return Lag(time.monotonic() - moment, max(0, newest - replayed))

    async def close(self) -> None:
        await self._direct.close()

    async def _ask(self) -> int:
        async with self._turn:
            self._next = None  # later callers may have committed after this query: they start a new one
            return int(await self._direct.value(NOW))
