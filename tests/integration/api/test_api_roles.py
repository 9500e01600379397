"""Roles over HTTP: what a lead and an auditor may do, and that a change of role counts at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api, generic


@dataclass(frozen=True, slots=True)
class Team:
    """A team with a developer, a lead and an auditor: their keys by role, which also begins their names."""

    api: Api
    name: str
    keys: dict[str, str]

    def member(self, role: str) -> str:
        return f"{role}-{self.name}"

    async def status(self, role: str, method: str, path: str, **options: Any) -> int:
        return (await self.api.ask(method, path, key=self.keys[role], **options)).status

    async def record(self, role: str = "developer", words: str = "") -> str:
        text = words or f"The {uuid4().hex} service needs a warm cache before it takes load."
        body = {"type": "gotcha", "text": text, "project": "p"}
        made = await self.api.ask("POST", "/v1/knowledge", key=self.keys[role], json=body)
        assert made.status == 201, made.text
        return str(made.json["id"])


@pytest.fixture
async def team(api: Api) -> Team:
    name, keys = f"t{uuid4().hex[:10]}", {}
    assert (await api.ask("POST", "/v1/teams", json={"name": name})).status == 201
    for role in ("developer", "lead", "auditor"):
        developer = f"{role}-{name}"
        made = await api.ask("POST", "/v1/developers", json={"name": developer, "team": name, "role": role})
        assert (made.status, made.json["role"]) == (201, role)
        keys[role] = (await api.ask("POST", f"/v1/developers/{developer}/keys")).json["key"]
    return Team(api, name, keys)


async def test_a_lead_and_an_auditor_read_the_budgets_of_their_team_and_of_no_other(team: Team) -> None:
    other = f"x{uuid4().hex[:10]}"
    assert (await team.api.ask("POST", "/v1/developers", json={"name": other})).status == 201
    for role in ("lead", "auditor"):
        key = team.keys[role]
        listed = (await team.api.ask("GET", "/v1/budgets", key=key)).json["budgets"]
        assert [each["developer"] for each in listed] == sorted(map(team.member, team.keys))
        own = f"/v1/budgets/{team.member('developer')}"
        for path in (own, f"{own}/movements", f"{own}/movements.csv", f"/v1/teams/{team.name}/budget"):
            assert await team.status(role, "GET", path) == 200, path
        for path in ("", "/movements", "/movements.csv"):
            assert await team.status(role, "GET", f"/v1/budgets/{other}{path}") == 404, path
        assert await team.status(role, "GET", "/v1/teams/default/budget") == 403
        assert await team.status(role, "PUT", own, json={"monthly_limit_usd": 500}) == 403
        assert await team.status(role, "PUT", f"/v1/teams/{team.name}/budget", json={"monthly_limit_usd": None}) == 403


async def test_a_lead_corrects_and_deletes_what_others_of_the_team_wrote(team: Team) -> None:
    item = await team.record()
    shown = (await team.api.ask("GET", f"/v1/knowledge/{item}", key=team.keys["lead"])).json
    assert shown["id"] == item
    corrected = await team.api.ask("PATCH", f"/v1/knowledge/{item}", key=team.keys["lead"], json={"title": "Warm the cache"})
    assert (corrected.status, corrected.json["title"]) == (200, "Warm the cache")
    assert await team.status("lead", "DELETE", f"/v1/knowledge/{item}") == 204
    leads = await team.record("lead")
    assert await team.status("developer", "DELETE", f"/v1/knowledge/{leads}") == 403
    assert await team.status("developer", "PATCH", f"/v1/knowledge/{leads}", json={"title": "No"}) == 403


async def test_a_lead_purges_a_session_of_another_developer(team: Team) -> None:
    event = generic((uuid4().hex, "user", "Why does the build fail at night?"))
    done = await team.api.ingest(event, key=team.keys["developer"])
    (session,) = done["result"]["sessions"]
    assert await team.status("auditor", "DELETE", f"/v1/sessions/{session}") == 403
    assert await team.status("lead", "DELETE", f"/v1/sessions/{session}") == 200


async def test_an_auditor_reads_and_changes_nothing_and_calls_no_model(team: Team) -> None:
    item = await team.record()
    assert await team.status("auditor", "GET", f"/v1/knowledge/{item}") == 200
    assert await team.status("auditor", "GET", "/v1/sessions") == 200
    assert await team.status("auditor", "POST", "/v1/knowledge/query", json={"query": "cache", "mode": "answer"}) == 200
    chat = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}
    refused: list[tuple[str, str, Any]] = [
        ("POST", "/v1/knowledge", {"type": "gotcha", "text": "Never do this at all.", "project": "p"}),
        ("PATCH", f"/v1/knowledge/{item}", {"title": "No"}),
        ("DELETE", f"/v1/knowledge/{item}", None),
        ("POST", f"/v1/knowledge/{item}/feedback", {"verdict": "wrong"}),
        ("POST", "/v1/chat/completions", chat),
        ("POST", "/v1/embeddings", {"model": "auto", "input": "Hello"}),
        ("GET", "/v1/developers", None),
    ]
    for method, path, body in refused:
        assert await team.status("auditor", method, path, json=body) == 403, path
    events = generic((uuid4().hex, "user", "Hello"))
    assert await team.status("auditor", "POST", "/v1/sessions", data=events) == 403
    assert await team.status("auditor", "POST", f"/v1/sessions/{uuid4()}/events", data=events) == 403
    payer = {"x-cairn-developer": team.member("auditor")}
    named = await team.api.ask("POST", "/v1/chat/completions", json=chat, headers=payer)
    assert (named.status, "auditor" in named.error["message"]) == (403, True)


async def test_a_change_of_role_counts_at_once(team: Team) -> None:
    item, path = await team.record("lead"), f"/v1/developers/{team.member('developer')}"
    assert await team.status("developer", "GET", "/v1/budgets") == 403
    changed = await team.api.ask("PATCH", path, json={"role": "lead"})
    assert (changed.status, changed.json["role"]) == (200, "lead")
    assert await team.status("developer", "GET", "/v1/budgets") == 200
    assert await team.status("developer", "DELETE", f"/v1/knowledge/{item}") == 204
    assert (await team.api.ask("PATCH", path, json={"role": "auditor"})).status == 200
    assert await team.status("developer", "POST", f"/v1/knowledge/{item}/feedback", json={"verdict": "stale"}) == 403


async def test_only_an_admin_gives_roles_and_only_those_that_exist(team: Team) -> None:
    path = f"/v1/developers/{team.member('lead')}"
    for role in team.keys:
        assert await team.status(role, "PATCH", path, json={"role": "lead"}) == 403
    for body in ({"role": "owner"}, {"role": ""}, {"role": None}, {}):
        refused = await team.api.ask("PATCH", path, json=body)
        assert (refused.status, refused.error["param"]) == (422, "role"), body
    assert (await team.api.ask("PATCH", "/v1/developers/nobody", json={"role": "lead"})).status == 404
