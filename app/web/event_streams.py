"""Responses of server-sent events: how they begin, are kept alive and end, also with an error. Knows no route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.errors import CairnError
from app.web import errors
from app.web.disconnects import run_until_disconnect

READ_SECONDS = 30.0
"""A client that leaves an event unread for this long is treated as disconnected."""


class EventStream(Response):
    """A response of JSON objects as server-sent events. An error in the middle is the last event, and no [DONE] follows.

    `unread` is called if the generator was never started: its own `finally` would not run, and its resources would leak.
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
            await run_until_disconnect(receive, self._send(send))
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
            raise ClientDisconnect from None  # connected, but not reading: neither the provider nor the budget hold may wait for it
        except CairnError as error:
            last = self._error_frame(error)
        await send({"type": "http.response.body", "body": last, "more_body": False})

    def _frame(self, event: bytes) -> bytes:
        return b"data: " + one_line(event) + b"\n\n"

    def _error_frame(self, error: CairnError) -> bytes:
        return b"data: " + msgspec.json.encode(errors.body_of(error)) + b"\n\n"


class Feed(EventStream):
    """A response of complete server-sent events, with their own ids and comments; no [DONE] at the end."""

    _last = b""

    def _frame(self, event: bytes) -> bytes:
        return event


class NamedFeed(Feed):
    """A feed whose events have names; an error is one of them. `ping`: sent after each `ping_seconds` without any event.

    Clients give up on a stream that is silent for minutes, and proxies sooner.
    """

    def __init__(
        self,
        events: AsyncGenerator[bytes],
        headers: dict[str, str],
        *,
        unread: Callable[[], Awaitable[None]],
        ping: bytes,
        ping_seconds: float,
    ) -> None:
        super().__init__(events, headers, unread=unread)
        self._ping = ping
        self._ping_seconds = ping_seconds
        self._sent_at: float | None = None
        """The time of the last event, by the loop's clock; None before the first one and after the last."""

    async def _send(self, send: Send) -> None:
        loop = asyncio.get_running_loop()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.body":
                self._sent_at = loop.time() if message.get("more_body") else None
            await send(message)

        pinging = asyncio.create_task(self._fill_silences(timed), name="pings of a stream")
        try:
            await super()._send(timed)
        finally:
            pinging.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await pinging

    async def _fill_silences(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        while True:
            silent = 0.0 if self._sent_at is None else loop.time() - self._sent_at
            if silent >= self._ping_seconds:
                await send({"type": "http.response.body", "body": self._ping, "more_body": True})
                silent = 0.0
            await asyncio.sleep(self._ping_seconds - silent)

    def _error_frame(self, error: CairnError) -> bytes:
        return b"event: error\n" + super()._error_frame(error)


def one_line(event: bytes) -> bytes:
    """Replace line breaks, which are white space in JSON but would end the line of a server-sent event."""
    return event if b"\n" not in event and b"\r" not in event else event.replace(b"\n", b" ").replace(b"\r", b" ")
