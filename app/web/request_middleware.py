"""The outermost middleware: request id, limits of body sizes, unexpected errors, the access log. Knows no route.

Pure ASGI because Starlette's `BaseHTTPMiddleware` buffers streams and breaks cancellation.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TooLarge
from app.telemetry import logs, traces
from app.web import access_log, error_shapes, errors, redirects, request_ids

DRAIN_BYTES, DRAIN_SECONDS = 64 * 2**20, 5.0
"""Bounds of reading on after a refusal: bytes past the limit, and seconds. Clients read the response only when they have sent all."""


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """The maximum bytes of a body. `setting`: the name of the setting it comes from, for the message of a refusal."""

    bytes: int
    setting: str


class RequestMiddleware:
    """Wraps the application. `limits`: of a body by (method, path); `limit`: of every other request's."""

    def __init__(self, app: ASGIApp, *, limit: BodyLimit, limits: Mapping[tuple[str, str], BodyLimit]) -> None:
        self._app = app
        self._limit = limit
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = scope["cairn.began"] = time.perf_counter()
        request_id = request_ids.choose(Headers(scope=scope).get(request_ids.HEADER))
        logs.bind_request(request_id)
        error_shapes.choose(scope)
        body = CountedBody(scope, receive, self._limits.get((scope["method"], scope["path"]), self._limit))
        answer = StampedResponse(send, request_id, body, scope)
        with traces.request(scope["method"], scope["headers"]) as span:
            try:
                await self._answer(scope, body, answer)
                await answer.flush()
            except ClientDisconnect:
                access_log.write_client_left(scope)
            finally:
                access_log.write(scope, answer.status, time.perf_counter() - began)
                if traces.on():
                    _describe(span, scope, answer.status, request_id)

    async def _answer(self, scope: Scope, body: CountedBody, answer: StampedResponse) -> None:
        try:
            body.check_announced()
            await self._app(scope, body.receive, answer.send)
        except TooLarge as error:
            access_log.record_route(scope)
            await errors.reply_to(error)(scope, body.receive, answer.send)
        except ClientDisconnect:
            raise
        except Exception as error:
            access_log.write_failure(scope, error)
            if answer.status is not None:
                raise  # a stream failed in its middle: the connection is cut, so that it does not look complete
            await errors.unexpected()(scope, body.receive, answer.send)


class CountedBody:
    """A request body that is counted while it streams, whatever its header announced."""

    def __init__(self, scope: Scope, receive: Receive, limit: BodyLimit) -> None:
        self._announced = Headers(scope=scope).get("content-length", "")
        self._receive = receive
        self._limit = limit.bytes
        self._setting = limit.setting
        self._read = 0
        self.ended = self.left = False

    def check_announced(self) -> None:
        if self._announced.isdigit() and int(self._announced[:20]) > self._limit:
            raise self._too_large()

    async def receive(self) -> Message:
        message = await self._next()
        if self._read > self._limit:
            raise self._too_large()
        return message

    async def drain(self) -> None:
        """Read and discard the rest of the body, up to DRAIN_BYTES and DRAIN_SECONDS."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.ended and self._read < self._limit + DRAIN_BYTES:
                    await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        self.left = message["type"] == "http.disconnect"
        self.ended = self.left or not message.get("more_body", False)
        return message

    def _too_large(self) -> TooLarge:
        limit = f"{self._limit:,} bytes ({self._setting})"
        return TooLarge(f"The body is larger than {limit}. Send less, or ask an admin to raise the limit in the server's settings.")


class StampedResponse:
    """A response with the request id. A refusal waits until the body is read: a client that is still sending doesn't listen."""

    def __init__(self, send: Send, request_id: str, body: CountedBody, scope: Scope) -> None:
        self._send = send
        self._scope = scope
        self._request_id = request_id
        self._body = body
        self._held: list[Message] | None = None
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # FastAPI answers a truncated body with 400, which is never sent: its client has disconnected, or was cut. Log it as such.
            self.status = None if self._body.left else message["status"]
            headers = MutableHeaders(scope=message)
            headers[request_ids.HEADER] = self._request_id
            if 300 <= message["status"] < 400:
                redirects.keep_on_host(headers, self._scope)
            if message["status"] >= 400 and not self._body.ended:
                self._held = []
        if self._held is None:
            await self._send(message)
        else:
            self._held.append(message)

    async def flush(self) -> None:
        if self._held is None:
            return
        await self._body.drain()
        if not self._body.ended:
            MutableHeaders(scope=self._held[0])["connection"] = "close"
        for message in self._held:
            await self._send(message)


def _describe(span: traces.Span, scope: Scope, status: int | None, request_id: str) -> None:
    route = access_log.route_of(scope)
    span.rename(f"{scope['method']} {route}")
    span.set(http__request__method=scope["method"], http__route=route, cairn__request_id=request_id)
    if status is not None:
        span.set(http__response__status_code=status)
        if status >= 500:
            span.failed(str(status))
