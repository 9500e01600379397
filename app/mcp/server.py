"""The MCP server: lists and calls the tools, reads the resources, over streamable HTTP without sessions. Checks no key: the scope has the
requester.

It answers both eras of the protocol, by `initialize` and by `server/discover`; the SDK tells them apart by a request's version.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import mcp_types as types
import structlog
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from starlette.datastructures import Headers
from starlette.types import Scope

from app import __version__
from app.accounts.identity import of_repository
from app.accounts.names import check_project_name
from app.accounts.requester import Requester
from app.errors import CairnError, NotFound
from app.mcp.arguments import checked
from app.mcp.definitions import INSTRUCTIONS, RESOURCE_TEMPLATES, SERVER_NAME, SERVER_TITLE, TOOLS
from app.mcp.resources import read_resource
from app.mcp.tools import HANDLERS, Caller
from app.telemetry import metrics
from app.web.requester import REQUESTER, services_in

log = structlog.get_logger()

LISTED_MS = 3_600_000
"""Milliseconds for which a client may keep the lists: they change only with a version of Cairn."""
PROJECT_HEADER, REPOSITORY_HEADER = "x-cairn-project", "x-cairn-repository"
MAX_HEADER_CHARS = 1_000
UNEXPECTED = "Cairn failed unexpectedly: try again. If it happens again, tell an admin: the server's log has the cause."

Context = ServerRequestContext[Any, Any]


def make_endpoint(*, max_body_bytes: int) -> StreamableHTTPSessionManager:
    """Make the endpoint over HTTP. Each request stands alone, so that any process answers any request."""
    return StreamableHTTPSessionManager(make_server(), json_response=True, stateless=True, max_request_body_size=max_body_bytes)


def make_server() -> Server[Any]:
    """Make the server with its tools and resources."""
    listed = CacheHint(ttl_ms=LISTED_MS, scope="public")
    return Server(
        SERVER_NAME,
        version=__version__,
        title=SERVER_TITLE,
        instructions=INSTRUCTIONS,
        cache_hints={"tools/list": listed, "resources/templates/list": listed},
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
        on_list_resources=_list_resources,
        on_list_resource_templates=_list_templates,
        on_read_resource=_read_resource,
    )


async def _list_tools(_: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool.model_validate(each) for each in TOOLS])


async def _list_resources(_: Context, __: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    """List none: a team's items are found by searching, not by reading lists of thousands."""
    return types.ListResourcesResult(resources=[])


async def _list_templates(_: Context, __: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
    templates = [types.ResourceTemplate.model_validate(each) for each in RESOURCE_TEMPLATES]
    return types.ListResourceTemplatesResult(resource_templates=templates)


async def _call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Call a tool. A wrong call is told as its result, so that the model can mend it; an unknown tool is the client's error."""
    handler = HANDLERS.get(params.name)
    if handler is None:
        raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name[:100]!r}. There are: {', '.join(HANDLERS)}.")
    try:
        told = await handler(await _caller(context), checked(params.name, params.arguments))
    except CairnError as error:
        metrics.tool_called(params.name, "refused")
        return _failed(error.message)
    except Exception:  # the SDK would answer with a protocol error that no model sees
        log.exception("mcp.failed", tool=params.name)
        metrics.tool_called(params.name, "failed")
        return _failed(UNEXPECTED)
    metrics.tool_called(params.name, "answered")
    return types.CallToolResult(content=[types.TextContent(type="text", text=told.text)], structured_content=told.structured)


async def _read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    try:
        text = await read_resource(await _caller(context), uri)
    except CairnError as error:
        code = types.INVALID_PARAMS if isinstance(error, NotFound) else types.INTERNAL_ERROR
        raise MCPError(code, error.message) from error
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type="text/markdown", text=text)])


def _failed(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=message)], is_error=True)


async def _caller(context: Context) -> Caller:
    """Return who calls, as `web/authentication.py` put them into the scope, and their session's project. KeyError without them."""
    assert context.request is not None  # streamable HTTP alone is served
    scope: Scope = context.request.scope
    requester = scope[REQUESTER]
    assert isinstance(requester, Requester)
    services = services_in(scope)
    headers = Headers(scope=scope)
    if name := _header(headers, PROJECT_HEADER):
        check_project_name(name, param=PROJECT_HEADER)
        return Caller(services, requester, name)
    identity = of_repository(_header(headers, REPOSITORY_HEADER))
    if identity is None:
        return Caller(services, requester, None)
    return Caller(
        services, requester, await services.accounts.project_known_as(requester.team_id, identity, closed=requester.closed) or identity.name
    )


def _header(headers: Headers, name: str) -> str:
    """Read a header as the client wrote it: percent-encoded where it isn't printable ASCII."""
    return unquote(headers.get(name, ""))[:MAX_HEADER_CHARS].strip()
