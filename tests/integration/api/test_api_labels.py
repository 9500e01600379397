"""Labels that callers choose hold no secret: an identifier is refused, free text is redacted, and nothing of it is stored, logged or answered."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from app.redaction.labels import free_text
from app.settings import LogSettings
from app.telemetry import logs
from tests.integration.api.conftest import Api

SECRET = "gh" + "p_" + "Z9y8X7w6V5" * 3 + "u4T3s2"
PASSWORD = "Qz7!" + "mk2Wd"
"""A key that its form gives away, and a password that only its label does."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request with a secret in one label. `status`: 422 where it is refused."""

    what: str
    method: str
    path: str
    status: int = 422
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None


CHAT = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
REQUESTS = [
    Sent("purpose", "POST", "/v1/chat/completions", headers={"x-cairn-purpose": "review {}", "x-cairn-developer": "label-dev"}, json=CHAT),
    Sent(
        "project of a call", "POST", "/v1/chat/completions", headers={"x-cairn-project": "{}", "x-cairn-developer": "label-dev"}, json=CHAT
    ),
    Sent(
        "purpose of embeddings",
        "POST",
        "/v1/embeddings",
        headers={"x-cairn-purpose": "{}", "x-cairn-developer": "label-dev"},
        json={"model": "auto", "input": "a"},
    ),
    Sent("model", "POST", "/v1/chat/completions", headers={"x-cairn-developer": "label-dev"}, json={**CHAT, "model": "{}"}),
    Sent("model of embeddings", "POST", "/v1/embeddings", headers={"x-cairn-developer": "label-dev"}, json={"model": "{}", "input": "a"}),
    Sent("acting team", "GET", "/v1/budget", headers={"x-cairn-team": "{}"}),
    Sent("paying developer", "POST", "/v1/chat/completions", headers={"x-cairn-developer": "{}"}, json=CHAT),
    Sent("team", "POST", "/v1/teams", json={"name": "{}"}),
    Sent("developer", "POST", "/v1/developers", json={"name": "{}"}),
    Sent("developer's team", "POST", "/v1/developers", json={"name": "label-other", "team": "{}"}),
    Sent("owner of a key", "POST", "/v1/developers/{}/keys"),
    Sent("owner of a budget", "GET", "/v1/budgets/{}"),
    Sent("team of a budget", "PUT", "/v1/teams/{}/budget", json={"monthly_limit_usd": 5}),
    Sent("note of a top-up", "POST", "/v1/budgets/label-dev/top-ups", 201, json={"amount_usd": 1, "note": "use password: {}"}),
    Sent("note of a reconciliation", "POST", "/v1/budgets/label-dev/reconcile", 200, json={"note": "{}"}),
    Sent("cache", "DELETE", "/v1/caches/{}"),
    Sent("project of an upload", "POST", "/v1/sessions?project={}", json=[]),
    Sent("project of a query", "POST", "/v1/knowledge/query", json={"query": "why", "project": "{}"}),
    Sent("preferred project", "POST", "/v1/knowledge/query", json={"query": "why", "prefer_project": "{}"}),
    Sent("type of a query", "POST", "/v1/knowledge/query", json={"query": "why", "types": ["{}"]}),
    Sent("a field's name", "POST", "/v1/knowledge/query", json={"query": "why", "{}": 1}),
    Sent("project of a list", "GET", "/v1/sessions?project={}"),
    Sent("channel", "POST", "/v1/channels/{}/messages", json={"type": "a", "payload": 1}),
    Sent("type of a message", "POST", "/v1/channels/labels/messages", json={"type": "{}", "payload": 1}),
    Sent("recipient of a message", "POST", "/v1/channels/labels/messages", json={"type": "a", "to": "{}", "payload": 1}),
    Sent("payload of a message", "POST", "/v1/channels/labels/messages", 201, json={"type": "a", "payload": {"note": "{}", "{}": 1}}),
    Sent("group", "GET", "/v1/channels/labels/messages?group={}&consumer=a"),
    Sent("consumer", "GET", "/v1/channels/labels/messages?group=a&consumer={}"),
    Sent("group of an acknowledgement", "POST", "/v1/channels/labels/acknowledgements", json={"group": "{}", "ids": ["1-0"]}),
    Sent("a session's id", "GET", "/v1/sessions/{}"),
    Sent("a route that is none", "GET", "/v1/{}", 404),
    Sent("an address's query", "GET", "/v1/models?token={}", 200),
    Sent("a request's id", "GET", "/v1/models", 200, headers={"x-request-id": "{}"}),
]


OTHERWISE_REFUSED = {"a session's id", "type of a query", "a field's name", "channel"}
"""For what they are, whatever they look like."""


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the server's log says, through the processors that it runs with."""
    lines: list[str] = []
    before = structlog.get_config()
    logs.configure(LogSettings(level="debug", format="json"), clean=free_text)
    processors = structlog.get_config()["processors"]

    def keep(logger: object, name: str, event: Any) -> Any:
        lines.append(logs.json_line(logger, name, dict(event)))
        raise structlog.DropEvent

    structlog.configure(processors=[*processors[:-1], keep], cache_logger_on_first_use=False)
    yield lines  # type: ignore[misc]
    structlog.configure(**before)


async def stored(api: Api) -> str:
    """All rows of all tables, as text."""
    async with api.services.database.begin() as connection:
        names = (await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))).scalars().all()
        rows = [str((await connection.execute(text(f'SELECT "{name}"::text FROM "{name}"'))).scalars().all()) for name in names]
    return "\n".join(rows)


def filled(value: Any) -> Any:
    match value:
        case str():
            return value.replace("{}", SECRET)
        case dict():
            return {filled(key): filled(each) for key, each in value.items()}
        case list():
            return [filled(each) for each in value]
        case _:
            return value


async def test_no_label_brings_a_secret_into_a_table_a_log_line_or_an_answer(api: Api, said: list[str]) -> None:
    await api.ask("POST", "/v1/developers", json={"name": "label-dev"})
    wrong = []
    for sent in REQUESTS:
        options = {} if sent.json is None else {"json": filled(sent.json)}
        reply = await api.ask(sent.method, filled(sent.path), headers=filled(sent.headers), **options)
        if reply.status != sent.status:
            wrong.append((sent.what, reply.status, reply.text))
        assert SECRET not in reply.text, sent.what
        assert not any(SECRET in value for value in reply.headers.values()), sent.what
        if reply.status == 422 and sent.what not in OTHERWISE_REFUSED:
            assert "looks like a secret" in reply.error["message"], (sent.what, reply.text)
            assert reply.error["param"], sent.what
    assert wrong == []
    assert SECRET not in await stored(api)
    assert SECRET not in "\n".join(said)


async def test_a_note_is_stored_without_the_password_that_it_tells(api: Api) -> None:
    await api.ask("POST", "/v1/developers", json={"name": "label-notes"})
    note = {"amount_usd": 1, "note": f"for the release, the password for the wiki is {PASSWORD}"}
    assert (await api.ask("POST", "/v1/budgets/label-notes/top-ups", json=note)).status == 201
    found = await api.ask("GET", "/v1/budgets/label-notes/movements")
    assert found.json["movements"][0]["note"] == "for the release, the password for the wiki is [REDACTED:password]"
    assert PASSWORD not in (await api.ask("GET", "/v1/budgets/label-notes/movements.csv")).text


async def test_a_sessions_name_and_its_file_hold_no_secret(api: Api) -> None:
    event = b'{"id":"1","role":"user","text":"hello"}\n'
    sent = await api.ask("POST", f"/v1/sessions/{SECRET}/events", data=io.BytesIO(event))
    assert sent.status == 202, sent.text
    again = await api.ask("POST", f"/v1/sessions/{SECRET}/events", data=io.BytesIO(event))
    assert again.json["session_id"] == sent.json["session_id"]
    assert SECRET not in (await api.ask("GET", f"/v1/sessions/{sent.json['session_id']}")).text
    await api.ingest(event.replace(b"1", b"2"), name=f"notes-{SECRET}.jsonl", project="labels")
    assert SECRET not in await stored(api)


async def test_a_request_keeps_its_own_id_unless_that_looks_like_a_secret(api: Api) -> None:
    ordinary = "4f0c9a7e2b1d4c5f8a6b7c8d9e0f1a2b"
    assert (await api.ask("GET", "/v1/models", headers={"x-request-id": ordinary})).headers["x-request-id"] == ordinary
    for secret in (SECRET, f"password:{PASSWORD.replace('!', 'x')}", "sk" + "-ant-api03-" + "xK92fLq7" * 6):
        fresh = (await api.ask("GET", "/v1/models", headers={"x-request-id": secret})).headers["x-request-id"]
        assert len(fresh) == 32
        assert fresh != secret
