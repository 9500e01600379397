"""Deep JSON, half characters and numbers that JSON doesn't know, on every route of the OpenAPI page that takes a body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from app.api.webhooks import GIT_PATH
from app.main import MODEL_CALLS, create_app
from app.settings import Settings
from app.web.error_shapes import MESSAGES_PATH
from app.web.json_body import JsonRoute
from tests.integration.api.conftest import Api, Reply, generic

APP = create_app(Settings())
PAGE: dict[str, Any] = APP.openapi()
BODIES = [
    (method.upper(), path, operation)
    for path, operations in PAGE["paths"].items()
    for method, operation in operations.items()
    if "requestBody" in operation
]
OTHERS = {"/mcp", GIT_PATH}
"""Routes whose errors are JSON-RPC's (test_mcp.py), and of which only the body's signature counts (test_api_freshness.py)."""
JSON_ROUTES = [
    (method, path) for method, path, operation in BODIES if "application/json" in operation["requestBody"]["content"] and path not in OTHERS
]
LINES_ROUTES = [(method, path) for method, path, operation in BODIES if "application/x-ndjson" in operation["requestBody"]["content"]]
DEPTH = 600
NESTED = {
    "lists": "[" * DEPTH + "]" * DEPTH,
    "objects": '{"a":' * DEPTH + "1" + "}" * DEPTH,
    "mixed": '[{"a":' * (DEPTH // 2) + "1" + "}]" * (DEPTH // 2),
}
HALF = '"\\ud83d"'


def schema_of(method: str, path: str) -> dict[str, Any]:
    """What a route's body holds; unions of several by their first object."""
    found = PAGE["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    return PAGE["components"]["schemas"][found["$ref"].rpartition("/")[2]] if "$ref" in found else found  # type: ignore[no-any-return]


def bodies(method: str, path: str, odd: str) -> Iterator[str]:
    """The odd value as the whole body, in each of its fields in turn, in one that nobody knows, and as a field's name where it is a text."""
    schema = schema_of(method, path)
    example = (schema.get("examples") or [{}])[0]
    yield odd
    for name in (*schema.get("properties", {}), "unknown"):
        parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in example.items() if key != name]
        yield "{" + ", ".join([*parts, f"{json.dumps(name)}: {odd}"]) + "}"
    if odd.startswith('"'):
        parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in example.items()]
        yield "{" + ", ".join([*parts, f"{odd}: 1"]) + "}"


def filled(path: str) -> str:
    return (
        path.replace("{name}", "default")
        .replace("{developer}", "nobody")
        .replace("{channel}", "odd")
        .replace("{ide}", "claude-code")
        .replace("{session}", f"odd-{uuid4().hex}")
    )


def told(path: str, reply: Reply) -> tuple[int, dict[str, Any]]:
    """An error's status and fields, whichever shape the path has: Anthropic's says 400 for a wrong field, and the code in `details`."""
    if not path.startswith(MESSAGES_PATH):
        return reply.status, reply.error
    error = reply.json["error"]
    return {400: 422}.get(reply.status, reply.status), {"code": error["details"]["error_code"], "message": error["message"]}


def test_the_page_has_routes_to_ask() -> None:
    assert len(JSON_ROUTES) >= 8
    assert LINES_ROUTES == [("POST", "/v1/sessions/{session}/events")]


def test_every_route_with_a_json_body_reads_it_in_the_one_place() -> None:
    routes = [route for route in every(APP.routes) if isinstance(route, APIRoute) and route.body_field is not None]
    assert routes
    assert [route.path for route in routes if not isinstance(route, JsonRoute)] == []


def every(routes: Any) -> Iterator[Any]:
    for route in routes:
        yield route
        yield from every(getattr(getattr(route, "original_router", route), "routes", ()))


@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
@pytest.mark.parametrize("kind", NESTED)
async def test_deep_json_is_refused_and_said_so(api: Api, method: str, path: str, kind: str) -> None:
    for body in bodies(method, path, NESTED[kind]):
        reply = await api.ask(method, filled(path), data=body, headers={"content-type": "application/json"})
        status, error = told(path, reply)
        assert (status, error["code"]) == (422, "invalid_input"), body[:200]
        assert "nested deeper than 100 levels" in error["message"]


@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
async def test_half_a_character_is_never_a_fault_of_ours(api: Api, method: str, path: str) -> None:
    key = await api.developer() if path in MODEL_CALLS else "admin"
    for body in bodies(method, path, HALF):
        reply = await api.ask(method, filled(path), data=body, headers={"content-type": "application/json"}, key=key)
        assert reply.status < 500, (body, reply.text)
        if reply.status >= 400:
            assert len(told(path, reply)[1]["message"]) > 10


@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
@pytest.mark.parametrize("odd", ["NaN", "-Infinity", "1e999", '"a\\u0000b"', "9" * 400, '{"a": 1, "a": 2}'])
async def test_other_odd_json_is_never_a_fault_of_ours(api: Api, method: str, path: str, odd: str) -> None:
    for body in bodies(method, path, odd):
        reply = await api.ask(method, filled(path), data=body, headers={"content-type": "application/json"})
        assert reply.status < 500, (body, reply.text)


async def test_a_text_with_half_a_character_is_redacted_with_its_places_right(api: Api) -> None:
    body = '{"text": "cut \\ud83d psql postgres://shop:hunter2-but-longer@db/shop"}'
    reply = await api.ask("POST", "/v1/redact", data=body, headers={"content-type": "application/json"})
    assert reply.status == 200
    assert reply.json["text"] == "cut \ufffd psql postgres://shop:[REDACTED:url-password]@db/shop"
    assert reply.json["findings"][0]["start"] == len("cut x psql postgres://shop:")


@pytest.mark.parametrize("kind", NESTED)
async def test_a_live_event_that_is_too_deep_is_named_by_its_line(api: Api, kind: str) -> None:
    good = '{"id": "1", "role": "user", "text": "x"}\n'
    for bad in (f'{{"id": "2", "role": "tool", "tool": {{"name": "x", "input": {NESTED[kind]}}}}}', NESTED[kind]):
        reply = await api.ask("POST", f"/v1/sessions/deep-{uuid4().hex}/events", data=good + bad)
        assert (reply.status, reply.error["code"]) == (422, "invalid_input")
        assert reply.error["message"].startswith("Line 2: The JSON is nested deeper than 100 levels")


async def test_live_events_with_half_a_character_in_any_field_are_taken(api: Api) -> None:
    half = "x\\ud83d"
    line = (
        f'{{"id": "{half}", "role": "tool", "text": "{half}", "speaker": "{half}", '
        f'"tool": {{"name": "{half}", "input": {{"{half}": "{half}"}}, "output": "{half}"}}}}'
    )
    reply = await api.ask("POST", f"/v1/sessions/half-{uuid4().hex}/events", data=line)
    assert (reply.status, reply.json["accepted"]) == (202, 1)


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("depth", ["600", "100000"])
async def test_a_deep_line_of_a_transcript_is_a_problem_of_its_job_and_the_rest_is_read(api: Api, kind: str, depth: str) -> None:
    session = uuid4().hex
    deep = NESTED[kind] if depth == "600" else "[" * 100_000 + "]" * 100_000
    bad = f'{{"id": "{session}-2", "role": "tool", "tool": {{"name": "bash", "input": {deep}, "output": "x"}}}}\n'
    job = await api.ingest(generic((f"{session}-1", "user", "first")) + bad + generic((f"{session}-3", "user", "last")))
    assert job["state"] == "done"
    assert job["result"]["events"]["new"] == 2
    assert {"locator": "L2", "reason": "nested too deeply"} in job["result"]["problems"]


async def test_a_deep_claude_code_line_is_a_problem_of_its_job(api: Api) -> None:
    session = str(uuid4())

    def record(text: Any, number: int) -> str:
        head = {"type": "user", "sessionId": session, "uuid": f"{session}-{number}", "timestamp": "2026-10-01T10:00:00Z"}
        return json.dumps(head | {"message": {"role": "user", "content": "CONTENT"}}).replace('"CONTENT"', text) + "\n"

    job = await api.ingest(record('"first words"', 1) + record(NESTED["lists"], 2) + record('"last words"', 3))
    assert (job["state"], job["result"]["events"]["new"]) == ("done", 2)
    assert [problem["locator"] for problem in job["result"]["problems"]] == ["L2"]


async def test_a_whole_document_with_a_deep_message_is_read_but_for_that_message(api: Api) -> None:
    session = uuid4().hex
    messages = [f'{{"id": "{session}-{n}", "role": "user", "content": "words {n}"}}' for n in range(2)]
    body = f'{{"session_id": "{session}", "messages": [{messages[0]}, {{"role": "user", "content": {NESTED["lists"]}}}, {messages[1]}]}}'
    job = await api.ingest(body)
    assert (job["state"], job["result"]["events"]["new"]) == ("done", 2)
    assert [problem["reason"] for problem in job["result"]["problems"]] == ["nested too deeply"]
