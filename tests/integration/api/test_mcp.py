"""MCP over streamable HTTP with the official client, in both eras: tools, resources, budgets, teams, and everything that is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import jsonschema
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from app.mcp.definitions import MAX_HIT_TOKENS, TOOLS
from app.tokens import count_text
from tests.integration.api.conftest import Api, Reply, lesson

ERAS = ["legacy", "auto", "2026-07-28"]
VERSIONS = {"legacy": "2025-11-25", "auto": "2026-07-28", "2026-07-28": "2026-07-28"}
SCHEMAS = {tool["name"]: tool["outputSchema"] for tool in TOOLS}


@asynccontextmanager
async def client(api: Api, key: str, *, era: str = "legacy", project: str | None = None, **headers: str) -> AsyncIterator[Client]:
    sent = {"authorization": f"Bearer {key}", **({"x-cairn-project": project} if project else {}), **headers}
    async with (
        httpx2.AsyncClient(headers=sent, timeout=120) as http,
        Client(streamable_http_client(f"{api.url}/mcp", http_client=http), mode=era) as opened,
    ):
        yield opened


async def call(opened: Client, tool: str, **arguments: Any) -> tuple[str, Any]:
    """A tool's text and structured result, which must be as its schema says."""
    result = await opened.call_tool(tool, arguments)
    (content,) = result.content
    assert content.type == "text"
    assert not result.is_error, content.text
    jsonschema.validate(result.structured_content, SCHEMAS[tool])
    return content.text, result.structured_content


async def refused(opened: Client, tool: str, **arguments: Any) -> str:
    """What the model is told where a tool can't do it."""
    result = await opened.call_tool(tool, arguments)
    (content,) = result.content
    assert result.is_error, content
    assert content.type == "text"
    return content.text


@pytest.mark.parametrize("era", ERAS)
async def test_both_eras_are_answered_with_tools_that_say_what_they_do(api: Api, era: str) -> None:
    async with client(api, await api.developer(), era=era) as opened:
        assert opened.protocol_version == VERSIONS[era]
        tools = {tool.name: tool for tool in (await opened.list_tools()).tools}
        templates = [each.uri_template for each in (await opened.list_resource_templates()).resource_templates]
    assert set(tools) == {"search", "get", "fetch", "remember", "feedback", "session_context"}
    assert templates == ["cairn://item/{id}", "cairn://session/{id}"]
    for name, tool in tools.items():
        assert tool.output_schema, name
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (name not in {"remember", "feedback"})
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.open_world_hint is False
        jsonschema.Draft202012Validator.check_schema(tool.output_schema)
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)


@pytest.mark.parametrize("era", ERAS)
async def test_search_is_short_and_get_is_whole(api: Api, era: str) -> None:
    key, project = await api.developer(), f"mcp-{era}"
    await api.ingest(lesson(project), key=key, project=project, name=f"{project}.jsonl")
    async with client(api, key, era=era, project=project) as opened:
        text, found = await call(opened, "search", query=f"Why does the {project} service drop its connections?")
        assert found["results"], text
        assert found["project"] == project
        best = found["results"][0]
        assert best["id"] in text.splitlines()[0]
        assert best["title"] in text
        assert f"{project}.jsonl" in best["cited"]
        whole, read = await call(opened, "get", ids=[each["id"] for each in found["results"]])
        assert read["missing"] == []
        assert [each["id"] for each in read["items"]] == [each["id"] for each in found["results"]]
        assert f"keepalive_{project}" in whole
        assert whole.startswith("<cairn-knowledge ids=")
        assert whole.endswith("</cairn-knowledge>")
        _, fetched = await call(opened, "fetch", id=best["id"])
        assert fetched["id"] == best["id"]
        assert fetched["url"] == f"cairn://item/{best['id']}"
        resource = await opened.read_resource(fetched["url"])
        assert best["id"] in resource.contents[0].text  # type: ignore[union-attr]


async def test_what_is_remembered_is_told_at_a_sessions_start_and_judged(api: Api) -> None:
    key = await api.developer()
    async with client(api, key, project="mcp-oak") as opened:
        said, made = await call(opened, "remember", text="The oak tests need the emulator: `make emulator` first.", paths=["Makefile"])
        assert made["project"] == "mcp-oak"
        assert made["new"] is True
        assert made["id"] in said
        _, again = await call(opened, "remember", text="The oak tests need the emulator: `make emulator` first.")
        assert (again["id"], again["new"]) == (made["id"], False)
        text, context = await call(opened, "session_context")
        assert [each["id"] for each in context["entries"]] == [made["id"]]
        assert "make emulator" in text
        _, judged = await call(opened, "feedback", id=made["id"], verdict="wrong", note="It runs without since May.")
        assert judged == {"id": made["id"], "verdict": "wrong", "hidden": True}
        empty, context = await call(opened, "session_context")
        assert context == {"project": "mcp-oak", "entries": []}
        assert "cairn-knowledge" not in empty
    shown = (await api.ask("GET", f"/v1/knowledge/{made['id']}", key=key)).json
    assert (shown["paths"], shown["mine"]) == (["Makefile"], True)


async def test_the_project_is_told_by_the_repository_too(api: Api) -> None:
    key = await api.developer()
    async with client(api, key, **{"x-cairn-repository": "https://example.com/acme/mcp-elm.git"}) as opened:
        _, made = await call(opened, "remember", text="Elm deploys only from the branch release.")
        assert made["project"] == "mcp-elm"
    async with client(api, key, **{"x-cairn-repository": "git%40example.com:acme/mcp-elm.git"}) as opened:
        _, context = await call(opened, "session_context")
        assert [each["id"] for each in context["entries"]] == [made["id"]]


async def test_without_a_project_search_takes_the_team_and_the_others_say_what_to_do(api: Api) -> None:
    key, project = await api.developer(), "mcp-yew"
    await api.ingest(lesson(project), key=key, project=project, name=f"{project}.jsonl")
    async with client(api, key) as opened:
        _, found = await call(opened, "search", query=f"keepalive_{project}")
        assert found["project"] is None
        assert {each["project"] for each in found["results"]} >= {project}
        for tool, arguments in (("remember", {"text": "Something."}), ("session_context", {})):
            assert "x-cairn-project" in await refused(opened, tool, **arguments)
    async with client(api, key, project="mcp-other") as opened:
        text, found = await call(opened, "search", query=f"keepalive_{project}")
        assert found["results"] == []
        assert "all_projects" in text
        _, found = await call(opened, "search", query=f"keepalive_{project}", all_projects=True)
        assert found["results"]


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_nothing_crosses_a_team(api: Api, era: str) -> None:
    ours, theirs, project = await api.developer(f"mcp-ours-{era}"), await api.developer(f"mcp-theirs-{era}"), "mcp-wall"
    ingested = await api.ingest(lesson(project), key=ours, project=project, name=f"{project}.jsonl")
    session = ingested["result"]["sessions"]
    (item, *_) = (await api.ask("GET", "/v1/knowledge", key=ours, params={"project": project})).json["items"]
    (listed, *_) = (await api.ask("GET", "/v1/sessions", key=ours, params={"project": project})).json["sessions"]
    assert session
    async with client(api, theirs, era=era, project=project) as opened:
        _, found = await call(opened, "search", query=f"Why does the {project} service drop its connections?", all_projects=True)
        assert found["results"] == []
        _, context = await call(opened, "session_context")
        assert context["entries"] == []
        nobodys = str(uuid4())
        for tool, arguments in (("get", {"ids": ["ID"]}), ("fetch", {"id": "ID"}), ("feedback", {"id": "ID", "verdict": "wrong"})):
            said = []
            for asked in (item["id"], nobodys):  # what is another team's is answered as what doesn't exist
                given = {name: [asked] if value == ["ID"] else asked if value == "ID" else value for name, value in arguments.items()}
                said.append((await refused(opened, tool, **given)).replace(asked, "ID"))
            assert said[0] == said[1]
        for uri in (f"cairn://item/{item['id']}", f"cairn://session/{listed['id']}"):
            with pytest.raises(MCPError):
                await opened.read_resource(uri)
    async with client(api, ours, era=era, project=project) as opened:
        said = (await opened.read_resource(f"cairn://session/{listed['id']}")).contents[0].text  # type: ignore[union-attr]
        assert f"Why does the {project} service drop its connections at night?" in said
        _, read = await call(opened, "get", ids=[item["id"], str(uuid4())])
        assert len(read["items"]) == len(read["missing"]) == 1


async def test_an_auditor_reads_and_writes_nothing(api: Api) -> None:
    name = f"mcp-auditor-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "role": "auditor"})).status == 201
    key = (await api.ask("POST", f"/v1/developers/{name}/keys")).json["key"]
    async with client(api, key, project="mcp-audit") as opened:
        await call(opened, "session_context")
        assert "ask an admin" in await refused(opened, "remember", text="Auditors write nothing.")


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("search", {}, "query is missing"),
        ("search", {"query": ""}, "query is empty"),
        ("search", {"query": "x" * 2001}, "2,000"),
        ("search", {"query": 5}, "must be of type string"),
        ("search", {"query": "a\x00b"}, "NUL"),
        ("search", {"query": "x", "limit": 0}, "at least 1"),
        ("search", {"query": "x", "limit": 21}, "at most 20"),
        ("search", {"query": "x", "max_tokens": 99}, "at least 100"),
        ("search", {"query": "x", "kind": "song"}, "item, passage"),
        ("search", {"query": "x", "project": "other"}, "takes only: query"),
        ("get", {"ids": []}, "at least 1"),
        ("get", {"ids": ["x"] * 11}, "at most 10"),
        ("get", {"ids": ["nonsense"]}, "none of these ids"),
        ("get", {"ids": "nonsense"}, "array"),
        ("fetch", {"id": "nonsense"}, "not a complete id"),
        ("remember", {"text": "sk_live_4eC39HqLyjWDarjtT1zdp7dc"}, "only a secret"),
        ("remember", {"text": "x", "type": "song"}, "gotcha"),
        ("remember", {"text": "x" * 8001}, "8,000"),
        ("feedback", {"id": str(uuid4()), "verdict": "helpful"}, "no item or passage"),
        ("feedback", {"id": "x", "verdict": "meh"}, "helpful, wrong, stale"),
        ("session_context", {"max_tokens": 1_000_000}, "at most 20000"),
    ],
)
async def test_a_wrong_call_is_told_to_the_model_with_what_to_do(api: Api, tool: str, arguments: dict[str, Any], says: str) -> None:
    async with client(api, api.key, project="mcp-wrong", era="2026-07-28") as opened:
        assert says in await refused(opened, tool, **arguments)


async def test_an_unknown_tool_and_resource_are_the_clients_errors(api: Api) -> None:
    async with client(api, api.key) as opened:
        with pytest.raises(MCPError, match="search, get, fetch"):
            await opened.call_tool("delete_all", {})
        for uri in ("cairn://secrets/1", "file:///etc/passwd", "cairn://item/x", "cairn://session/x", f"cairn://session/{uuid4()}"):
            with pytest.raises(MCPError):
                await opened.read_resource(uri)


def message(method: str = "tools/list", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def post(api: Api, body: Any = None, *, key: str | None = "admin", headers: Mapping[str, str] | None = None, **options: Any) -> Reply:
    """A bare request in the era before, which needs no envelope."""
    sent = {"accept": "application/json, text/event-stream", "content-type": "application/json", **(headers or {})}
    data = json.dumps(message() if body is None else body) if "data" not in options else options.pop("data")
    return await api.ask("POST", "/mcp", key=key, headers=sent, data=data, **options)


async def test_a_bare_request_needs_a_key_a_known_host_and_a_known_origin(api: Api) -> None:
    port = api.url.rpartition(":")[2]
    assert (await post(api)).status == 200
    assert (await post(api, key=None)).error["code"] == "not_authenticated"
    wrong = await post(api, key="cairn_wrong")
    assert (wrong.status, wrong.headers["www-authenticate"]) == (401, 'Bearer realm="cairn"')
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "[::2]", ""):
        away = await post(api, headers={"host": host})
        assert away.status in {400, 421}, host
        if host:
            assert "CAIRN_MCP__ALLOWED_HOSTS" in away.error["message"]
    assert (await post(api, headers={"host": f"LOCALHOST:{port}"})).status == 200
    for origin in ("https://evil.example", "null", "http://localhost.evil.example", "evil"):
        away = await post(api, headers={"origin": origin})
        assert (away.status, away.error["code"]) == (403, "origin_not_allowed"), origin
    assert (await post(api, headers={"origin": "http://localhost:3000"})).status == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_only_posts_are_taken(api: Api, method: str) -> None:
    reply = await api.ask(method, "/mcp")
    assert (reply.status, reply.error["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"nonsense", b"[]", b"null", b"{}", b'{"jsonrpc": "2.0"}', b'"text"', b"\xff\xfe", b"[" * 5000 + b"]" * 5000,
        b'{"jsonrpc": "1.0", "id": 1, "method": "tools/list"}', b'{"jsonrpc": "2.0", "id": {}, "method": "tools/list"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "no/such"}', b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": 5}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "\\ud800"}}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "x", "deep": '
        + b"[" * 300 + b"]" * 300 + b"}}}",
        b'{"jsonrpc": "2.0", "id": 1e999, "method": "tools/list"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [None, "2025-11-25", "2026-07-28", "1999-01-01", "nonsense"])
async def test_nonsense_is_no_failure_of_the_server(api: Api, data: bytes, version: str | None) -> None:
    reply = await post(api, headers={"mcp-protocol-version": version} if version else {}, data=data)
    assert reply.status < 500, reply.text
    assert "Traceback" not in reply.text


async def test_too_much_is_refused(api: Api) -> None:
    big = await post(api, message("tools/call", name="search", arguments={"query": "x" * 400_000}))
    assert big.status == 413, big.text
    assert "server.max_body_bytes" in big.error["message"]


async def test_half_a_character_is_mended(api: Api) -> None:
    data = '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "why \\ud83d"}}}'
    reply = await post(api, data=data)
    assert reply.status < 500, reply.text


async def test_hits_and_replies_keep_to_their_budgets(api: Api) -> None:
    key, project = await api.developer(), "mcp-budget"
    for number in range(8):
        await api.ingest(lesson(f"{project}-{number}"), key=key, project=project, name=f"{'long-name-' * 9}{number}.jsonl")
    async with client(api, key, project=project) as opened:
        for budget in (100, 200, 500, 4000):
            text, found = await call(opened, "search", query="service drops connections keepalive", limit=20, max_tokens=budget)
            assert count_text(text) <= budget
            assert count_text(json.dumps(found)) <= budget * 1.25  # as Python writes JSON, with spaces
            for line, entry in zip(text.splitlines()[2:-1], found["results"], strict=False):
                assert count_text(f"{line}\n {entry['id']}") <= MAX_HIT_TOKENS
        ids = [each["id"] for each in found["results"]][:10]
        assert len(ids) >= 5
        for budget in (300, 1000, 8000):
            text, read = await call(opened, "get", ids=ids, max_tokens=budget)
            assert len(read["items"]) == len(ids)
            if budget >= 1000:
                assert count_text(text) <= budget
