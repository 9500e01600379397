"""A dedicated connection for single-statement transactions: no pool, no BEGIN, one round trip each. Knows no table."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

import asyncpg

from app import settings as config
from app.storage.database import AWAY, raise_unavailable
from app.storage.postgres_url import postgres_url
from app.telemetry import measures

LEDGER = ("ledger",)


class DedicatedConnection:
    """Runs statements one at a time. A lost connection is reopened by the next statement."""

    def __init__(self, settings: config.DatabaseSettings, url: str, *, name: str, timeout_seconds: float) -> None:
        self._url = postgres_url(url)
        self._settings = settings
        self._name = name
        self._timeout = timeout_seconds
        self._connection: asyncpg.Connection[Any] | None = None
        self._turn = asyncio.Lock()

    async def value(self, statement: str, *arguments: object) -> Any:
        """Return the first column of the first row. Raises DatabaseUnavailable if the answer doesn't come within the timeout.

        In that case the statement may or may not have taken effect.
        """
        try:
            async with asyncio.timeout(self._timeout), self._turn:
                connection, began = await self._connected(), perf_counter()
                try:
                    found = await connection.fetchval(statement, *arguments)
                except BaseException as error:
                    if not isinstance(error, asyncpg.PostgresError) or isinstance(error, AWAY):
                        self._drop()  # other PostgresErrors are complete answers, after which the connection is idle
                    raise
                measures.database_seconds.observe(perf_counter() - began, LEDGER)
                return found
        except (asyncpg.PostgresError, *AWAY) as error:
            raise_unavailable(error)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                async with asyncio.timeout(self._timeout):
                    await connection.close()
            except (asyncpg.PostgresError, *AWAY):
                connection.terminate()

    async def _connected(self) -> asyncpg.Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            milliseconds = str(int(self._timeout * 1000))
            self._connection = await self._url.connect(
                name=self._name,
                seconds=self._settings.connect_timeout_seconds,
                settings={"timezone": "UTC", "statement_timeout": milliseconds},
            )
        return self._connection

    def _drop(self) -> None:
        """Terminate the connection: an interrupted statement may still be running on it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
