"""The messages of `cairn mcp`: headers by era, answers without a server, and nothing heavy imported."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from mcp_types import CallToolResult, DiscoverResult, InitializeResult, ListResourceTemplatesResult, ListToolsResult

from app.cli.machine import ClientSettings
from app.cli.mcp_bridge import NO_SERVER, McpBridge, _project, serve
from app.cli.mcp_messages import HANDSHAKE_VERSIONS, VERSION_KEY, answer_alone, project_headers, routing_headers
from app.cli.place import WorkPlace
from app.knowledge.item import KNOWLEDGE_TYPES
from app.mcp.definitions import TYPES

ENVELOPE = {"_meta": {VERSION_KEY: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}


def request(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


def test_the_types_are_those_of_knowledge() -> None:
    assert set(TYPES) == set(KNOWLEDGE_TYPES)


def test_a_request_of_the_handshakes_era_has_the_agreed_version_alone() -> None:
    call = request("tools/call", name="search", arguments={})
    assert routing_headers(call, "2025-06-18") == {"mcp-protocol-version": "2025-06-18"}
    assert routing_headers(call, None) == {}
    assert routing_headers(request("initialize"), "2025-06-18") == {}


def test_a_request_that_names_its_version_has_the_headers_by_which_it_is_routed() -> None:
    headers = routing_headers(request("tools/call", name="search", **ENVELOPE), "2025-11-25")
    assert headers == {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "search"}
    assert "mcp-name" not in routing_headers(request("tools/list", name="search", **ENVELOPE), None)
    coded = routing_headers(request("resources/read", uri="cairn://item/ü\n", **ENVELOPE), None)["mcp-name"]
    assert base64.b64decode(coded.removeprefix("=?base64?").removesuffix("?=")).decode() == "cairn://item/ü\n"


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("initialize", InitializeResult),
        ("server/discover", DiscoverResult),
        ("tools/list", ListToolsResult),
        ("resources/templates/list", ListResourceTemplatesResult),
        ("tools/call", CallToolResult),
    ],
)
@pytest.mark.parametrize("envelope", [{}, ENVELOPE])
def test_without_a_server_an_ide_keeps_its_tools(method: str, result: Any, envelope: dict[str, Any]) -> None:
    answer = answer_alone(request(method, **envelope), "The server is away.")
    assert answer["id"] == 7
    read = result.model_validate(answer["result"])
    assert ("resultType" in answer["result"]) == bool(envelope)
    if method == "tools/call":
        assert read.is_error
        assert read.content[0].text == "The server is away."


def test_without_a_server_a_resource_is_an_error_that_says_why() -> None:
    assert answer_alone(request("resources/read", uri="cairn://item/x"), "Away.")["error"]["message"] == "Away."


@pytest.mark.parametrize(
    ("asked", "agreed"), [("2025-06-18", "2025-06-18"), ("1999-01-01", HANDSHAKE_VERSIONS[-1]), (None, HANDSHAKE_VERSIONS[-1])]
)
def test_the_version_is_the_askers_where_it_is_known(asked: str | None, agreed: str) -> None:
    assert answer_alone(request("initialize", protocolVersion=asked), "")["result"]["protocolVersion"] == agreed


@pytest.mark.parametrize(
    ("arguments", "project"),
    [
        ([], None),
        (["--project", "shop"], "shop"),
        (["-p", "shop"], "shop"),
        (["--project=shop"], "shop"),
        (["--project"], None),
        (["x", "--y"], None),
    ],
)
def test_the_project_is_read_from_the_command_line(arguments: list[str], project: str | None) -> None:
    assert _project(arguments) == project


def test_a_project_that_is_named_stands_for_the_repository() -> None:
    place = {"x-cairn-project": None, "x-cairn-repository": "https://example.com/acme/shop"}
    assert project_headers("till", place) == {"x-cairn-project": "till"}
    assert project_headers(None, place) == {"x-cairn-repository": "https://example.com/acme/shop"}


@pytest.mark.parametrize(
    ("line", "code"), [(b"nonsense", -32700), (b"[]", -32600), (b"5", -32600), (b"[" * 100_000, -32700), (b'"\\ud800"', -32600)]
)
def test_a_line_that_is_no_message_is_told_so(line: bytes, code: int) -> None:
    answer = McpBridge(lambda: (WorkPlace(Path("/"), "x"), ClientSettings())).answer(line)
    assert answer is not None
    assert answer["error"]["code"] == code


@pytest.mark.parametrize(
    "line", [b'{"jsonrpc": "2.0", "method": "notifications/initialized"}', b'{"jsonrpc": "2.0", "id": 1, "result": {}}', b"{}"]
)
def test_what_is_no_request_is_owed_no_answer(line: bytes) -> None:
    assert McpBridge(lambda: (WorkPlace(Path("/"), "x"), ClientSettings())).answer(line) is None


def test_nothing_of_a_private_folder_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.mcp_bridge._post", lambda *_: pytest.fail("it was sent"))
    monkeypatch.setenv("CAIRN_URL", "http://127.0.0.1:9")
    bridge = McpBridge(lambda: (WorkPlace(Path("/"), "x", private="it says so"), ClientSettings()))
    answer = bridge.answer(json.dumps(request("tools/call", name="search", arguments={"query": "the merger"})).encode())
    assert answer is not None
    assert "private folder (it says so)" in answer["result"]["content"][0]["text"]


def test_a_folder_that_becomes_private_under_way_asks_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, str]] = []

    def post(server: object, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        sent.append(headers)
        return 200, b'{"jsonrpc": "2.0", "id": 7, "result": {}}'

    monkeypatch.setattr("app.cli.mcp_bridge._post", post)
    monkeypatch.setenv("CAIRN_URL", "http://127.0.0.1:9")
    places = [
        WorkPlace(Path("/"), "x", project="till"),
        WorkPlace(Path("/"), "x", project="shop"),
        WorkPlace(Path("/"), "x", private="now"),
    ]
    bridge = McpBridge(lambda: (places.pop(0), ClientSettings()))
    line = json.dumps(request("tools/call", name="search", arguments={"query": "x"})).encode()
    assert [bridge.answer(line) == {"jsonrpc": "2.0", "id": 7, "result": {}} for _ in range(3)] == [True, True, False]
    assert [each["x-cairn-project"] for each in sent] == ["till", "shop"]


def test_a_machine_without_a_server_says_how_to_have_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CAIRN_URL", raising=False)
    monkeypatch.setenv("CAIRN_DATA_DIR", str(tmp_path))
    answer = McpBridge(lambda: (WorkPlace(Path("/"), "x"), ClientSettings())).answer(json.dumps(request("tools/call", name="get")).encode())
    assert answer is not None
    assert answer["result"]["content"][0]["text"] == NO_SERVER


def test_it_imports_nothing_heavy() -> None:
    loaded = "import app.cli.mcp_bridge, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    out = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    ).stdout.split()
    assert not {"torch", "mcp", "pydantic", "aiohttp", "typer", "fastapi", "sqlalchemy", "numpy", "asyncio"} & set(out)


class _Silent:
    """A bridge whose server never answers, until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def answer(self, line: bytes) -> None:
        self.let_go.wait(60)


def test_an_ide_that_leaves_does_not_wait_for_a_silent_server() -> None:
    silent = _Silent()
    assert serve(silent, io.BytesIO(b"{}\n{}\n"), io.BytesIO(), end_seconds=0.01) is False  # type: ignore[arg-type]
    silent.let_go.set()


def test_all_that_was_asked_is_answered_before_the_end() -> None:
    asked = b"".join(json.dumps({"jsonrpc": "2.0", "id": number, "method": "ping"}).encode() + b"\n" for number in range(20))
    told = io.BytesIO()
    bridge = McpBridge(lambda: (WorkPlace(Path("/"), "x", private="here"), ClientSettings()))
    assert serve(bridge, io.BytesIO(asked), told, end_seconds=60)
    assert sorted(json.loads(line)["id"] for line in told.getvalue().splitlines()) == list(range(20))
