"""The primary, as its replicas are measured by it: how far its log is now, and how far it was when."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass

from app.storage.direct import Direct

NOW = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"
"""Not `flush`: where `synchronous_commit` is off, an acknowledged write may lie beyond it."""
SAMPLE = "select array[(pg_current_wal_flush_lsn() - '0/0')::bigint, (select system_identifier from pg_control_system())]"
"""What isn't flushed isn't sent either, so a replica is not behind for want of it."""


@dataclass(frozen=True, slots=True)
class Lag:
    """`seconds`: all that is older has been replayed; infinite where nobody remembers what that was. Known from test to test."""

    seconds: float
    bytes: int


class Primary:
    """`remembered_seconds`: how long a lag can be told."""

    def __init__(self, direct: Direct, *, remembered_seconds: float) -> None:
        self._direct = direct
        self._remembered = remembered_seconds
        self._samples: deque[tuple[float, int]] = deque()
        self._next: asyncio.Task[int] | None = None
        self._turn = asyncio.Lock()
        self.system: int | None = None
        """The cluster's own number, which its replicas share. None: it was never asked."""

    async def position(self) -> int:
        """How far the log is, asked after this call began: what was committed before lies behind it. Many at once share it."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask(), name="position")
        return await asyncio.shield(self._next)

    async def sample(self) -> None:
        """Remember how far it is. DatabaseUnavailable or asyncpg's error when it doesn't say."""
        now = time.monotonic()  # before it is asked: what was committed by then lies behind the answer
        position, self.system = await self._direct.value(SAMPLE)
        self._samples.append((now, position))
        while now - self._samples[0][0] > self._remembered:
            self._samples.popleft()

    def lag(self, replayed: int) -> Lag:
        """By the clock of this machine alone: what the servers' own say of an idle primary looks like a lag."""
        newest = self._samples[-1][1] if self._samples else 0
        moment = next((moment for moment, position in reversed(self._samples) if position <= replayed), -math.inf)
        return Lag(time.monotonic() - moment, max(0, newest - replayed))

    async def close(self) -> None:
        await self._direct.close()

    async def _ask(self) -> int:
        async with self._turn:
            self._next = None  # who comes from here on may have committed after this question was sent
            return int(await self._direct.value(NOW))
