"""A closed project isn't there for those whom it is closed to: over every route, MCP tool, hook and page. A new one fails until it is
in a table here.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from typing import Any, get_args
from uuid import uuid4

import aiohttp
import pytest
from mcp.shared.exceptions import MCPError

from app import dashboard
from app.budget.reporting import CLOSED_PROJECT
from app.mcp.definitions import TOOLS
from app.sessions.hook_payloads import Ide
from tests.integration.api.closed_project import CALL_NANOUSD, QUESTION, ClosedProject, fill, filled, read_some
from tests.integration.api.conftest import Api, generic
from tests.integration.api.test_mcp import client
from tests.signing_in import signed_in
from tests.waiting import patience

OUTSIDE = ["outsider", "auditor"]
NO_PROJECT: dict[str, Any] = {"statuses": {200, 400, 401, 402, 403, 404, 405, 409, 422, 502, 503}}
"""What a route that reads nothing of any project may answer to an empty request: it is asked all the same."""
GONE: dict[str, Any] = {"statuses": {404}}
REFUSED: dict[str, Any] = {"statuses": {403}}
EVENTS = generic(("x-1", "user", "Hello"))
FINDS = {"query": QUESTION, "min_score": 0}

ROUTES: dict[str, list[dict[str, Any]]] = {
    # sessions
    "POST /v1/sessions": [
        {"path": "/v1/sessions?project={project}&name=x.jsonl", "data": EVENTS, **REFUSED},
    ],
    "GET /v1/sessions": [
        {},
        {"path": "/v1/sessions?project={project}"},
        {"path": "/v1/sessions?before={session}", "statuses": {404, 422}},
        {"path": "/v1/sessions?subject=grease"},
        {"path": "/v1/sessions?developer={member}"},
    ],
    "GET /v1/sessions/{session_id}": [{"path": "/v1/sessions/{session}", **GONE}, {"path": "/v1/sessions/{live}", **GONE}],
    "GET /v1/sessions/{session_id}/similar": [{"path": "/v1/sessions/{session}/similar", **GONE}],
    "DELETE /v1/sessions/{session_id}": [{"path": "/v1/sessions/{session}", "statuses": {403, 404}}],
    "GET /v1/sessions/{session_id}/analysis": [{"path": "/v1/sessions/{session}/analysis", **GONE}],
    "GET /v1/sessions/{session_id}/stream": [{"path": "/v1/sessions/{session}/stream?seconds=1", **GONE}],
    "POST /v1/sessions/{session}/events": [
        {"path": "/v1/sessions/{external}/events", "data": EVENTS, **REFUSED},
        {"path": "/v1/sessions/{live}/events", "data": EVENTS, **REFUSED},
        {"path": "/v1/sessions/other/events?project={project}", "data": EVENTS, **REFUSED},
    ],
    "POST /v1/sessions/transcript-lines": [
        {
            "path": "/v1/sessions/transcript-lines?source=s&format=generic&end=true&project={project}",
            "data": EVENTS,
            "statuses": {202, 403},
        },
    ],
    "GET /v1/sessions/transcript-lines": [{"statuses": {200, 403}}],
    "GET /v1/sessions/{session_id}/prompts/{seq}/intent": [{"path": "/v1/sessions/{session}/prompts/1/intent", **GONE}],
    "PUT /v1/sessions/{session_id}/prompts/{seq}/intent": [
        {"path": "/v1/sessions/{session}/prompts/1/intent", "json": {"intent": "testing"}, **GONE}
    ],
    "GET /v1/jobs": [{}, {"path": "/v1/jobs?project={project}"}, {"path": "/v1/jobs?developer={member}", **REFUSED}],
    "GET /v1/jobs/{job_id}": [{"path": "/v1/jobs/{job}", **GONE}],
    "GET /v1/captures": [{}],
    "GET /v1/audit/prompts": [{}, {"path": "/v1/audit/prompts?project={project}"}, {"path": "/v1/audit/prompts?developer={member}"}],
    "GET /v1/projections": [{}],
    "POST /v1/hooks/{ide}": [NO_PROJECT],  # see test_hooks_of_an_outsider_…
    # knowledge
    "POST /v1/knowledge/query": [
        {"json": FINDS},
        {"json": FINDS | {"project": "{project}"}},
        {"json": FINDS | {"kinds": ["item"]}},
        {"json": FINDS | {"prefer_project": "{project}", "explain": True}},
        {"json": FINDS | {"mode": "answer"}},
        {"json": FINDS | {"mode": "answer", "stream": True}},
        {"json": FINDS | {"since": "2020-01-01T00:00:00Z"}, "headers": {"cache-control": "no-store"}},
    ],
    "POST /v1/knowledge": [{"json": {"type": "gotcha", "text": "Nothing of note is said here.", "project": "{project}"}, **REFUSED}],
    "GET /v1/knowledge": [
        {},
        {"path": "/v1/knowledge?project={project}"},
        {"path": "/v1/knowledge?session={session}"},
        {"path": "/v1/knowledge?subject=grease"},
    ],
    "GET /v1/knowledge/{item_id}": [{"path": "/v1/knowledge/{item}", **GONE}, {"path": "/v1/knowledge/{passage}", **GONE}],
    "DELETE /v1/knowledge/{item_id}": [
        {"path": "/v1/knowledge/{item}", "statuses": {403, 404}},
        {"path": "/v1/knowledge/{passage}", "statuses": {403, 404}},
    ],
    "PATCH /v1/knowledge/{item_id}": [{"path": "/v1/knowledge/{item}", "json": {"title": "Mine"}, "statuses": {403, 404}}],
    "POST /v1/knowledge/{item_id}/restore": [{"path": "/v1/knowledge/{item}/restore", **GONE}],
    "GET /v1/knowledge/contradictions": [{}, {"path": "/v1/knowledge/contradictions?project={project}"}],
    "POST /v1/knowledge/{item_id}/contradictions/{other_id}": [
        {"path": "/v1/knowledge/{item}/contradictions/{open_item}", "json": {"decision": "both_hold"}, **GONE},
        {"path": "/v1/knowledge/{kafka}/contradictions/{pulsar}", "json": {"decision": "this_holds"}, **GONE},
        {"path": "/v1/knowledge/{open_item}/contradictions/{pulsar}", "json": {"decision": "both_hold"}, "statuses": {409}},
    ],
    "POST /v1/knowledge/{item_id}/feedback": [
        {"path": "/v1/knowledge/{item}/feedback", "json": {"verdict": "wrong"}, "statuses": {403, 404}},
        {"path": "/v1/knowledge/{passage}/feedback", "json": {"verdict": "wrong"}, "statuses": {403, 404}},
    ],
    "POST /v1/knowledge/{item_id}/keep": [{"path": "/v1/knowledge/{item}/keep", **REFUSED}],
    "POST /v1/knowledge/{item_id}/retire": [{"path": "/v1/knowledge/{item}/retire", **REFUSED}],
    "POST /v1/knowledge/{item_id}/merge": [{"path": "/v1/knowledge/{item}/merge", "json": {"into": "{open_item}"}, **REFUSED}],
    "GET /v1/knowledge/review": [REFUSED, {"path": "/v1/knowledge/review?project={project}", **REFUSED}],
    "GET /v1/knowledge/review/{name}": [{"path": "/v1/knowledge/review/new", **REFUSED}],
    "GET /v1/knowledge/{item_id}/history": [
        {"path": "/v1/knowledge/{item}/history", **GONE},
        {"path": "/v1/knowledge/{passage}/history", **GONE},
        {"path": "/v1/knowledge/{open_item}/history"},
    ],
    "GET /v1/knowledge/freshness": [{"path": "/v1/knowledge/freshness?project={project}&repository=x", **GONE}],
    "DELETE /v1/knowledge/freshness": [{"path": "/v1/knowledge/freshness?project={project}&repository=x", **GONE}],
    "PUT /v1/knowledge/freshness": [{"json": {"project": "{project}", "repository": "x", "head": "a" * 40, "marks": []}, **GONE}],
    "GET /v1/context/session": [{"path": "/v1/context/session?project={project}"}],
    "GET /v1/patterns": [
        {},
        {"path": "/v1/patterns?min_sessions=1"},
        {"path": "/v1/patterns?project={project}", **GONE},
    ],
    "GET /v1/policies": [{}, {"path": "/v1/policies?project={project}", **GONE}],
    "PUT /v1/policies": [{"path": "/v1/policies?project={project}", "json": {}, **REFUSED}],
    "POST /v1/policies/check": [{"json": {"events": []}}, {"json": {"events": [], "project": "{project}"}, **GONE}],
    "POST /mcp": [NO_PROJECT],  # see test_no_mcp_tool_…
    # projects
    "GET /v1/projects": [{}],
    "GET /v1/projects/{project_id}": [{"path": "/v1/projects/{project_id}", **GONE}],
    "PATCH /v1/projects/{project_id}": [
        {"path": "/v1/projects/{project_id}", "json": {"open": "team"}, **REFUSED},
        {"path": "/v1/projects/{project_id}", "json": {"name": "mine"}, **REFUSED},
        {"path": "/v1/projects/{project_id}", "json": {"show_prompts": True}, **REFUSED},
    ],
    "POST /v1/projects/{project_id}/merge": [{"path": "/v1/projects/{project_id}/merge", "json": {"into": "{open_project_id}"}, **REFUSED}],
    # what sessions cost
    "GET /v1/budget/spend": [
        {"path": f"/v1/budget/spend?by={by}{only}"}
        for by in ("project", "model", "session", "day")
        for only in ("", "&project={project}", "&project=quay", "&model=fake-1")
    ],
    "GET /v1/budget/spend.csv": [{"path": "/v1/budget/spend.csv?by=project"}, {"path": "/v1/budget/spend.csv?by=project&provider=fake"}],
    "GET /v1/budget/calls": [{}, {"path": "/v1/budget/calls?project={project}"}, {"path": "/v1/budget/calls?model=fake-1"}],
    "GET /v1/budget/calls.csv": [{}, {"path": "/v1/budget/calls.csv?project={project}"}],
    "GET /v1/budget/calls/statistics": [
        {"path": "/v1/budget/calls/statistics?by=project"},
        {"path": "/v1/budget/calls/statistics?by=project&project={project}"},
    ],
    "GET /": [NO_PROJECT],
    "GET /v1": [NO_PROJECT],
    "GET /v1/developers/{name}/export": [{"path": "/v1/developers/{member}/export", **REFUSED}],
    "GET /v1/export": [{}],
    "GET /v1/knowledge/export": [{}, {"path": "/v1/knowledge/export?project={project}", **GONE}],
    "GET /v1/budget/sessions": [{}, {"path": "/v1/budget/sessions?project={project}"}],
    "GET /v1/budget/sessions/{session}": [{"path": "/v1/budget/sessions/{external}", **GONE}],
}
"""Route → requests with an outsider's key: `path` where it isn't the route's, the body, `statuses` (200 unless said)."""
ROUTES |= {
    each: [NO_PROJECT]
    for each in (
        "POST /v1/chat/completions", "POST /v1/embeddings", "GET /v1/models", "GET /v1/models/{model}", "GET /v1/providers",
        "POST /v1/messages", "POST /v1/messages/count_tokens", "POST /v1/responses", "HEAD /api/hello", "GET /healthz", "GET /readyz",
        "GET /metrics", "POST /v1/redact", "POST /v1/classify", "POST /v1/teams", "GET /v1/teams", "POST /v1/developers", "GET /v1/developers", "GET /v1/developers/{name}", "GET /v1/keys/{key_id}", "GET /v1/alerts/history",
        "GET /v1/me", "GET /v1/keys", "DELETE /v1/developers/{name}", "POST /v1/developers/{name}/invitations", "GET /v1/invitations",
        "DELETE /v1/invitations/{invitation_id}", "POST /v1/invitations/accept", "POST /v1/webhooks/git", "GET /v1/openid", "GET /v1/openid/accounts",
        "PUT /v1/developers/{name}/openid", "DELETE /v1/developers/{name}/openid",
        "PATCH /v1/developers/{name}", "POST /v1/developers/{name}/keys", "PATCH /v1/keys/{key_id}",
        "DELETE /v1/keys/{key_id}", "GET /v1/budget",
        "GET /v1/budget/verify", "GET /v1/budgets", "GET /v1/budgets/{developer}", "PUT /v1/budgets/{developer}",
        "POST /v1/budgets/{developer}/top-ups", "GET /v1/budgets/{developer}/movements", "GET /v1/budgets/{developer}/movements.csv",
        "POST /v1/budgets/{developer}/reconcile", "POST /v1/budgets/{developer}/corrections", "GET /v1/teams/{name}/budget",
        "PUT /v1/teams/{name}/budget", "GET /v1/caches", "DELETE /v1/caches/{name}", "POST /v1/channels/{channel}/messages",
        "GET /v1/channels/{channel}/messages", "GET /v1/channels/{channel}/stream", "POST /v1/channels/{channel}/acknowledgements",
        "GET /v1/channels/{channel}/dead-letters", "POST /v1/index/rebuild", "GET /v1/alerts",
    )
}  # fmt: skip

PAGES: dict[str, list[str]] = {
    "": [""],
    "/budget": ["/budget"],
    "/calls": ["/calls", "/calls?by=project", "/calls?project={project}"],
    "/calls.csv": ["/calls.csv"],
    "/spend": ["/spend", "/spend?by=project", "/spend?by=project&project={project}"],
    "/spend.csv": ["/spend.csv?by=project"],
    "/knowledge": ["/knowledge", f"/knowledge?q={QUESTION}", f"/knowledge?q={QUESTION}&project={{project}}"],
    "/knowledge.csv": ["/knowledge.csv"],
    "/knowledge/items.csv": [
        "/knowledge/items.csv",
        "/knowledge/items.csv?project={project}",
        "/knowledge/items.csv?subject=grease",
        "/knowledge/items.csv?session={session}",
    ],
    "/knowledge/items": ["/knowledge/items", "/knowledge/items?project={project}", "/knowledge/items?subject=grease"],
    "/knowledge/items/{item_id}/merge": ["/knowledge/items/{item}/merge", "/knowledge/items/{open_item}/merge"],
    "/knowledge/review": ["/knowledge/review", "/knowledge/review?list=outdated&project={project}"],
    "/knowledge/items/{item_id}": ["/knowledge/items/{item}", "/knowledge/items/{open_item}"],
    "/live": ["/live?of=now&project={project}", "/live?of=knowledge"],
    "/now": ["/now", "/now?project={project}"],
    "/prompts": ["/prompts", "/prompts?project={project}"],
    "/projects/{project_id}/prompts": ["/projects/{project_id}/prompts"],
    "/stuck": ["/stuck", "/stuck?project={project}"],
    "/sessions": ["/sessions", "/sessions?project={project}", "/sessions?before={session}", "/sessions?subject=grease"],
    "/sessions.csv": ["/sessions.csv", "/sessions.csv?subject=grease", "/sessions.csv?project={project}"],
    "/sessions/{session_id}": ["/sessions/{session}", "/sessions/{live}"],
    "/system": ["/system"],
    "/system/{chart}": ["/system/search-seconds"],
    "/system/{chart}.csv": ["/system/search-seconds.csv"],
    "/team": ["/team"],
    "/team.csv": ["/team.csv"],
    "/developers/{name:path}": ["/developers/{member}"],
    "/developers/{name:path}/movements.csv": ["/developers/{member}/movements.csv"],
    "/people": ["/people", "/people?q={member}"],
    "/people/{name}": ["/people/{member}"],
    "/people/{name}/remove": ["/people/{member}/remove"],
    "/people/{name}/sessions.ndjson": ["/people/{member}/sessions.ndjson"],
    "/people/{name}/keys/{key_id}/limits": ["/people/{member}/keys/{session}/limits"],
    "/people/{name}/keys/{key_id}/revoke": ["/people/{member}/keys/{session}/revoke"],
    "/invitations": ["/invitations"],
    "/projects": ["/projects", "/projects?q={project}", "/projects?open=members", "/projects?after={project_id}"],
    "/projects/{project_id}": ["/projects/{project_id}", "/projects/{open_project_id}"],
    "/projects/{project_id}/merge": ["/projects/{project_id}/merge?into=quay", "/projects/{open_project_id}/merge?into={project}"],
    "/sign-in": ["/sign-in"],
    "/invite/{token}": [],  # for whoever has no key yet
    "/sign-in/openid": [],  # to the provider and back
    "/sign-in/openid/callback": [],
    "/assets/{digest}/{file}": [],
}

TOOL_CALLS: dict[str, list[dict[str, Any]]] = {
    "search": [{"query": QUESTION}, {"query": QUESTION, "all_projects": True}, {"query": QUESTION, "all_projects": True, "kind": "item"}],
    "get": [{"ids": ["{item}"]}, {"ids": ["{passage}", "{open_item}"]}],
    "fetch": [{"id": "{item}"}, {"id": "{passage}"}],
    "remember": [{"text": "Nothing of note is said here."}],
    "feedback": [{"id": "{item}", "verdict": "wrong"}],
    "session_context": [{}],
}


@pytest.fixture(scope="module")
async def closed(api: Api) -> ClosedProject:
    return await fill(api)


def told(closed: ClosedProject, text: str, *, sent: object = "") -> bool:
    """Whether a reply tells anything of the project. Its name may come back only where the request had it."""
    return closed.secret in text or (closed.name in text and closed.name not in str(sent))


async def test_every_route_is_in_the_table(api: Api) -> None:
    there = {f"{method.upper()} {path}" for path, methods in api.app.openapi()["paths"].items() for method in methods}
    assert there == ROUTES.keys()


def test_every_page_and_tool_is_in_its_table() -> None:
    modules = (importlib.import_module(f"app.dashboard.{each.name}") for each in pkgutil.iter_modules(dashboard.__path__))
    routes = [route for module in modules if hasattr(module, "router") for route in module.router.routes]
    assert {route.path.removeprefix("/dashboard") for route in routes if "GET" in route.methods} == PAGES.keys()
    assert {each["name"] for each in TOOLS} == TOOL_CALLS.keys()


@pytest.mark.parametrize("who", OUTSIDE)
async def test_no_route_tells_an_outsider_of_a_closed_project(closed: ClosedProject, who: str) -> None:
    names = closed.ids | {"project": closed.name, "member": closed.developer("member")}
    for route, requests in ROUTES.items():
        method, _, path = route.partition(" ")
        for each in requests:
            options = {name: filled(each[name], names) for name in ("json", "data", "headers") if name in each}
            asked = filled(each.get("path", path), names)
            status, said = await read_some(closed, who, method, asked, seconds=3, **options)
            assert not told(closed, said, sent=(asked, options)), (route, each, said)
            allowed = each.get("statuses", {200})
            assert status in (allowed if who == "outsider" else allowed | {403}), (route, asked, status, said)


@pytest.mark.parametrize("who", ["member", "lead"])
async def test_members_and_leads_see_and_use_a_closed_project(closed: ClosedProject, who: str) -> None:
    for path in (
        "/v1/sessions/{session}",
        "/v1/sessions",
        "/v1/knowledge/{item}",
        "/v1/knowledge/{passage}",
        "/v1/knowledge",
        "/v1/knowledge/contradictions",
        "/v1/projects",
    ):
        shown = await closed.ask(who, "GET", filled(path, closed.ids))
        assert (shown.status, told(closed, shown.text)) == (200, True), path
    assert await closed.tells(who)
    assert (await closed.ask(who, "GET", f"/v1/jobs/{closed.ids['job']}")).status == 200
    sent = await closed.ask(who, "POST", f"/v1/sessions/{uuid4()}/events?project={closed.name}", data=generic((uuid4().hex, "user", "Hi")))
    assert sent.status == 202


@pytest.mark.parametrize("who", OUTSIDE)
async def test_no_page_tells_an_outsider_of_a_closed_project(closed: ClosedProject, who: str) -> None:
    names = closed.ids | {"project": closed.name, "member": closed.developer("member")}
    async with signed_in(closed.api, closed.keys[who]) as browser:
        for paths in PAGES.values():
            for path in paths:
                asked = filled(path, names)
                text = await _page(browser, f"{closed.api.url}/dashboard{asked}")
                assert not told(closed, text, sent=asked), (asked, text)


ITEMS = "/knowledge/items"
FORMS: dict[str, dict[str, str]] = {
    ITEMS: {"type": "gotcha", "title": "", "text": "Nothing of note is said here.", "paths": "", "project": "{project}"},
    f"{ITEMS}/{{item}}/correct": {"type": "gotcha", "title": "Mine", "text": "Mine now.", "paths": ""},
    f"{ITEMS}/{{item}}/feedback": {"verdict": "wrong", "note": ""},
    f"{ITEMS}/{{item}}/delete": {},
    f"{ITEMS}/{{item}}/restore": {},
    f"{ITEMS}/{{item}}/retire": {},
    f"{ITEMS}/{{item}}/merge": {"into": "{open_item}"},
    "/knowledge/review/{item}/keep": {"list": "new", "project": ""},
    "/knowledge/review/{item}/retire": {"list": "new", "project": ""},
    "/knowledge/review/{item}/contradictions/{open_item}": {"decision": "both_hold", "list": "contradicted", "project": ""},
    f"{ITEMS}/{{item}}/contradictions/{{open_item}}": {"decision": "both_hold"},
    "/projects/{project_id}/name": {"name": "mine"},
    "/projects/{project_id}/openness": {"open": "team", "members": ""},
    "/projects/{project_id}/members": {"members": "{outsider}"},
    "/projects/{project_id}/members/remove": {"member": "{member}"},
    "/projects/{project_id}/merge": {"into": "{open_project_id}", "once": "1"},
    "/projects/{open_project_id}/merge": {"into": "{project_id}", "once": "2"},
}
"""The forms of items and projects, the only ones of the dashboard that change what a project holds, or whom it is open to."""


@pytest.mark.parametrize("who", OUTSIDE)
async def test_no_form_changes_what_a_closed_project_holds_or_tells_of_it(closed: ClosedProject, who: str) -> None:
    names, item = closed.ids | {"project": closed.name}, f"/v1/knowledge/{closed.ids['item']}"
    names |= {each: closed.developer(each) for each in ("member", "outsider")}
    before = (await closed.ask("member", "GET", item)).json
    project_before = (await closed.ask("lead", "GET", f"/v1/projects/{closed.ids['project_id']}")).json
    async with signed_in(closed.api, closed.keys[who]) as browser:
        token = (await _page(browser, f"{closed.api.url}/dashboard/knowledge/items")).split('name="csrf" value="')[1].split('"')[0]
        for path, form in FORMS.items():
            url = f"{closed.api.url}/dashboard{filled(path, names)}"
            async with browser.post(url, data=filled(form, names) | {"csrf": token}) as reply:
                assert reply.status in {403, 404}, path
                assert not told(closed, await reply.text(), sent=form if "project" not in form else names), path
    assert (await closed.ask("member", "GET", item)).json == before
    assert (await closed.ask("lead", "GET", f"/v1/projects/{closed.ids['project_id']}")).json == project_before


async def test_the_pages_show_a_member_what_they_hide_from_outsiders(closed: ClosedProject) -> None:
    async with signed_in(closed.api, closed.keys["member"]) as browser:
        paths = ["/knowledge", "/knowledge/items", "/sessions", "/now", "/knowledge/items/{item}", "/sessions/{session}"]
        for path in (
            *paths,
            "/projects",
            "/projects/{project_id}",
            "/budget",
            "/calls",
            "/calls.csv",
            "/spend?by=project",
            "/spend.csv?by=project",
        ):
            assert told(closed, await _page(browser, f"{closed.api.url}/dashboard{filled(path, closed.ids)}")), path


@pytest.mark.parametrize("who", [*OUTSIDE, "member", "lead"])
async def test_what_calls_of_a_closed_project_cost_is_one_part_for_outsiders_and_all_sums_are_exact(
    closed: ClosedProject, who: str
) -> None:
    payers = [who] if who in CALL_NANOUSD else list(CALL_NANOUSD)
    costs = {closed.name: 2 * sum(CALL_NANOUSD[each] for each in payers), "quay": sum(CALL_NANOUSD[each] for each in payers)}
    costs = {CLOSED_PROJECT if name == closed.name and who in OUTSIDE else name: cost for name, cost in costs.items()}
    for path in ("spend?by=project", "spend?by=project&model=fake-1", "calls/statistics?by=project"):
        found = (await closed.ask(who, "GET", f"/v1/budget/{path}")).json
        parts = {each["key"]: round((each.get("spent_usd") or each.get("cost_usd")) * 10**9) for each in found["parts"]}
        assert parts == costs, path
    for name, cost in costs.items():
        spent = (await closed.ask(who, "GET", "/v1/budget/spend", params={"project": name})).json["spent_usd"]
        assert round(spent * 10**9) == cost, name
        calls = (await closed.ask(who, "GET", "/v1/budget/calls", params={"project": name})).json["calls"]
        assert {each["project"] for each in calls} == {name}
        assert sum(round(each["cost_usd"] * 10**9) for each in calls) == cost, name


@pytest.mark.parametrize("who", OUTSIDE)
async def test_a_filter_by_a_closed_projects_name_finds_what_one_by_an_unknown_name_finds(closed: ClosedProject, who: str) -> None:
    for path in ("spend", "spend.csv", "calls", "calls.csv", "calls/statistics"):
        by_closed, by_unknown = [
            await closed.ask(who, "GET", f"/v1/budget/{path}", params={"project": name}) for name in (closed.name, "no-such-project")
        ]
        assert (by_closed.status, by_closed.text) == (200, by_unknown.text), path


async def _page(browser: aiohttp.ClientSession, url: str) -> str:
    """A page's text, of a live one what comes within a second."""
    async with browser.get(url) as reply:
        said = bytearray()
        try:
            async with asyncio.timeout(1 if "/live" in url else 60):
                async for chunk in reply.content.iter_any():
                    said += chunk
        except TimeoutError:
            pass
        return said.decode()


@pytest.mark.parametrize("named", [True, False])
async def test_no_mcp_tool_tells_an_outsider_of_a_closed_project(closed: ClosedProject, *, named: bool) -> None:
    names = closed.ids | {"project": closed.name}
    async with client(closed.api, closed.keys["outsider"], project=closed.name if named else "quay") as opened:
        for tool, calls in TOOL_CALLS.items():
            for given in calls:
                result = await opened.call_tool(tool, filled(given, names))
                said = f"{result.content} {result.structured_content}"
                assert not told(closed, said, sent=closed.name if named else ""), (tool, given, said)
        for uri in ("cairn://item/{item}", "cairn://item/{passage}", "cairn://session/{session}"):
            with pytest.raises(MCPError) as refused:
                await opened.read_resource(filled(uri, closed.ids))
            assert not told(closed, str(refused.value))


@pytest.mark.parametrize("ide", get_args(Ide))
async def test_hooks_of_an_outsider_in_a_closed_project_are_refused_and_given_nothing(closed: ClosedProject, ide: str) -> None:
    session = {"session_id": uuid4().hex, "conversation_id": uuid4().hex, "generation_id": "g", "cwd": "/home/bo/crane"}
    prompt = {"prompt": QUESTION, "hook_event_name": "beforeSubmitPrompt" if ide == "cursor" else "UserPromptSubmit"}
    headers = {"x-cairn-project": closed.name}
    asked = await closed.ask("outsider", "POST", f"/v1/hooks/{ide}", json=session | prompt, headers=headers)
    assert (asked.status, told(closed, asked.text)) == (403, False)
    assert "isn't open to you" in asked.error["message"]
    start = {"hook_event_name": "sessionStart" if ide == "cursor" else "SessionStart", "source": "startup"}
    begun = await closed.ask("outsider", "POST", f"/v1/hooks/{ide}", json=session | start, headers=headers)
    assert not told(closed, begun.text)


async def test_a_transcript_of_a_closed_projects_repository_is_refused_and_makes_nothing(closed: ClosedProject) -> None:
    project, path = f"works{uuid4().hex[:8]}", f"/home/ada/{uuid4().hex[:8]}"
    mine = generic((uuid4().hex, "user", "Where is the crane?"))
    done = await closed.api.ingest(mine, key=closed.keys["member"], directory=f"{path}/{project}", name="a.jsonl")
    (session,) = done["result"]["sessions"]
    shown = (await closed.ask("member", "GET", f"/v1/sessions/{session}")).json
    found = next(each for each in (await closed.ask("lead", "GET", "/v1/projects")).json["projects"] if each["name"] == shown["project"])
    await closed.ask("lead", "PATCH", f"/v1/projects/{found['id']}", json={"open": "members", "members": [closed.developer("member")]})
    theirs = generic((uuid4().hex, "user", "And where is the ferry?"))
    failed = await closed.api.ingest(theirs, key=closed.keys["outsider"], directory=f"{path}/{project}", name="b.jsonl")
    assert (failed["state"], failed["error"]["code"]) == ("failed", "not_permitted")
    assert "isn't open to you" in failed["error"]["message"]


async def test_an_export_of_ones_own_sessions_leaves_out_projects_that_are_closed_since(closed: ClosedProject) -> None:
    path = f"/v1/developers/{closed.developer('outsider')}/export"
    assert (await closed.change(open="team")).status == 200
    sent = generic((uuid4().hex, "user", f"The crane of {closed.secret} stands still."))
    for project, events in ((closed.name, sent), ("quay", generic((uuid4().hex, "user", "Hi")))):
        told_of = await closed.ask("outsider", "POST", f"/v1/sessions/{uuid4()}/events?project={project}", data=events)
        assert told_of.status == 202
    assert told(closed, (await closed.ask("outsider", "GET", path)).text)
    assert (await closed.change(open="members", members=[closed.developer("member")])).status == 200
    exported = await closed.ask("outsider", "GET", path)
    assert (exported.status, told(closed, exported.text), '"sessions":1,' in exported.text) == (200, False, True)
    assert told(closed, (await closed.api.ask("GET", path)).text)  # the admin's


async def test_membership_counts_at_once_in_searches_lists_and_running_streams(closed: ClosedProject) -> None:
    outsider, session = closed.developer("outsider"), f"/v1/sessions/{closed.ids['session']}"
    assert not await closed.tells("outsider")
    assert (await closed.change(add_members=[outsider])).status == 200
    assert await closed.tells("outsider")
    assert (await closed.ask("outsider", "GET", session)).status == 200
    stream = asyncio.create_task(read_some(closed, "outsider", "GET", f"{session}/stream?seconds=60", seconds=90))
    await asyncio.sleep(1)
    assert (await closed.change(remove_members=[outsider])).json["members"] == [closed.developer("member")]
    assert not await closed.tells("outsider")
    assert (await closed.ask("outsider", "GET", session)).status == 404
    late = generic((uuid4().hex, "assistant", f"Told to members after the change: late{closed.secret}."))
    assert (await closed.ask("member", "POST", f"{session}/events", data=late)).status in {202, 403}
    async with patience():
        _, said = await stream
    assert f"late{closed.secret}" not in said


async def test_two_who_see_different_projects_never_share_a_cached_result(closed: ClosedProject) -> None:
    question = "Which manifold keeps the grease of the crane warm?"
    for _ in range(2):
        assert await closed.tells("member", question)
        assert not await closed.tells("outsider", question)
        assert await closed.tells("lead", question)


async def test_a_question_during_the_closing_of_a_project_is_never_cached_for_later(closed: ClosedProject) -> None:
    for number in range(5):
        assert (await closed.change(open="team")).status == 200
        question = f"What about crane {number}, its grease and its manifold?"
        asked = asyncio.gather(*(closed.tells("outsider", question) for _ in range(6)))
        changed = await closed.change(open="members", members=[closed.developer("member")])
        await asked
        assert changed.status == 200
        assert not await closed.tells("outsider", question)


async def test_a_closed_project_is_merged_only_where_nobody_else_sees_it(closed: ClosedProject) -> None:
    ids = closed.ids
    into = await closed.api.ask(
        "POST", f"/v1/projects/{ids['project_id']}/merge", json={"into": ids["open_project_id"]}, headers=_team(closed)
    )
    assert (into.status, into.error["param"]) == (409, "into")
    body = {"type": "gotcha", "text": "A third project has this to say, and no more.", "project": f"third{uuid4().hex[:6]}"}
    made = (await closed.ask("member", "POST", "/v1/knowledge", json=body)).json
    third = next(each for each in (await closed.ask("lead", "GET", "/v1/projects")).json["projects"] if each["name"] == made["project"])
    done = await closed.api.ask("POST", f"/v1/projects/{third['id']}/merge", json={"into": ids["project_id"]}, headers=_team(closed))
    assert done.status == 200, done.text
    assert (await closed.ask("outsider", "GET", f"/v1/knowledge/{made['id']}")).status == 404


async def test_a_session_is_closed_to_its_own_author_once_its_project_is_merged_into_a_closed_one(closed: ClosedProject) -> None:
    name, project = uuid4().hex, f"fourth{uuid4().hex[:6]}"
    path = f"/v1/sessions/{name}/events?project={project}"
    assert (await closed.ask("outsider", "POST", path, data=generic((f"{name}-1", "user", "Hello")))).status == 202
    fourth = next(each for each in (await closed.ask("lead", "GET", "/v1/projects")).json["projects"] if each["name"] == project)
    into = {"into": closed.ids["project_id"]}
    merged = await closed.api.ask("POST", f"/v1/projects/{fourth['id']}/merge", json=into, headers=_team(closed))
    assert merged.status == 200, merged.text
    refused = await closed.ask("outsider", "POST", path, data=generic((f"{name}-2", "user", "And again")))
    assert (refused.status, "isn't open to you" in refused.text) == (403, True), refused.text


async def test_an_export_of_ones_own_sessions_leaves_out_those_of_a_project_that_was_closed_to_one(closed: ClosedProject) -> None:
    name, outsider = uuid4().hex, closed.developer("outsider")
    assert (await closed.change(add_members=[outsider])).status == 200
    event = generic((f"{name}-1", "user", f"Where is {closed.secret}?"))
    sent = await closed.ask("outsider", "POST", f"/v1/sessions/{name}/events?project={closed.name}", data=event)
    assert sent.status == 202, sent.text
    before = await closed.ask("outsider", "GET", f"/v1/developers/{outsider}/export")
    assert told(closed, before.text)
    assert (await closed.change(remove_members=[outsider])).status == 200
    after = await closed.ask("outsider", "GET", f"/v1/developers/{outsider}/export")
    assert (after.status, told(closed, after.text)) == (200, False)
    assert told(closed, (await closed.api.ask("GET", f"/v1/developers/{outsider}/export")).text), "an admin's has them"


async def test_only_leads_and_admins_say_whom_a_project_is_open_to_and_only_developers_of_its_team_are_members(
    closed: ClosedProject,
) -> None:
    path = f"/v1/projects/{closed.ids['project_id']}"
    stranger = f"x-{uuid4().hex[:10]}"
    assert (await closed.api.ask("POST", "/v1/developers", json={"name": stranger})).status == 201
    assert (await closed.ask("member", "PATCH", path, json={"add_members": [closed.developer("outsider")]})).status == 403
    for body, field in (
        ({"add_members": [stranger]}, "members"),
        ({"members": ["nobody"]}, "members"),
        ({"open": "team", "members": [closed.developer("member")]}, "open"),
        ({"open": "everybody"}, "open"),
        ({}, None),
    ):
        refused = await closed.ask("lead", "PATCH", path, json=body)
        assert (refused.status, refused.error["param"]) == (422, field), body
    assert (await closed.ask("lead", "GET", path)).json["members"] == [closed.developer("member")]
    assert (await closed.api.ask("PATCH", path, json={"open": "team"})).status == 404  # another team's


def _team(closed: ClosedProject) -> dict[str, str]:
    return {"x-cairn-team": closed.team}


async def test_a_list_of_jobs_leaves_out_ones_own_of_a_project_that_was_closed_since(closed: ClosedProject) -> None:
    sent = {}
    for project in ("pier", "quay"):
        data = generic((uuid4().hex, "user", f"Is the {project} dry?"))
        sent[project] = (await closed.ask("outsider", "POST", f"/v1/sessions?project={project}", data=data)).json["job_id"]
        await closed.api.finished(sent[project])

    async def listed(who: str, **params: str) -> set[str]:
        jobs = (await closed.ask(who, "GET", "/v1/jobs", params={"limit": "200", **params})).json["jobs"]
        return {project for project, job in sent.items() if job in {each["id"] for each in jobs}}

    assert await listed("outsider") == await listed("lead") == {"pier", "quay"}
    projects = (await closed.ask("lead", "GET", "/v1/projects")).json["projects"]
    pier = next(each["id"] for each in projects if each["name"] == "pier")
    assert (await closed.ask("lead", "PATCH", f"/v1/projects/{pier}", json={"open": "members", "members": []})).status == 200
    assert await listed("outsider") == await listed("outsider", project="quay") == {"quay"}
    assert await listed("outsider", project="pier") == await listed("member") == set()
    assert await listed("lead", project="pier") == {"pier"}
    assert [(await closed.ask("outsider", "GET", f"/v1/jobs/{job}")).status for job in sent.values()] == [404, 200]
