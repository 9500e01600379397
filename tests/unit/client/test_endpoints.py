"""The client's routes, arguments and records are those of the server's OpenAPI page."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from app.main import create_app
from app.settings import Settings
from cairn.client.endpoints import ENDPOINTS
from cairn.client.records.sessions import Event
from cairn.client.requests import IDEMPOTENCY_HEADER, Endpoint

METHODS = ("get", "head", "post", "put", "patch", "delete")
CHAT = "spoken by the SDKs of OpenAI and Anthropic: for_openai, for_anthropic"
ADMIN = "an admin's: the command line and the dashboard"
OPERATOR = "an operator's: probes and scrapes"
LEAD = "a lead's: the dashboard and the command line"
WITHOUT_KEY = "`cairn login` and the page behind the link: whoever has one has no key yet"
DASHBOARD = "tables of the dashboard; a plugin shows the budget and what a session cost"
AGENTS = "agents tell each other: docs/how-to/exchange-messages.md"
INTENTS = "corrections of intents are few, and a person's: over HTTP"
CHECKED = "`cairn freshness` asks it, where the repository is"
LEFT_OUT = {
    "POST /v1/chat/completions": CHAT,
    "POST /v1/responses": CHAT,
    "POST /v1/embeddings": CHAT,
    "POST /v1/messages": CHAT,
    "POST /v1/messages/count_tokens": CHAT,
    "HEAD /api/hello": CHAT,
    "GET /": "for those who look around: it names /docs and /dashboard",
    "GET /v1": "as above",
    "GET /v1/models/{model}": "the list of models is short",
    "GET /v1/sessions/{session_id}/prompts/{seq}/intent": INTENTS,
    "PUT /v1/sessions/{session_id}/prompts/{seq}/intent": INTENTS,
    "GET /v1/providers": OPERATOR,
    "GET /healthz": OPERATOR,
    "GET /readyz": OPERATOR,
    "GET /metrics": OPERATOR,
    "GET /v1/alerts": OPERATOR,
    "GET /v1/alerts/history": OPERATOR,
    "GET /v1/projections": OPERATOR,
    "GET /v1/caches": ADMIN,
    "DELETE /v1/caches/{name}": ADMIN,
    "GET /v1/knowledge/freshness": CHECKED,
    "PUT /v1/knowledge/freshness": CHECKED,
    "DELETE /v1/knowledge/freshness": "for once a repository is gone: docs/how-to/check-against-the-code.md",
    "POST /v1/webhooks/git": "a git host posts pushes to it",
    "POST /v1/index/rebuild": ADMIN,
    "POST /v1/sessions/transcript-lines": "cairn watch: it knows how transcripts of each agent grow",
    "GET /v1/sessions/transcript-lines": "cairn watch",
    "POST /v1/hooks/{ide}": "cairn hook: it never keeps an IDE waiting",
    "POST /mcp": "MCP has clients of its own",
    "POST /v1/teams": ADMIN,
    "GET /v1/teams": ADMIN,
    "POST /v1/developers": ADMIN,
    "GET /v1/developers": ADMIN,
    "GET /v1/developers/{name}": "`cairn developers` and the dashboard: GET /v1/me tells whose key it is",
    "PATCH /v1/developers/{name}": ADMIN,
    "POST /v1/developers/{name}/keys": ADMIN,
    "GET /v1/keys": "`cairn keys` and the dashboard: a plugin has one key, which GET /v1/me tells of",
    "GET /v1/keys/{key_id}": "as above",
    "PATCH /v1/keys/{key_id}": "as above",
    "DELETE /v1/keys/{key_id}": "as above",
    "DELETE /v1/developers/{name}": ADMIN,
    "GET /v1/developers/{name}/export": "`cairn developers export`: a person takes all their sessions with them",
    "GET /v1/export": "`cairn export`: a file for keeps, not for a plugin",
    "GET /v1/knowledge/export": "`cairn knowledge export`, which keeps a folder of files",
    "POST /v1/developers/{name}/invitations": ADMIN,
    "GET /v1/invitations": ADMIN,
    "DELETE /v1/invitations/{invitation_id}": ADMIN,
    "POST /v1/invitations/accept": WITHOUT_KEY,
    "GET /v1/openid": OPERATOR,
    "GET /v1/openid/accounts": ADMIN,
    "PUT /v1/developers/{name}/openid": ADMIN,
    "DELETE /v1/developers/{name}/openid": ADMIN,
    "PATCH /v1/projects/{project_id}": ADMIN,
    "PUT /v1/policies": LEAD,
    "GET /v1/audit/prompts": "people look at it, in the dashboard: who read what",
    "POST /v1/projects/{project_id}/merge": ADMIN,
    "GET /v1/budget/verify": ADMIN,
    "GET /v1/budget/spend": DASHBOARD,
    "GET /v1/budget/spend.csv": DASHBOARD,
    "GET /v1/budget/calls": DASHBOARD,
    "GET /v1/budget/calls.csv": DASHBOARD,
    "GET /v1/budget/calls/statistics": DASHBOARD,
    "GET /v1/budgets": LEAD,
    "GET /v1/budgets/{developer}": LEAD,
    "PUT /v1/budgets/{developer}": ADMIN,
    "POST /v1/budgets/{developer}/top-ups": ADMIN,
    "GET /v1/budgets/{developer}/movements": LEAD,
    "GET /v1/budgets/{developer}/movements.csv": LEAD,
    "POST /v1/budgets/{developer}/reconcile": ADMIN,
    "POST /v1/budgets/{developer}/corrections": ADMIN,
    "GET /v1/teams/{name}/budget": LEAD,
    "PUT /v1/teams/{name}/budget": ADMIN,
    "POST /v1/channels/{channel}/messages": AGENTS,
    "GET /v1/channels/{channel}/messages": AGENTS,
    "GET /v1/channels/{channel}/stream": AGENTS,
    "POST /v1/channels/{channel}/acknowledgements": AGENTS,
    "GET /v1/channels/{channel}/dead-letters": AGENTS,
}
"""The routes that the client doesn't ask, each with the reason."""
HEADERS_OF_ALL = frozenset({"x-cairn-team", "if-none-match"})
HEADERS_LEFT_OUT = frozenset({"x-filename", "x-cairn-developer"})
"""`name` says the same; the developer who pays is the key's."""
QUERY_LEFT_OUT = {"GET /v1/models": {"limit", "after_id", "before_id"}}
"""Parameters of Anthropic's clients alone."""
ANTHROPICS = "Anthropic"
"""How the names of schemas begin that only Anthropic's clients are answered."""
FIELDS_LEFT_OUT = frozenset({"untrusted", "object", "PassageReply.type"})
"""Fields that say the same in each reply: the records' documentation says it once."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data"))).openapi()


def route_of(endpoint: Endpoint[Any]) -> str:
    return f"{endpoint.method} {endpoint.path}"


def operation(page: Any, endpoint: Endpoint[Any]) -> Any:
    return page["paths"][endpoint.path][endpoint.method.lower()]


def resolved(page: Any, schema: Any) -> Any:
    while "$ref" in schema:
        schema = page["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def together(page: Any, wanted: Endpoint[Any]) -> Iterator[Endpoint[Any]]:
    """The endpoints of the same route: two operations may ask one."""
    return (each for each in ENDPOINTS.values() if route_of(each) == route_of(wanted))


each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=list(ENDPOINTS))


def test_every_route_is_asked_or_left_out_with_a_reason(page: Any) -> None:
    there = {f"{method.upper()} {path}" for path, methods in page["paths"].items() for method in methods if method in METHODS}
    asked = {route_of(each) for each in ENDPOINTS.values()}
    assert there == asked | set(LEFT_OUT)
    assert not asked & set(LEFT_OUT)


@each_endpoint
def test_query_parameters_and_headers_are_those_of_the_page(page: Any, endpoint: Endpoint[Any]) -> None:
    there = operation(page, endpoint).get("parameters", [])
    assert {each["name"] for each in there if each["in"] == "path"} == {part[1:-1] for part in endpoint.path.split("/") if "{" in part}
    assert {each["name"] for each in there if each["in"] == "query"} - QUERY_LEFT_OUT.get(route_of(endpoint), set()) == set(endpoint.query)
    headers = {each["name"].lower() for each in there if each["in"] == "header"} - HEADERS_OF_ALL - HEADERS_LEFT_OUT
    assert headers - {IDEMPOTENCY_HEADER} == set(endpoint.headers)
    assert IDEMPOTENCY_HEADER not in headers or endpoint.keyed


@each_endpoint
def test_body_fields_are_those_of_the_page(page: Any, endpoint: Endpoint[Any]) -> None:
    content = operation(page, endpoint).get("requestBody", {}).get("content", {})
    assert not content or endpoint.content in content
    schema = resolved(page, content.get("application/json", {}).get("schema", {}))
    sent = {name for each in together(page, endpoint) for name in each.body}
    assert set(schema.get("properties", {})) == sent
    assert set(schema.get("required", ())) <= set(endpoint.body)


@each_endpoint
def test_records_have_the_fields_and_types_of_the_page(page: Any, endpoint: Endpoint[Any]) -> None:
    replies = [
        reply["content"] for status, reply in operation(page, endpoint)["responses"].items() if status[0] == "2" and "content" in reply
    ]
    if endpoint.result is None:
        assert not replies or "text/event-stream" in replies[0]
        return
    for reply in replies:
        compare(page, endpoint.result, reply["application/json"]["schema"], route_of(endpoint))


def test_events_that_are_sent_have_the_fields_of_the_page(page: Any) -> None:
    content = page["paths"]["/v1/sessions/{session}/events"]["post"]["requestBody"]["content"]
    compare(page, Event, content["application/x-ndjson"]["x-line-schema"], "event", sent=True)


def compare(page: Any, hint: Any, schema: Any, place: str, *, sent: bool = False) -> None:
    """Fail where an annotation can't hold what a schema says. `sent`: by the client, so that its defaults need not be the server's."""
    schema = resolved(page, schema)
    members = [resolved(page, each) for each in schema.get("anyOf", [schema])]
    nullable = any(each.get("type") == "null" for each in members)
    members = [each for each in members if each.get("type") != "null"]
    hints = [each for each in (get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)) if each is not type(None)]
    assert not nullable or type(None) in get_args(hint), f"{place} may be null"
    records = [each for each in hints if dataclasses.is_dataclass(each)]
    if len(records) > 1:
        for record in records:
            (match,) = [each for each in members if fits(record, each)]
            compare_record(page, record, match, place, sent=sent)
    elif records:
        (member,) = [each for each in members if not each.get("title", "").startswith(ANTHROPICS)]
        compare_record(page, records[0], member, place, sent=sent)
    else:
        for member in members:
            compare_plain(page, hints, member, place, sent=sent)


def fits(record: Any, schema: Any) -> bool:
    return {each.name for each in dataclasses.fields(record) if each.default is dataclasses.MISSING} <= set(schema["properties"])


def compare_record(page: Any, record: Any, schema: Any, place: str, *, sent: bool) -> None:
    hints, properties = get_type_hints(record), schema["properties"]
    ours = {each.name: each.default is not dataclasses.MISSING for each in dataclasses.fields(record)}
    theirs = {name for name in properties if name not in FIELDS_LEFT_OUT and f"{schema.get('title')}.{name}" not in FIELDS_LEFT_OUT}
    assert set(ours) == theirs, f"{place}: {record.__name__}"
    for name, optional in ours.items():
        if not sent:  # a field that the server may leave out has a default, or may be None
            always = name in schema.get("required", ()) or "default" in properties[name] or "const" in properties[name]
            assert optional or always or type(None) in get_args(hints[name]), f"{place}.{name} may be absent"
        compare(page, hints[name], properties[name], f"{place}.{name}", sent=sent)


PLAIN: Mapping[str, set[Any]] = {"integer": {int}, "boolean": {bool}, "number": {float, Decimal}, "string": {str, datetime}}


def compare_plain(page: Any, hints: list[Any], schema: Any, place: str, *, sent: bool) -> None:
    if schema == {} or object in hints:
        return
    kind = schema.get("type")
    if kind == "array":
        (found,) = [each for each in hints if get_origin(each) is tuple]
        compare(page, get_args(found)[0], schema["items"], f"{place}[]", sent=sent)
    elif kind == "object":
        assert any(get_origin(each) is Mapping for each in hints), place
    elif any(get_origin(each) is Literal for each in hints):
        assert "const" in schema, place
    else:
        (wanted,) = [each for each in hints if each in PLAIN[kind or "string"]]
        assert (wanted is datetime) == (schema.get("format") == "date-time"), place
        assert (wanted is Decimal) == (place.endswith("_usd") and kind == "number"), place


def test_the_comparison_notices_a_field_that_is_renamed(page: Any) -> None:
    endpoint = ENDPOINTS["BUDGET"]
    schema = {**page["components"]["schemas"]["BudgetReply"]}
    schema["properties"] = {("spent" if name == "spent_usd" else name): each for name, each in schema["properties"].items()}
    with pytest.raises(AssertionError, match="Budget"):
        compare(page, endpoint.result, schema, "budget")


def test_the_comparison_notices_a_type_that_changed(page: Any) -> None:
    schema = {**page["components"]["schemas"]["PurgeReply"]}
    schema["properties"] = {**schema["properties"], "events": {"type": "string"}}
    with pytest.raises((AssertionError, ValueError)):
        compare(page, ENDPOINTS["PURGE"].result, schema, "purge")


def test_the_modules_stand_where_a_user_imports_them() -> None:
    assert (Path(__file__).resolve().parents[3] / "cairn" / "py.typed").exists()
