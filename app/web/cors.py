"""CORS (cross-origin resource sharing): lets pages of the origins in `server.cors_origins` call /v1 and /mcp. Off where there are none.

Keys travel in a header and no cookie counts on these paths, so `access-control-allow-credentials` is never sent. Pure ASGI, in two parts:
preflight requests are answered within the request's log and id; the headers are added outside of everything, to errors too.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web import errors

METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
EXPOSED: Final = (
    "etag",
    "location",
    "retry-after",
    "x-request-id",
    "request-id",
    "x-should-retry",
    "idempotency-replayed",
    "x-cairn-provider",
    "x-cairn-model",
    "x-cairn-attempts",
    "x-cairn-cache",
    "x-cairn-cache-bypass",
    "x-cairn-similarity",
    "x-cairn-dropped",
    "x-cairn-shrunk-max-tokens",
    "x-cairn-cost-usd",
    "x-cairn-saved-usd",
    "x-cairn-budget-remaining-usd",
    "x-cairn-budget-resets-at",
    "x-cairn-overhead-ms",
    "x-cairn-position",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
)
"""Headers of replies that a script may read besides the few that every browser shows."""
MAX_AGE_SECONDS: Final = 600
"""The time for which a browser may remember a preflight's answer."""
_NAMES: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2000}")


def _shared(path: str) -> bool:
    return path in {"/v1", "/mcp"} or path.startswith(("/v1/", "/mcp/"))


class CorsHeaders:
    """Wraps everything: adds the headers that let an allowed origin's script read the response."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _shared(scope["path"]):
            await self._app(scope, receive, send)
            return
        origin = Headers(scope=scope).get("origin")

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("origin")
                if origin in self._origins:
                    headers["access-control-allow-origin"] = str(origin)
                    headers["access-control-expose-headers"] = ", ".join(EXPOSED)
            await send(message)

        await self._app(scope, receive, marked)


class Preflights:
    """Answers the OPTIONS request that a browser sends first. It carries no key, so it is answered before authentication."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "OPTIONS" or not _shared(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if "origin" not in headers or "access-control-request-method" not in headers:
            await self._app(scope, receive, send)
            return
        await self._answer(headers)(scope, receive, send)

    def _answer(self, headers: Headers) -> Response:
        if headers["origin"] not in self._origins:
            said = (
                f"Pages of {headers['origin'][:200]!r} may not call this server. Ask an admin to add the origin to "
                "server.cors_origins (CAIRN_SERVER__CORS_ORIGINS)."
            )
            return errors.reply(403, said, "origin_not_allowed", param="origin")
        allowed = {"access-control-allow-methods": METHODS, "access-control-max-age": str(MAX_AGE_SECONDS)}
        wanted = headers.get("access-control-request-headers", "")
        if _NAMES.fullmatch(wanted):  # repeated, since clients send headers of their own; only listed origins come this far
            allowed["access-control-allow-headers"] = wanted
        return Response(status_code=204, headers=allowed)
