"""Both faces are one source, every operation is asked by a method, and the package stays light."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

import cairn.client
from cairn.client import AsyncClient, CairnError, Client, Conflict, Event
from cairn.client.endpoints import ENDPOINTS
from cairn.client.inputs import KnowledgeType
from tests import sync_client
from tests.words_check import modules, problems

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
FILTERS: dict[str, Any] = {
    "project": "p", "prefer_project": "q", "types": ["gotcha"], "intents": ["testing"], "kinds": ["item"], "files": ["f"], "subject": "s", "since": NOW, "until": NOW, "limit": 1,
    "max_tokens": 100, "min_score": 0.1,
}  # fmt: skip
CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "ME": ("me", (), {}),
    "QUERY": ("query", ("q",), {**FILTERS, "explain": True}),
    "ASK": ("ask", ("q",), FILTERS),
    "READ": ("knowledge.get", ("i",), {}),
    "RECORD": ("knowledge.record", ("t",), {"type": "gotcha", "title": "t", "project": "p", "paths": ["a"]}),
    "CORRECT": ("knowledge.correct", ("i",), {"type": "gotcha", "title": "t", "text": "x", "paths": [], "if_match": "r"}),
    "DELETE": ("knowledge.delete", ("i",), {}),
    "JUDGE": ("knowledge.feedback", ("i", "wrong", "n"), {}),
    "RESTORE": ("knowledge.restore", ("i",), {}),
    "DECIDE": ("knowledge.decide", ("i", "o", "both_hold"), {}),
    "CONTRADICTIONS": ("knowledge.contradictions", (), {"project": "p", "limit": 1, "cursor": "c"}),
    "KEEP": ("knowledge.keep", ("i",), {}),
    "RETIRE": ("knowledge.retire", ("i",), {}),
    "MERGE": ("knowledge.merge", ("i", "o"), {}),
    "REVIEW": ("knowledge.review", (), {"project": "p"}),
    "REVIEW_LIST": ("knowledge.review_page", ("n",), {"project": "p", "limit": 1, "cursor": "c"}),
    "HISTORY": ("knowledge.history", ("i",), {}),
    "ITEMS": ("knowledge.page", (), {"project": "p", "type": "gotcha", "since": NOW, "until": NOW, "subject": "s", "session": "s", "hidden": True, "state": "stale", "order": "oldest", "limit": 1, "cursor": "c"}),
    "UPLOAD": ("sessions.upload", (b"x",), {"project": "p", "format": "auto", "name": "n", "modified_at": NOW, "directory": "d"}),
    "APPEND": ("sessions.append", ("s", [Event(id="e", role="user")]), {"project": "p"}),
    "SESSIONS": ("sessions.page", (), {"project": "p", "provider": "a", "since": NOW, "until": NOW, "subject": "s", "developer": "d", "own": True, "order": "oldest", "limit": 1, "cursor": "c"}),
    "SESSION": ("sessions.get", ("s",), {}),
    "SIMILAR": ("sessions.similar", ("s",), {"limit": 1}),
    "ANALYSIS": ("sessions.analysis", ("s",), {"limit": 1, "cursor": "c"}),
    "FOLLOW": ("sessions.follow", ("s",), {"after": "1.1", "seconds": 0}),
    "PATTERNS": ("sessions.patterns", (), {"project": "p", "min_sessions": 2, "limit": 1, "cursor": "c"}),
    "PURGE": ("sessions.purge", ("s",), {}),
    "JOB": ("jobs.get", ("j",), {}),
    "JOBS": ("jobs.page", (), {"state": "done", "kind": "ingest", "project": "p", "developer": "d", "since": NOW, "until": NOW, "order": "oldest", "limit": 1, "cursor": "c"}),
    "CAPTURES": ("captures", (), {}),
    "CONTEXT": ("context", ("p",), {"max_tokens": 100}),
    "PROJECTS": ("projects_page", (), {"since": NOW, "until": NOW, "order": "name", "limit": 1, "cursor": "c"}),
    "PROJECT": ("project", ("p",), {}),
    "CLASSIFY": ("classify", ("t",), {"context": "c", "events": [Event(id="e", role="user")]}),
    "REDACT": ("redact", ("t",), {}),
    "POLICIES": ("policies", ("p",), {}),
    "CHECK_POLICIES": ("check_policies", ([],), {"policies": [], "file": "f", "project": "p"}),
    "MODELS": ("models", (), {}),
    "BUDGET": ("budget.own", (), {}),
    "SESSION_COSTS": ("budget.page", (), {"project": "p", "session": "s", "agent": "a", "developer": "d", "since": NOW, "until": NOW, "order": "cost", "limit": 1, "cursor": "c"}),
    "SESSION_COST": ("budget.session", ("s",), {}),
}  # fmt: skip


def test_the_synchronous_face_is_written_anew_after_a_change() -> None:
    """Else run python -m tests.sync_client."""
    lagging = [path.name for path, text in sync_client.written().items() if path.read_text() != text]
    assert lagging == []


def test_every_operation_has_its_method() -> None:
    assert set(CALLS) == set(ENDPOINTS)


@pytest.mark.parametrize("name", CALLS)
def test_a_method_with_all_its_arguments_sends_all_that_its_route_takes(name: str) -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        request.read()
        asked.append(request)
        return httpx2.Response(418)

    endpoint, (method, given, named) = ENDPOINTS[name], CALLS[name]
    with Client("http://cairn.example", "ck_x", transport=httpx2.MockTransport(answer)) as client, pytest.raises(CairnError):
        found: Any = client
        for part in method.split("."):
            found = getattr(found, part)
        list(found(*given, **named))
    (request,) = asked
    path = endpoint.path
    for part in ("item_id", "other_id", "session_id", "session", "job_id", "project_id", "name"):
        path = path.replace(f"{{{part}}}", part[0])
    assert (request.method, urlsplit(str(request.url)).path) == (endpoint.method, path)
    assert {key for key, _ in parse_qsl(urlsplit(str(request.url)).query)} == set(endpoint.query)
    assert set(endpoint.headers) <= set(request.headers)
    if endpoint.body:
        assert set(json.loads(request.content)) == set(endpoint.body)
    assert request.headers["authorization"] == "Bearer ck_x"


def test_both_faces_have_the_same_methods_with_the_same_arguments() -> None:
    for kind, blocking in ((AsyncClient, Client), *zip(_resources(AsyncClient), _resources(Client), strict=True)):
        names = [name for name in vars(kind) if not name.startswith("_")]
        assert names == [name for name in vars(blocking) if not name.startswith("_")]
        for name in names:
            if callable(getattr(kind, name)):
                assert list(inspect.signature(getattr(kind, name)).parameters) == list(
                    inspect.signature(getattr(blocking, name)).parameters
                )


def _resources(kind: Any) -> list[type]:
    client = kind("http://127.0.0.1:1", "ck_x")
    return [type(getattr(client, name)) for name in ("knowledge", "sessions", "jobs", "budget")]


def test_the_types_of_knowledge_are_the_servers() -> None:
    from typing import get_args

    from app.knowledge import item

    assert set(get_args(KnowledgeType)) == set(get_args(item.KnowledgeType))


def test_everything_public_is_documented_and_has_types() -> None:
    for name in cairn.client.__all__:
        thing = getattr(cairn.client, name)
        assert thing.__doc__, name
        for member, method in vars(thing).items():
            if not member.startswith("_") and inspect.isfunction(method):
                assert method.__doc__, f"{name}.{member}"
                assert "return" in get_type_hints(method), f"{name}.{member}"


def test_the_package_keeps_the_rules_of_words_and_size() -> None:
    every = modules(ROOT / "cairn")
    assert problems(every) == []
    assert [each.path for each in every if each.lines > 350] == []


def test_errors_keep_what_they_say_when_they_are_pickled() -> None:
    error = Conflict("too late", code="conflict", status=409, request_id="r")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.code, again.status, again.request_id) == (Conflict, "too late", "conflict", 409, "r")


def test_importing_the_client_imports_nothing_of_the_server() -> None:
    code = (
        "import sys, cairn.client; print([name for name in sys.modules if name.split('.')[0] in {'app', 'pydantic', 'torch', 'fastapi'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=300, check=True)
    assert done.stdout.strip() == "[]"
