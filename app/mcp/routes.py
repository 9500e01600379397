"""Route of MCP: checks the host and origin of a request, then hands it to the MCP server. Its key is checked as at every route."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request, Response, Security
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

from app.accounts.requester import Requester
from app.settings import Settings
from app.web import errors
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import ErrorReply, responses
from app.web.key_headers import described
from app.web.requester import TEAM_HEADER, KeyAuth, services_of

PATH: Final = "/mcp"
_PORT = re.compile(r":\d{1,5}$")

router = APIRouter(tags=["mcp"], route_class=AuthenticatedRoute)

PROJECT = described("x-cairn-project", "The session's project: its name. `cairn mcp` sends it.")
REPOSITORY = described("x-cairn-repository", "URL of the session's repository, which identifies the project if no name is sent.")
ENVELOPE: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
SEARCH: Final[dict[str, Any]] = {"name": "search", "arguments": {"query": "ECONNREFUSED in the payment tests"}}
CALL: Final[dict[str, Any]] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": SEARCH}
BODY: Final[dict[str, Any]] = {
    "parameters": [PROJECT, REPOSITORY],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["jsonrpc", "method"],
                    "properties": {
                        "jsonrpc": {"const": "2.0"},
                        "id": {"type": ["string", "integer"]},
                        "method": {"type": "string"},
                        "params": {"type": "object"},
                    },
                },
                "examples": {
                    "2025-11-25": {"value": CALL, "summary": "With the header mcp-protocol-version: 2025-11-25"},
                    "2026-07-28": {
                        "value": CALL | {"params": SEARCH | {"_meta": ENVELOPE}},
                        "summary": "With the headers mcp-protocol-version: 2026-07-28, mcp-method: tools/call, mcp-name: search",
                    },
                },
            }
        },
    },
}


class RpcError(BaseModel):
    """An error of the protocol: the client's, not the model's."""

    code: int = Field(examples=[-32602])
    message: str
    data: Any = None


class RpcReply(BaseModel):
    """The answer to a request: its result, or an error of the protocol. A tool's own failure is a result with `isError`."""

    jsonrpc: Literal["2.0"]
    id: str | int | None
    result: dict[str, Any] | None = Field(
        None,
        examples=[{"content": [{"type": "text", "text": "…"}], "structuredContent": {"results": [], "project": "shop", "degraded": []}}],
    )
    error: RpcError | None = None


class RpcErrorReply(BaseModel):
    """A request that the protocol refuses."""

    jsonrpc: Literal["2.0"]
    id: str | int | None
    error: RpcError


REPLIES: Final[dict[int | str, dict[str, object]]] = {
    **responses(HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    200: {"model": RpcReply, "description": "The answer, or an error of the protocol."},
    202: {"description": "A notification was accepted."},
    **{
        status: {"model": RpcErrorReply | ErrorReply, "description": HTTPStatus(status).phrase}
        for status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    },
    421: {"model": ErrorReply, "description": "The host is not among `mcp.allowed_hosts`."},
}
"""Replies of the route: those of every route, and those of the protocol, whose errors have JSON-RPC's shape."""


class McpAuth(KeyAuth):
    """Security dependency of MCP: a key that may read; each tool checks what more it needs."""

    headers = (TEAM_HEADER,)


McpCaller = Annotated[Requester, Security(McpAuth("read"))]


@router.post(
    PATH,
    summary="Call Cairn as an MCP server, over streamable HTTP",
    description=(
        "Tools `search`, `get` (also as `fetch`), `remember`, `feedback` and `session_context`, and resources `cairn://item/ID` and "
        "`cairn://session/ID`. There are no MCP sessions: each JSON request stands alone. Two protocol versions are supported: "
        "2025-11-25 with `initialize`, 2026-07-28 with `server/discover`. The request's host must be among `mcp.allowed_hosts`, its "
        "`origin`, if it has one, among `mcp.allowed_origins` or `server.cors_origins`."
    ),
    responses=REPLIES,
    response_class=Response,
    openapi_extra=BODY,
)
async def mcp(request: Request, caller: McpCaller) -> Response:
    del caller  # the MCP server reads the requester from the scope
    refusal = refused(request.headers.get("host", ""), request.headers.get("origin"), services_of(request).settings)
    return refusal or _Handed()


def refused(host: str, origin: str | None, settings: Settings) -> Response | None:
    """Return the refusal of a request that a page of a foreign site may have sent; None: it may pass."""
    hosts, origins = settings.mcp.allowed_hosts, (*settings.mcp.allowed_origins, *settings.server.cors_origins)
    if not _allowed(host, hosts):
        said = f"MCP isn't served under the host {host[:200]!r}. Ask an admin to add it to mcp.allowed_hosts (CAIRN_MCP__ALLOWED_HOSTS)."
        return errors.reply(HTTPStatus.MISDIRECTED_REQUEST, said, "host_not_allowed", param="host")
    if origin is None or origin.lower() in origins or _allowed(origin.partition("://")[2], hosts):
        return None
    said = (
        f"MCP accepts no requests from the origin {origin[:200]!r}. Ask an admin to add it to mcp.allowed_origins "
        "(CAIRN_MCP__ALLOWED_ORIGINS)."
    )
    return errors.reply(HTTPStatus.FORBIDDEN, said, "origin_not_allowed", param="origin")


def _allowed(host: str, entries: Sequence[str]) -> bool:
    """Tell whether a host is among the entries, whatever its port. `*.example.com`: all below it; `*`: every host."""
    name = _PORT.sub("", host.lower())
    return bool(name) and any(entry in {"*", name} or (entry.startswith("*.") and name.endswith(entry[1:])) for entry in entries)


class _Handed(Response):
    """The answer that the MCP server writes itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["app"].state.mcp.handle_request(scope, receive, send)
