"""Exports as JSON Lines: the team's knowledge, and all that a team has, to each as far as their key reads it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from app.errors import NotPermitted
from app.services.team_export import export_team
from tests.integration.api.conftest import Api, generic, lesson

ROLES = {"ada": "developer", "bo": "developer", "lead": "lead", "auditor": "auditor", "boss": "admin"}
SAID = "What is said about the harbour crane stays with who said it."


@dataclass
class Exporters:
    """A team of its own: a session of ada's and one of the admin key's, an item that a session taught, and one that bo recorded."""

    api: Api
    team: str = field(default_factory=lambda: f"t{uuid4().hex[:10]}")
    keys: dict[str, str] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)

    def who(self, person: str) -> str:
        return f"{person}-{self.team}"

    async def ask(self, person: str, method: str, path: str, **options: Any) -> Any:
        if person == "key":
            return await self.api.ask(method, path, headers={"x-cairn-team": self.team}, **options)
        return await self.api.ask(method, path, key=self.keys[person], **options)

    async def export(self, person: str, path: str = "/v1/export") -> list[dict[str, Any]]:
        reply = await self.ask(person, "GET", path)
        assert (reply.status, reply.headers["content-type"], reply.headers["cache-control"]) == (200, "application/x-ndjson", "no-store")
        records = [json.loads(line) for line in reply.text.splitlines()]
        assert (records[0]["kind"], records[-1]["kind"], records[0]["team"]) == ("export", "end", self.team)
        return records


@pytest.fixture
async def team(api: Api) -> Exporters:
    made = Exporters(api)
    assert (await api.ask("POST", "/v1/teams", json={"name": made.team})).status == 201
    for person, role in ROLES.items():
        assert (await api.ask("POST", "/v1/developers", json={"name": made.who(person), "team": made.team, "role": role})).status == 201
        made.keys[person] = (await api.ask("POST", f"/v1/developers/{made.who(person)}/keys")).json["key"]
    await api.ingest(generic((uuid4().hex, "user", SAID)), key=made.keys["ada"], project="shop")
    await api.ingest(lesson(f"svc{uuid4().hex[:8]}"), team=made.team, project="shop")
    taught = (await made.ask("key", "GET", "/v1/knowledge")).json["items"]
    made.items["taught"] = taught[0]["id"]
    body = {"type": "gotcha", "text": "The till wants its drawer closed gently.", "project": "till", "paths": ["till/drawer.py"]}
    made.items["recorded"] = (await made.ask("bo", "POST", "/v1/knowledge", json=body)).json["id"]
    return made


def kinds(records: list[dict[str, Any]]) -> Counter[str]:
    return Counter(each["kind"] for each in records[1:-1])


async def test_an_item_is_told_as_its_route_tells_it(team: Exporters) -> None:
    records = await team.export("bo", "/v1/knowledge/export")
    assert (records[0]["items"], records[-1]["items"], kinds(records)) == (2, 2, {"item": 2})
    found = {each["id"]: each for each in records[1:-1]}
    assert list(found) == sorted(found), "by id"
    assert found[team.items["recorded"]]["author"] == team.who("bo")
    for item_id, record in found.items():
        shown = (await team.ask("bo", "GET", f"/v1/knowledge/{item_id}")).json
        moments = {"created_at", "last_seen_at", "learnt_at"}
        same = set(record) & set(shown) - {"evidence", *moments}
        assert {name: record[name] for name in same} == {name: shown[name] for name in same}
        assert {name: datetime.fromisoformat(record[name]) for name in moments} == {
            name: datetime.fromisoformat(shown[name]) for name in moments
        }
        assert [each["locator"] for each in record["evidence"]] == [each["locator"] for each in shown["evidence"] if each["session_id"]]
        assert not set(shown) - set(record) - {"age_days", "mine", "untrusted", "used"}


async def test_an_export_of_a_project_has_its_items_and_one_that_is_not_there_is_an_error(team: Exporters) -> None:
    records = await team.export("ada", "/v1/knowledge/export?project=till")
    assert [each.get("id") for each in records] == [None, team.items["recorded"], None]
    refused = await team.ask("ada", "GET", "/v1/knowledge/export?project=nowhere")
    assert (refused.status, "no project 'nowhere'" in refused.error["message"]) == (404, True)


async def test_items_that_people_judged_wrong_are_left_out_and_are_in_the_whole_export(team: Exporters) -> None:
    judged = await team.ask("bo", "POST", f"/v1/knowledge/{team.items['recorded']}/feedback", json={"verdict": "wrong", "note": "not so"})
    assert judged.json["hidden"]
    assert [each["id"] for each in (await team.export("bo", "/v1/knowledge/export"))[1:-1]] == [team.items["taught"]]
    records = await team.export("bo")
    assert [each["hidden"] for each in records if each["kind"] == "item" and each["id"] == team.items["recorded"]] == [True]
    (verdict,) = (each for each in records if each["kind"] == "verdict")
    assert {name: verdict[name] for name in ("item_id", "verdict", "note", "developer")} == {
        "item_id": team.items["recorded"],
        "verdict": "wrong",
        "note": "not so",
        "developer": team.who("bo"),
    }


async def test_replacements_are_in_it_also_those_that_were_undone_and_by_whom(team: Exporters) -> None:
    older, newer = [
        (await team.ask("bo", "POST", "/v1/knowledge", json={"type": "gotcha", "text": words, "project": "events"})).json["id"]
        for words in ("Publish order events through nats-jetstream.", "Move order events from nats-jetstream to redpanda.")
    ]
    items = {each["id"]: each for each in await team.export("ada", "/v1/knowledge/export?project=events") if each["kind"] == "item"}
    for item_id, link in ((older, "replaced_by"), (newer, "replaces")):
        (said,), (shown,) = items[item_id][link], (await team.ask("ada", "GET", f"/v1/knowledge/{item_id}")).json[link]
        assert {name: value for name, value in said.items() if name != "at"} == {name: shown[name] for name in set(shown) - {"at"}}
    assert {"kind": "service", "name": "nats-jetstream"} in items[older]["subjects"]

    assert (await team.ask("ada", "POST", f"/v1/knowledge/{older}/restore")).status == 200
    (found,) = (each for each in await team.export("bo") if each["kind"] == "replacement")
    assert (found["item_id"], found["newer_id"], found["developer"], found["by_admin"]) == (older, newer, team.who("ada"), False)
    assert found["undone_at"] is not None
    items = {each["id"]: each for each in await team.export("bo") if each["kind"] == "item"}
    assert (items[older]["replaced_by"], items[newer]["replaces"]) == ([], [])


async def test_contradictions_are_in_it_and_who_decided_them(team: Exporters) -> None:
    daily, hourly = [
        (await team.ask("bo", "POST", "/v1/knowledge", json={"type": "gotcha", "text": words, "project": "prices"})).json["id"]
        for words in ("Price caches are invalidated daily.", "Price caches are invalidated hourly.")
    ]
    (found,) = (each for each in await team.export("bo") if each["kind"] == "contradiction")
    assert {found["item_id"], found["other_id"]} == {daily, hourly}
    assert (found["decision"], found["developer"]) == (None, None)
    items = {each["id"]: each for each in await team.export("ada", "/v1/knowledge/export?project=prices") if each["kind"] == "item"}
    for item_id in (daily, hourly):
        shown = (await team.ask("ada", "GET", f"/v1/knowledge/{item_id}")).json
        assert len(shown["contradicts"]) == 1
        assert {name: items[item_id][name] for name in ("contradicts", "standing", "retired")} == {
            name: shown[name] for name in ("contradicts", "standing", "retired")
        }
    path = f"/v1/knowledge/{daily}/contradictions/{hourly}"
    assert (await team.ask("lead", "POST", path, json={"decision": "this_holds"})).status == 200
    records = await team.export("bo")
    (found,) = (each for each in records if each["kind"] == "contradiction")
    holds = "one" if found["item_id"] == daily else "other"
    assert (found["decision"], found["developer"], found["by_admin"]) == (holds, team.who("lead"), False)
    (link,) = (each for each in records if each["kind"] == "replacement")
    assert (link["item_id"], link["newer_id"], link["cause"], link["made_by"], link["undone_at"]) == (
        hourly,
        daily,
        "decided",
        team.who("lead"),
        None,
    )


async def test_where_it_was_learnt_has_its_branch_and_what_was_checked_its_code(team: Exporters) -> None:
    item = (await team.ask("bo", "GET", f"/v1/knowledge/{team.items['recorded']}")).json
    mark = {"id": item["id"], "revision": item["revision"], "verdict": "changed", "path": "till/drawer.py", "commit": "b" * 40}
    body = {"project": "till", "repository": "till", "head": "a" * 40, "marks": [mark]}
    assert (await team.ask("bo", "PUT", "/v1/knowledge/freshness", json=body)).status == 200
    for path in ("/v1/export", "/v1/knowledge/export"):
        records = await team.export("bo", path)
        ((code,),) = (each["code"] for each in records if each.get("id") == item["id"])
        assert (code["repository"], code["verdict"], code["path"], code["head"]) == ("till", "changed", "till/drawer.py", "a" * 40)
    taught = generic((uuid4().hex, "user", "hi")).replace('{"id"', '{"branch": "rotterdam-12", "id"')
    await team.api.ingest(taught + lesson(f"svc{uuid4().hex[:8]}"), team=team.team, project="branched")
    found = await team.export("bo")
    (taught_id,) = {each["id"] for each in found if each["kind"] == "item" and each["project"] == "branched"}
    assert [each["branch"] for each in found if each["kind"] == "evidence" and each["item_id"] == taught_id] == ["rotterdam-12"]


async def test_pages_follow_one_another_without_a_gap(team: Exporters, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.knowledge import exporting

    for number in range(5):
        body = {"type": "gotcha", "text": f"Drawer {number} of the till sticks in wet weather.", "project": "till"}
        assert (await team.ask("bo", "POST", "/v1/knowledge", json=body)).status == 201
    whole, items = await team.export("boss"), await team.export("boss", "/v1/knowledge/export")
    monkeypatch.setattr(exporting, "PAGE", 2)
    monkeypatch.setattr(exporting, "RELATED_PAGE", 1)
    assert await team.export("boss", "/v1/knowledge/export") != []
    assert [each.get("id") for each in await team.export("boss", "/v1/knowledge/export")] == [each.get("id") for each in items]
    assert kinds(await team.export("boss")) == kinds(whole)


@pytest.mark.parametrize("person", ["boss", "key"])
async def test_to_an_admin_it_is_the_whole_team_and_nothing_of_another(team: Exporters, person: str) -> None:
    records = await team.export(person)
    counts = kinds(records)
    assert counts == records[-1]["records"]
    assert records[0]["whole"] is True
    wanted = {"developer": 5, "key": 5, "project": 2, "session": 2, "item": 2, "revision": 1, "budget": 6}
    assert {name: counts[name] for name in wanted} == wanted
    assert counts["evidence"] >= 1
    text = json.dumps(records)
    assert SAID in text
    for key in team.keys.values():
        assert key.split("_", 2)[2] not in text  # the secret: it may hold a "_" itself
    assert not {"digest", "lookup", "email", "subject"} & {name for each in records for name in each}
    events = [each for each in records if each["kind"] == "event"]
    assert {each["event_kind"] for each in events} == {"prompt", "reply"}
    sessions = {each["id"]: each for each in records if each["kind"] == "session"}
    assert {each["developer"] for each in sessions.values()} == {team.who("ada"), None}
    assert Counter(each["session_id"] for each in events) == {key: each["event_count"] for key, each in sessions.items()}


async def test_an_admins_export_is_recorded_for_each_whose_sessions_are_in_it(team: Exporters) -> None:
    await team.export("boss")
    entries = (await team.ask("ada", "GET", "/v1/audit/prompts")).json["entries"]
    assert [(each["action"], each["by"], each["author"]) for each in entries] == [("exported", team.who("boss"), team.who("ada"))]
    for person in ("ada", "lead", "auditor"):
        await team.export(person)
    assert len((await team.ask("auditor", "GET", "/v1/audit/prompts")).json["entries"]) == 1, "what others said is not in theirs"


@pytest.mark.parametrize(("person", "developers", "budgets"), [("ada", 1, 1), ("bo", 1, 1), ("lead", 5, 6), ("auditor", 5, 6)])
async def test_to_others_it_is_what_their_key_reads(team: Exporters, person: str, developers: int, budgets: int) -> None:
    records = await team.export(person)
    counts = kinds(records)
    assert (counts["developer"], counts["budget"], counts["key"], counts["session"], counts["item"]) == (developers, budgets, 0, 2, 2)
    assert (records[0]["whole"], SAID in json.dumps([each for each in records if each["kind"] == "event"])) == (False, person == "ada")
    assert counts["event"] == (1 if person == "ada" else 0)


async def test_movements_and_calls_are_those_that_the_role_reads(team: Exporters) -> None:
    assert (await team.ask("key", "PUT", f"/v1/budgets/{team.who('ada')}", json={"monthly_limit_usd": 20})).status == 200
    records = await team.export("lead")
    (moved,) = (each for each in records if each["kind"] == "movement")
    assert (moved["movement_kind"], moved["developer"], moved["amount"]) == ("limit", team.who("ada"), 20_000_000_000)
    (budget,) = (each for each in records if each["kind"] == "budget" and each["developer"] == team.who("ada"))
    assert budget["limit_nanousd"] == 20_000_000_000
    assert kinds(await team.export("ada"))["movement"] == 0


async def test_an_export_without_a_key_is_refused(api: Api) -> None:
    for path in ("/v1/export", "/v1/knowledge/export"):
        assert (await api.ask("GET", path, key=None)).status == 401


async def test_an_admin_who_is_none_any_more_gets_no_more_of_it(team: Exporters) -> None:
    requester = await team.api.services.accounts.authenticate(team.keys["boss"])
    records = await export_team(team.api.services, requester)
    assert (await anext(records))["whole"]
    assert (await team.ask("key", "PATCH", f"/v1/developers/{team.who('boss')}", json={"role": "developer"})).status == 200
    with pytest.raises(NotPermitted):
        [each async for each in records]


async def test_what_somebody_says_first_while_an_admin_exports_is_not_in_it(team: Exporters) -> None:
    requester = await team.api.services.accounts.authenticate(team.keys["boss"])
    records = await export_team(team.api.services, requester)
    await team.api.ingest(generic((uuid4().hex, "user", "Nobody was told of this export.")), key=team.keys["bo"], project="shop")
    found = [json.dumps(each, default=str) async for each in records]
    assert any(SAID in each for each in found)
    assert not any("Nobody was told" in each for each in found if '"event"' in each)
