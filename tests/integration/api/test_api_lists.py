"""Lists have pages: of either order, bounded in time, without a gap or a repetition; and jobs are listed to whom they concern."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api, generic

LISTS = {
    "/v1/teams": ("teams", ["name", "newest", "oldest"]),
    "/v1/developers": ("developers", ["name", "newest", "oldest"]),
    "/v1/projects": ("projects", ["name", "newest", "oldest"]),
    "/v1/budgets": ("budgets", ["name", "newest", "oldest"]),
    "/v1/invitations": ("invitations", ["newest", "oldest"]),
    "/v1/jobs": ("jobs", ["newest", "oldest"]),
    "/v1/alerts/history": ("alerts", ["newest", "oldest"]),
    "/v1/channels/work/dead-letters": ("dead_letters", ["newest", "oldest"]),
}


def new_name() -> str:
    return f"l{uuid4().hex[:12]}"


async def walk(api: Api, path: str, field: str, params: dict[str, str], **asked: Any) -> list[Any]:
    found: list[Any] = []
    given = dict(params)
    for _ in range(50):
        page = await api.ask("GET", path, params=given, **asked)
        assert page.status == 200, page.text
        assert len(page.json[field]) <= int(params["limit"])
        found += page.json[field]
        if page.json["next_cursor"] is None:
            return found
        given["cursor"] = page.json["next_cursor"]
    raise AssertionError("the list never ends")


@pytest.fixture
async def team(api: Api) -> str:
    """A team with five developers, who have the names of the numerals."""
    name = new_name()
    assert (await api.ask("POST", "/v1/teams", json={"name": name})).status == 201
    for each in ("three", "one", "five", "two", "four"):
        assert (await api.ask("POST", "/v1/developers", json={"name": f"{each}-{name}", "team": name})).status == 201
    return name


MADE = ["three", "one", "five", "two", "four"]


@pytest.mark.parametrize(
    ("order", "expected"), [("name", sorted(MADE)), ("newest", MADE[::-1]), ("oldest", MADE)], ids=["name", "newest", "oldest"]
)
async def test_developers_are_walked_through_in_each_order(api: Api, team: str, order: str, expected: list[str]) -> None:
    found = await walk(api, "/v1/developers", "developers", {"team": team, "order": order, "limit": "2"})
    assert [each["name"].partition("-")[0] for each in found] == expected
    assert {each["team"] for each in found} == {team}


async def test_a_list_is_bounded_by_when_its_entries_were_made(api: Api, team: str) -> None:
    whole = await walk(api, "/v1/developers", "developers", {"team": team, "order": "oldest", "limit": "9"})
    middle = whole[2]["created_at"]
    later = await walk(api, "/v1/developers", "developers", {"team": team, "since": middle, "order": "oldest", "limit": "2"})
    earlier = await walk(api, "/v1/developers", "developers", {"team": team, "until": middle, "order": "oldest", "limit": "2"})
    assert [*earlier, *later] == whole
    assert len(earlier) == 2


async def test_budgets_are_walked_through_by_a_lead(api: Api, team: str) -> None:
    lead = new_name()
    assert (await api.ask("POST", "/v1/developers", json={"name": lead, "team": team, "role": "lead"})).status == 201
    key = (await api.ask("POST", f"/v1/developers/{lead}/keys")).json["key"]
    found = await walk(api, "/v1/budgets", "budgets", {"limit": "4"}, key=key)
    assert [each["developer"].partition("-")[0] for each in found] == sorted([*MADE, lead])


async def test_projects_and_teams_and_invitations_are_walked_through(api: Api, team: str) -> None:
    headers, owner = {"x-cairn-team": team}, f"one-{team}"
    for name in ("b", "a", "c"):
        body = {"type": "gotcha", "text": f"The {uuid4().hex} service wants a warm cache.", "project": name}
        assert (await api.ask("POST", "/v1/knowledge", json=body, headers=headers)).status == 201
        assert (await api.ask("POST", f"/v1/developers/{owner}/invitations")).status == 201
    found = await walk(api, "/v1/projects", "projects", {"limit": "2"}, headers=headers)
    assert [each["name"] for each in found] == ["a", "b", "c"]
    newest = (await api.ask("GET", "/v1/teams?order=newest&limit=1")).json
    assert (newest["teams"][0]["name"], newest["next_cursor"] is None) == (team, False)
    invited = (await api.ask("GET", "/v1/invitations?limit=3")).json
    assert [each["developer"] for each in invited["invitations"]] == [owner] * 3
    moments = [each["created_at"] for each in invited["invitations"]]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize(("path", "field", "orders"), [(path, *each) for path, each in LISTS.items()])
async def test_each_list_takes_its_orders_and_refuses_nonsense_by_name(api: Api, path: str, field: str, orders: list[str]) -> None:
    for order in orders:
        reply = await api.ask("GET", path, params={"order": order, "limit": "1", "until": "2100-01-01"})
        assert reply.status == 200, reply.text
        assert set(reply.json) == {field, "next_cursor"}
    future = (datetime.now(UTC) + timedelta(days=400)).date().isoformat()
    for params, param in (
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"order": "sideways"}, "order"),
        ({"since": "yesterday"}, "since"),
        ({"since": "1700000000"}, "since"),
        ({"since": future}, "since"),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "since"),
        ({"until": "1812-01-01"}, "until"),
        ({"cursor": "AAAA"}, "cursor"),
        ({"page": "2"}, "page"),
    ):
        refused = await api.ask("GET", path, params=params)
        assert (refused.status, refused.error["param"]) == (422, param), refused.text


async def test_a_cursor_belongs_to_its_list_and_its_filters(api: Api, team: str) -> None:
    page = (await api.ask("GET", "/v1/developers", params={"team": team, "limit": "1"})).json
    for path, params in (
        ("/v1/developers", {"limit": "1"}),
        ("/v1/developers", {"team": team, "order": "newest"}),
        ("/v1/teams", {"limit": "1"}),
    ):
        refused = await api.ask("GET", path, params={**params, "cursor": page["next_cursor"]})
        assert (refused.status, refused.error["param"]) == (422, "cursor")


async def test_jobs_are_listed_to_their_developer_and_the_teams_to_a_lead(api: Api, team: str) -> None:
    keys = {}
    for who, role in (("one", "developer"), ("two", "developer"), ("five", "lead")):
        assert (await api.ask("PATCH", f"/v1/developers/{who}-{team}", json={"role": role})).status == 200
        keys[who] = (await api.ask("POST", f"/v1/developers/{who}-{team}/keys")).json["key"]
    for who, project in (("one", "quay"), ("one", "till"), ("two", "quay")):
        session = uuid4().hex
        await api.ingest(generic((f"{session}-1", "user", f"Is {session} dry?")), key=keys[who], project=project)

    async def listed(who: str, **params: str) -> list[tuple[str, str]]:
        found = await walk(api, "/v1/jobs", "jobs", {"kind": "ingest", "limit": "1", "order": "oldest", **params}, key=keys[who])
        assert all(each["finished_at"] and each["error"] is None and "result" not in each for each in found)
        return [(each["developer"].partition("-")[0], each["state"]) for each in found]

    assert await listed("one") == [("one", "done")] * 2
    assert await listed("two") == [("two", "done")]
    assert await listed("five") == [("one", "done"), ("one", "done"), ("two", "done")]
    assert await listed("five", developer=f"two-{team}") == [("two", "done")]
    assert await listed("five", project="quay") == [("one", "done"), ("two", "done")]
    whole = await api.ask("GET", "/v1/jobs", params={"kind": "ingest", "project": "quay", "limit": "2"}, key=keys["five"])
    assert (len(whole.json["jobs"]), whole.json["next_cursor"]) == (2, None)  # although another project's lies between
    assert await listed("one", project="till") == [("one", "done")]
    assert await listed("one", project="nowhere") == []
    assert await listed("five", state="failed") == []
    refused = await api.ask("GET", "/v1/jobs", params={"developer": f"two-{team}"}, key=keys["one"])
    assert refused.status == 403
    assert (await api.ask("GET", "/v1/jobs", params={"developer": "nobody"}, key=keys["five"])).status == 404


async def test_a_developer_is_shown_to_themselves_and_to_their_lead_and_to_no_other(api: Api, team: str) -> None:
    keys = {}
    for who, role in (("one", "developer"), ("two", "developer"), ("five", "lead")):
        assert (await api.ask("PATCH", f"/v1/developers/{who}-{team}", json={"role": role})).status == 200
        keys[who] = (await api.ask("POST", f"/v1/developers/{who}-{team}/keys")).json["key"]
    stranger = await api.developer()
    path = f"/v1/developers/one-{team}"
    statuses = [(await api.ask("GET", path, key=key)).status for key in (keys["one"], keys["two"], keys["five"], stranger, "admin")]
    assert statuses == [200, 403, 200, 403, 200]
    (own,) = (await api.ask("GET", "/v1/keys", key=keys["one"])).json["keys"]
    statuses = [(await api.ask("GET", f"/v1/keys/{own['id']}", key=key)).status for key in (keys["one"], keys["five"], "admin")]
    assert statuses == [200, 404, 200]
