"""Responses to connections and requests that are refused before the application sees them. Knows no socket."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from uuid import uuid4

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web import error_shapes, errors
from app.web.connections import ConnectionLimits, Reason

RETRY_SECONDS = 5
MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together. The parser itself has no bound, and the client is not authenticated yet."""
MAX_PIPELINED, MAX_PIPELINED_KEYED = 8, 64
"""Pipelined requests that may wait on one connection. Bounded, since a few bytes make a request that is parsed and kept in memory."""


@dataclass(frozen=True, slots=True)
class HttpRefusal:
    """An error response in the API's one shape; a 503 names the seconds after which to try again."""

    status: HTTPStatus
    code: str
    message: str

    @property
    def retry_after(self) -> dict[str, str]:
        return {"retry-after": str(RETRY_SECONDS)} if self.status is HTTPStatus.SERVICE_UNAVAILABLE else {}

    def response(self) -> bytes:
        """Return the response as bytes of HTTP/1.1, after which the connection is closed."""
        request_id = uuid4().hex
        error = {"message": self.message, "type": errors.type_of(self.status), "code": self.code, "param": None, "request_id": request_id}
        body = json.dumps({"error": error}).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "x-request-id": request_id,
            **self.retry_after,
            "connection": "close",
        }
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


NOT_HTTP = HttpRefusal(
    HTTPStatus.BAD_REQUEST,
    "unreadable",
    "The request is not valid HTTP/1.1. Check the client: this port takes neither TLS nor HTTP/2.",
)
HEAD_TOO_LARGE = HttpRefusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "unreadable",
    f"Request line and headers are larger than {MAX_HEAD_BYTES:,} bytes. Send a shorter URL or fewer headers.",
)
REFUSALS: dict[Reason, HttpRefusal] = {
    "head_slow": HttpRefusal(
        HTTPStatus.REQUEST_TIMEOUT,
        "request_timeout",
        "Request line and headers took longer than {header:g} seconds (server.header_timeout_seconds). Send the request again; if it "
        "happens again, check the network and the proxies.",
    ),
    "body_slow": HttpRefusal(
        HTTPStatus.REQUEST_TIMEOUT,
        "request_timeout",
        "The body was slower than {rate} bytes a second for {body:g} seconds (server.body_timeout_seconds). Send the request again.",
    ),
    "too_many": HttpRefusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too_many_connections",
        "Too many connections are open at this server (server.max_connections). Try again in a few seconds.",
    ),
    "too_many_of_address": HttpRefusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too_many_connections",
        "Too many connections without a key are open from your address (server.max_connections_per_address). Try again in a few seconds.",
    ),
    "too_many_pipelined": HttpRefusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too_many_pipelined",
        f"Too many requests wait on this connection: {MAX_PIPELINED} are allowed, or {MAX_PIPELINED_KEYED} with a valid key. None was "
        "started. Send each request after the previous one is answered, or open more connections.",
    ),
}
"""Refusals by the reason for cutting a connection. A reason that is missing here is never answered: the connection is only closed."""


def refusal_of(reason: Reason, limits: ConnectionLimits) -> HttpRefusal:
    """Return the refusal for a reason, with the limits in its message."""
    found = REFUSALS[reason]
    message = found.message.format(header=limits.header_seconds, body=limits.body_seconds, rate=limits.body_bytes_per_second)
    return replace(found, message=message)


def refusing(refusal: HttpRefusal) -> ASGIApp:
    """Return an application that refuses one request, and keeps the proxy's connection open for other clients."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        error_shapes.choose(scope)
        answer: Response = errors.reply(refusal.status, refusal.message, refusal.code, headers=refusal.retry_after)
        await answer(scope, receive, send)

    return refuse
