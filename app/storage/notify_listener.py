"""PostgreSQL's LISTEN and NOTIFY over one dedicated connection, shared by all listeners. Knows no table.

Notices are sent in batches outside of transactions, since NOTIFY inside of one serialises commits. They may be lost with the
connection: they are only hints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import asyncpg
import structlog

from app import settings as config
from app.errors import Unavailable
from app.part import Loop
from app.storage.database import AWAY
from app.storage.postgres_url import postgres_url

log = structlog.get_logger()

PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 5.0
"""Before it listens again: after the first failure, and at the longest."""
MAX_QUEUED = 1000
QUIET_SECONDS = 15.0
"""After this long without a notice to send, the connection is pinged."""

OnNotice = Callable[[str | None], None]


class NotifyListener:
    """Sends and receives notices on one channel."""

    def __init__(self, settings: config.DatabaseSettings, url: str, *, name: str, channel: str) -> None:
        self._url = postgres_url(url)
        self._settings = settings
        self._name = name
        self._channel = channel
        self._queued: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._away = False
        self.listening = False
        self.begun = asyncio.Event()
        """Set once listening has begun for the first time."""

    def notify(self, notice: str, *, overflow: str | None = None) -> None:
        """Send a notice to the other processes, once if repeated before it is sent.

        If too many are queued it is dropped, and `overflow`, if given, is sent in its place.
        """
        if len(self._queued) < MAX_QUEUED:
            self._queued[notice] = None
        elif overflow is not None:
            self._queued[overflow] = None
        self._wake.set()

    def loops(self, name: str, on_notice: OnNotice, *, meanwhile: str) -> tuple[Loop, ...]:
        """Return the loop that listens. `on_notice` gets each notice of other processes, or None if some may have been missed."""
        return (
            Loop(
                name=name,
                step=partial(self._listen, on_notice),
                pause=PAUSE_SECONDS,
                long_running=True,
                max_backoff_seconds=MAX_PAUSE_SECONDS,
                meanwhile=meanwhile,
            ),
        )

    async def _listen(self, on_notice: OnNotice) -> None:
        """Listen until the connection is lost. Raises Unavailable for an error of PostgreSQL or the network."""
        try:
            await self._serve(on_notice)
        except (asyncpg.PostgresError, *AWAY) as error:
            if not self._away:
                log.warning("notices.not_heard", channel=self._channel, reason=type(error).__name__)
            self._away = True
            on_notice(None)
            raise Unavailable(f"PostgreSQL's notifications can't be received ({type(error).__name__}).") from error
        on_notice(None)

    async def _serve(self, on_notice: OnNotice) -> None:
        connection = await self._url.connect(
            name=self._name,
            seconds=self._settings.connect_timeout_seconds,
            command_timeout=self._settings.statement_timeout_seconds,
        )
        try:
            ours = connection.get_server_pid()

            def notice(_: Any, by: int, __: str, words: str) -> None:
                if by != ours:
                    on_notice(words)

            connection.add_termination_listener(lambda _: self._wake.set())
            await connection.add_listener(self._channel, notice)
            self.listening = True
            if self._away:
                log.info("notices.heard_again", channel=self._channel)
            self._away = False
            on_notice(None)
            self.begun.set()
            while not connection.is_closed():
                await self._send_queued(connection)
        finally:
            self.listening = False
            connection.terminate()

    async def _send_queued(self, connection: asyncpg.Connection[Any]) -> None:
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            await connection.execute("select 1")
        self._wake.clear()
        words, self._queued = self._queued, {}
        try:
            if words:
                await connection.execute("select pg_notify($1, each) from unnest($2::text[]) each", self._channel, list(words))
        except AWAY:
            self._queued = words | self._queued  # it goes out with the next connection
            self._wake.set()
            raise
