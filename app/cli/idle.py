"""Ends a server that a command started, once it has been idle for some minutes: no request, no command that uses it, no job."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from app.cli.announcement import announced, try_lock
from app.errors import CairnError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.queue.jobs import Queue
    from app.storage.folder import DataFolder

log = structlog.get_logger()

MAX_CHECK_SECONDS = 5.0


class RequestActivity:
    """An ASGI application around another, which knows when it was last asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way = 0
        self._last = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
            self.note_use()

    def note_use(self) -> None:
        self._last = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        return 0.0 if self._under_way else time.monotonic() - self._last


async def stop_when_idle(activity: RequestActivity, queue: Queue, folder: DataFolder, *, minutes: float, stop: Callable[[], None]) -> None:
    """Call `stop` once the server is idle, or another has taken its place in the data folder."""
    seconds = minutes * 60
    while True:
        await asyncio.sleep(min(MAX_CHECK_SECONDS, seconds / 4))
        found = await asyncio.to_thread(announced, folder.path)
        if found is None or found.pid != os.getpid():  # the folder is gone, or another server's
            log.info("server.replaced")
            break
        if activity.idle_seconds < seconds:
            continue
        try:
            backlog = await queue.backlog()
        except CairnError:  # the database doesn't answer: nothing is known of jobs
            continue
        if backlog.waiting or backlog.running or try_lock(folder.path) is None:
            activity.note_use()
        else:
            log.info("server.idle", minutes=minutes)
            break
    stop()
