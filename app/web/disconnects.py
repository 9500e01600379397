"""Clients that disconnect: what they asked for stops, and is paid for once, for what was produced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import CairnError
from app.web import errors

Got = TypeVar("Got")
READ_SECONDS = 30.0
"""How long a caller may leave an event unread."""


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, Got]) -> Got:
    """The work's result. When the caller hangs up first the work is cancelled, and ClientDisconnect is raised once it has ended."""
    return await _raced(request.receive, work)


class EventStream(Response):
    """JSON objects as server-sent events, each sent on as it comes. An error in the middle is the last event, and no [DONE] follows.

    `unread` is called where the events were never begun: then nobody else ends what stands behind them.
    """

    _last = b"data: [DONE]\n\n"

    def __init__(self, events: AsyncGenerator[bytes], headers: dict[str, str], *, unread: Callable[[], Awaitable[None]]) -> None:
        super().__init__(media_type="text/event-stream", headers={"cache-control": "no-cache", "x-accel-buffering": "no", **headers})
        self._events = events
        self._unread = unread
        self._begun = False
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        try:
            await _raced(receive, self._send(send))
        finally:
            if not self._begun:
                await self._unread()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        last = self._last
        self._begun = True
        try:
            async with aclosing(self._events) as events:
                async for event in events:
                    async with asyncio.timeout(READ_SECONDS):
                        await send({"type": "http.response.body", "body": self._frame(event), "more_body": True})
        except TimeoutError:
            raise ClientDisconnect from None  # it is there, and reads no more: its provider and its hold wait for nobody
        except CairnError as error:
            last = b"data: " + msgspec.json.encode(errors.body_of(error)) + b"\n\n"
        await send({"type": "http.response.body", "body": last, "more_body": False})

    def _frame(self, event: bytes) -> bytes:
        return b"data: " + one_line(event) + b"\n\n"


class Feed(EventStream):
    """Server-sent events that bring their own ids and comments, one whole event each; the end is silent."""

    _last = b""

    def _frame(self, event: bytes) -> bytes:
        return event


def one_line(event: bytes) -> bytes:
    """JSON's own line breaks are white space; in an event they would end the line."""
    return event if b"\n" not in event and b"\r" not in event else event.replace(b"\n", b" ").replace(b"\r", b" ")


async def _raced(receive: Receive, work: Coroutine[Any, Any, Got]) -> Got:
    working, leaving = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
