"""What holds on every route under /v1: known query parameters, pages and their cursors, periods, entity tags, CORS; and what / says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api, Reply, generic, serving

ORIGIN = "https://plugin.example.com"


async def sessions(api: Api, number: int) -> str:
    """A project with so many sessions, a day apart."""
    project = f"paged-{uuid4().hex[:10]}"
    for day in range(number):
        event = json.dumps({"id": "a", "role": "user", "text": "x", "timestamp": f"2026-10-{day + 1:02}T12:00:00Z"})
        sent = await api.ask("POST", f"/v1/sessions/{project}-{day}/events?project={project}", data=event)
        assert sent.status == 202
    return project


async def listed(api: Api, project: str, **params: str) -> Reply:
    return await api.ask("GET", "/v1/sessions", params={"project": project, **params})


def days(reply: Reply) -> list[int]:
    return [int(each["external_id"].rpartition("-")[2]) for each in reply.json["sessions"]]


@pytest.mark.parametrize(
    ("query", "param", "says"),
    [
        ("projcet=shop", "projcet", "did you mean project?"),
        ("Limit=3", "Limit", "did you mean limit?"),
        ("before=1", "before", "leave it out; it takes cursor, developer, limit"),
        ("limit=2&limit=3", "limit", "sent 2 times"),
        ("x" * 300 + "=1", "x" * 100, "is not a query parameter"),
    ],
)
async def test_an_unknown_or_repeated_query_parameter_is_refused_and_named(api: Api, query: str, param: str, says: str) -> None:
    refused = await api.ask("GET", f"/v1/sessions?{query}")
    assert (refused.status, refused.error["param"]) == (422, param)
    assert says in refused.error["message"]


async def test_a_route_without_query_parameters_says_that_it_takes_none(api: Api) -> None:
    refused = await api.ask("GET", "/v1/budget/verify?page=2")
    assert "it takes none" in refused.error["message"]
    assert (await api.ask("POST", "/v1/redact?dry=true", json={"text": "x"})).error["param"] == "dry"


async def test_a_secret_in_the_name_of_a_parameter_is_not_repeated(api: Api) -> None:
    refused = await api.ask("GET", "/v1/teams?AKIAIOSFODNN7EXAMPLQ=1")
    assert (refused.status, "AKIAIOSFODNN7EXAMPLQ" in refused.text) == (422, False)


async def test_routes_of_the_vendors_take_what_their_clients_add(api: Api) -> None:
    assert (await api.ask("GET", "/v1/models?api-version=2026-01-01")).status == 200
    counted = await api.ask(
        "POST", "/v1/messages/count_tokens?beta=true", json={"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
    )
    assert (counted.status, counted.json["error"]["details"]) == (
        404,
        {"error_code": "model_not_found", "param": "model"},
    )  # none is set up


async def test_sessions_come_in_either_order_page_by_page(api: Api) -> None:
    project = await sessions(api, 5)
    for order, wanted in (("newest", [4, 3, 2, 1, 0]), ("oldest", [0, 1, 2, 3, 4])):
        found, params = [], {"order": order, "limit": "2"}
        while True:
            page = await listed(api, project, **params)
            found += days(page)
            if (cursor := page.json["next_cursor"]) is None:
                break
            params["cursor"] = cursor
        assert found == wanted


async def test_what_comes_meanwhile_shifts_no_page(api: Api) -> None:
    project = await sessions(api, 3)
    first = await listed(api, project, limit="2")
    event = json.dumps({"id": "a", "role": "user", "text": "x", "timestamp": "2026-10-20T12:00:00Z"})
    await api.ask("POST", f"/v1/sessions/{project}-9/events?project={project}", data=event)
    assert days(await listed(api, project, limit="2", cursor=first.json["next_cursor"])) == [0]


async def test_a_cursor_that_was_altered_or_belongs_elsewhere_is_refused(api: Api) -> None:
    project = await sessions(api, 2)
    cursor = (await listed(api, project, limit="1")).json["next_cursor"]
    assert (await listed(api, project, limit="1", cursor=cursor)).status == 200
    altered = [cursor[:-1], cursor + "A", f"{cursor}!", ("B" if cursor[0] == "A" else "A") + cursor[1:], "", "é", "x" * 900]
    refused = [await listed(api, project, cursor=each) for each in altered]
    refused.append(await listed(api, "another", cursor=cursor))
    refused.append(await listed(api, project, cursor=cursor, order="oldest"))
    refused.append(await api.ask("GET", "/v1/knowledge", params={"project": project, "cursor": cursor}))
    other = await api.developer(f"team-{uuid4().hex[:8]}")
    refused.append(await api.ask("GET", "/v1/sessions", key=other, params={"project": project, "limit": "1", "cursor": cursor}))
    assert {(each.status, each.error["param"]) for each in refused} == {(422, "cursor")}
    assert "doesn't belong to this list" in refused[0].error["message"]


@pytest.mark.parametrize(
    ("params", "param", "says"),
    [
        ({"since": "2569-11-29"}, "since", "lies in the future"),
        ({"since": "1447-05-09"}, "since", "before 1970"),
        ({"since": "2026-10-02", "until": "2026-10-01"}, "since", "lies after `until`"),
        ({"since": "2026-10-01T03:00:00+02:00", "until": "2026-10-01T00:00:00Z"}, "since", "lies after `until`"),
        ({"since": "R7-11-29"}, "since", "Gregorian"),
        ({"since": "20261001"}, "since", "Gregorian"),
        ({"until": ""}, "until", "Gregorian"),
        ({"until": "2026-02-30"}, "until", "Gregorian"),
    ],
)
async def test_a_period_that_means_nothing_is_refused(api: Api, params: dict[str, str], param: str, says: str) -> None:
    for path in ("/v1/sessions", "/v1/knowledge"):
        refused = await api.ask("GET", path, params=params)
        assert (refused.status, refused.error["param"]) == (422, param), refused.text
        assert says in refused.error["message"]
    asked = await api.ask("POST", "/v1/knowledge/query", json={"query": "why NATS?", **params})
    assert (asked.status, asked.error["param"]) == (422, param)


async def test_a_period_is_read_with_and_without_a_time_zone(api: Api) -> None:
    project = await sessions(api, 2)
    assert days(await listed(api, project, since="2026-10-02")) == [1]
    assert days(await listed(api, project, since="2026-10-02T12:00:00")) == [1]
    assert days(await listed(api, project, since="2026-10-02T14:00:00+02:00")) == [1]
    assert days(await listed(api, project, since="2026-10-02T13:00:00+00:30")) == []
    assert days(await listed(api, project, since="2026-10-02T14:00:00 02:00")) == [1]  # a plus that nobody escaped arrives as a space
    assert days(await listed(api, project, until="2026-10-02", since="2026-10-01")) == [0]
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert days(await listed(api, project, since=soon)) == []


async def test_a_reply_that_has_not_changed_is_told_so_without_its_body(api: Api) -> None:
    project = await sessions(api, 1)
    first = await listed(api, project)
    tag = first.headers["etag"]
    assert (first.headers["cache-control"], "authorization" in first.headers["vary"]) == ("private, no-cache", True)
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await api.ask("GET", "/v1/sessions", params={"project": project}, headers={"if-none-match": given})
        assert (again.status, again.text, again.headers["etag"]) == (304, "", tag)
    await api.ask("POST", f"/v1/sessions/{project}-0/events?project={project}", data=generic(("b", "user", "more")))
    changed = await api.ask("GET", "/v1/sessions", params={"project": project}, headers={"if-none-match": tag})
    assert (changed.status, changed.headers["etag"] != tag) == (200, True)


async def test_an_items_tag_changes_with_a_verdict_and_still_guards_a_correction(api: Api) -> None:
    text = f"The cellar of {uuid4().hex} floods in March."
    made = (await api.ask("POST", "/v1/knowledge", json={"type": "gotcha", "text": text, "project": "cellar"})).json
    path = f"/v1/knowledge/{made['id']}"
    tag = (await api.ask("GET", path)).headers["etag"]
    assert tag.startswith(f'"{made["revision"]}-')
    assert (await api.ask("GET", path, headers={"if-none-match": tag})).status == 304
    assert (await api.ask("POST", f"{path}/feedback", json={"verdict": "helpful"})).status == 200
    assert (await api.ask("GET", path, headers={"if-none-match": tag})).status == 200
    assert (await api.ask("PATCH", path, json={"text": f"{text} Twice."}, headers={"if-match": tag})).status == 200
    assert (await api.ask("PATCH", path, json={"text": f"{text} Thrice."}, headers={"if-match": tag})).status == 412


async def test_messages_that_are_given_once_and_replies_without_a_key_have_no_tag(api: Api) -> None:
    await api.ask("POST", "/v1/channels/tags/messages", json={"type": "a", "payload": 1})
    received = await api.ask("GET", "/v1/channels/tags/messages?group=g&consumer=c", headers={"if-none-match": "*"})
    assert (received.status, len(received.json["messages"]), "etag" in received.headers) == (200, 1, False)
    assert "etag" not in (await api.ask("GET", "/healthz", key=None)).headers


async def test_the_root_leads_a_browser_to_the_dashboard_and_tells_a_program_what_there_is(api: Api) -> None:
    browser = await api.ask("GET", "/", key=None, headers={"accept": "text/html,*/*;q=0.8"}, allow_redirects=False)
    assert (browser.status, browser.headers["location"]) == (303, "/dashboard")
    for path in ("/", "/v1"):
        told = (await api.ask("GET", path, key=None)).json
        assert (told["docs"], told["dashboard"], told["health"]) == ("/docs", "/dashboard", "/healthz")


@pytest.fixture(scope="module")
async def shared(short_folder: Path) -> AsyncIterator[Api]:
    """A server that a plugin's page may call; its dashboard is off."""
    async with serving(short_folder / "shared", server={"cors_origins": (ORIGIN,)}, dashboard={"enabled": False}) as made:
        yield made


async def test_a_preflight_is_answered_without_a_key_and_only_for_listed_origins(shared: Api) -> None:
    asked = {"origin": ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    for path in ("/v1/knowledge/query", "/v1/chat/completions", "/mcp"):
        allowed = await shared.ask("OPTIONS", path, key=None, headers=asked)
        assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, ORIGIN)
        assert allowed.headers["access-control-allow-headers"] == "authorization,content-type"
        assert "access-control-allow-credentials" not in allowed.headers
        assert allowed.headers["x-request-id"]
    for origin in ("https://plugin.example.com.evil.test", "null", "*", "https://PLUGIN.example.com"):
        refused = await shared.ask("OPTIONS", "/v1/knowledge/query", key=None, headers=asked | {"origin": origin})
        assert (refused.status, refused.error["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in refused.headers


async def test_errors_too_are_readable_for_a_listed_origin_and_pages_are_not_shared(shared: Api) -> None:
    for path, status, key in (("/v1/teams", 401, None), ("/v1/teams?x=1", 422, "admin"), ("/v1/nowhere", 404, "admin")):
        reply = await shared.ask("GET", path, key=key, headers={"origin": ORIGIN})
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (status, ORIGIN)
        assert "x-request-id" in reply.headers["access-control-expose-headers"]
        assert "origin" in reply.headers["vary"]
    large = await shared.ask("POST", "/v1/redact", data=b"x" * 400_000, headers={"origin": ORIGIN})
    assert (large.status, large.headers["access-control-allow-origin"]) == (413, ORIGIN)
    for path in ("/docs", "/healthz", "/metrics"):
        assert "access-control-allow-origin" not in (await shared.ask("GET", path, headers={"origin": ORIGIN})).headers


async def test_without_a_dashboard_the_root_leads_to_the_reference(shared: Api) -> None:
    browser = await shared.ask("GET", "/", key=None, headers={"accept": "text/html"}, allow_redirects=False)
    assert (browser.status, browser.headers["location"]) == (303, "/docs")
    assert (await shared.ask("GET", "/", key=None)).json["dashboard"] is None


async def test_without_the_setting_no_origin_is_answered(api: Api) -> None:
    asked = {"origin": ORIGIN, "access-control-request-method": "GET"}
    refused = await api.ask("OPTIONS", "/v1/teams", key=None, headers=asked)
    assert (refused.status, "access-control-allow-origin" in refused.headers) == (405, False)
    assert "access-control-allow-origin" not in (await api.ask("GET", "/v1/teams", headers={"origin": ORIGIN})).headers
