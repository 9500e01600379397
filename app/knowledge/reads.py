"""What searches read of PostgreSQL, so many statements at once: more would open connections beyond the pool, and each costs a process.

Measured with 32 questions at once, two statements each beside one another: 1 ms of PostgreSQL's processor a question instead of 3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from sqlalchemy import Executable

from app.errors import DatabaseUnavailable
from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow

MAX_AT_ONCE = 12
WAIT_SECONDS = 5.0
"""As long as for a free connection of the pool."""


class Reads:
    def __init__(self, database: Database, *, max_at_once: int = MAX_AT_ONCE, wait_seconds: float = WAIT_SECONDS) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(max_at_once)
        self._wait = wait_seconds

    async def rows(self, statement: Executable, values: Mapping[str, object] | None = None) -> Sequence[AnyRow]:
        """All rows of a statement that selects. DatabaseUnavailable as `Database.read`, and when no turn comes in time."""
        try:
            async with asyncio.timeout(self._wait):
                await self._turns.acquire()
        except TimeoutError:
            raise DatabaseUnavailable("The database takes too long to answer searches: try again.") from None
        try:
            return await self._database.read(rows_of(statement, values))
        finally:
            self._turns.release()
