"""The messages of `cairn mcp`: with which headers one is sent, what the IDE is told while no server answers. Standard library only."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

from app import __version__
from app.mcp.definitions import INSTRUCTIONS, RESOURCE_TEMPLATES, SERVER_NAME, SERVER_TITLE, TOOLS

PARSE_ERROR, INVALID_REQUEST, INTERNAL_ERROR = -32700, -32600, -32603
HANDSHAKE_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSION: Final = "2026-07-28"
VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES: Final = {"tools": {"listChanged": False}, "resources": {"subscribe": False, "listChanged": False}}
_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_PLAIN = re.compile(r"[\x20-\x7e]*")

Message = dict[str, Any]


def is_request(message: Any) -> bool:
    """Tell whether a message is a request, which is owed an answer; notifications and responses are not."""
    return isinstance(message, dict) and isinstance(message.get("method"), str) and "id" in message


def version_of(message: Message) -> str | None:
    """Return the protocol version that a request carries itself, as those of the era without handshake do."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None


def routing_headers(message: Message, handshake_version: str | None) -> dict[str, str]:
    """Return the headers that streamable HTTP wants beside a request. `handshake_version`: agreed by `initialize`; None: not yet."""
    version = version_of(message)
    if version is None:
        return {"mcp-protocol-version": handshake_version} if handshake_version and message["method"] != "initialize" else {}
    headers = {"mcp-protocol-version": version, "mcp-method": message["method"]}
    name = message["params"].get(_NAMED.get(message["method"], ""))
    if isinstance(name, str):
        headers["mcp-name"] = name
    return {key: _header_value(value) for key, value in headers.items()}


def error(message_id: Any, code: int, said: str) -> Message:
    return {"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": said}}


def answer_alone(message: Message, why: str) -> Message:
    """Answer a request without the server: what the IDE must hear to keep the tools, and `why` to the model that calls one."""
    method = message["method"]
    modern = version_of(message) is not None
    result = _alone(method, message, why)
    if result is None:
        return error(message["id"], INTERNAL_ERROR, why)
    if modern:
        result |= {"resultType": "complete"} | ({} if method in {"tools/call", "ping"} else {"ttlMs": 0, "cacheScope": "private"})
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def _alone(method: str, message: Message, why: str) -> Message | None:
    match method:
        case "initialize":
            asked = (message.get("params") or {}).get("protocolVersion")
            version = asked if asked in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
            info = {"name": SERVER_NAME, "title": SERVER_TITLE, "version": __version__}
            return {"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": info, "instructions": INSTRUCTIONS}
        case "server/discover":
            return {"supportedVersions": [MODERN_VERSION], "capabilities": CAPABILITIES, "instructions": INSTRUCTIONS}
        case "ping":
            return {}
        case "tools/list":
            return {"tools": list(TOOLS)}
        case "resources/list":
            return {"resources": []}
        case "resources/templates/list":
            return {"resourceTemplates": list(RESOURCE_TEMPLATES)}
        case "tools/call":
            return {"content": [{"type": "text", "text": why}], "isError": True}
        case _:
            return None


def project_headers(given: str | None, place: Mapping[str, str | None]) -> dict[str, str]:
    """Return the headers that tell the session's project: its name where one is given, else its repository."""
    named = {"x-cairn-project": given} if given else place
    return {name: value for name, value in named.items() if value}


def _header_value(value: str) -> str:
    """Write a text as a header's value, as MCP does: in base64 where it isn't plain ASCII."""
    if _PLAIN.fullmatch(value) and value == value.strip() and not value.startswith("=?base64?"):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'replace')).decode('ascii')}?="
