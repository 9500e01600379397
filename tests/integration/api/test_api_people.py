"""Keys, admins, invitations and removals over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.queue.jobs import NewJob
from app.sessions.intake import INGEST
from tests.integration.api.conftest import Api, Reply, generic, lesson
from tests.integration.api.door import Door, open_door
from tests.waiting import patience


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


def new_name() -> str:
    return f"n{uuid4().hex[:10]}"


async def new_developer(api: Api, name: str, **fields: Any) -> str:
    """Make a developer and a key of theirs."""
    made = await api.ask("POST", "/v1/developers", json={"name": name, **fields})
    assert made.status == 201, made.text
    return str((await api.ask("POST", f"/v1/developers/{name}/keys")).json["key"])


async def test_me_tells_whose_key_it_is_and_what_it_may(api: Api) -> None:
    name = new_name()
    key = await new_developer(api, name)
    named = (await api.ask("POST", f"/v1/developers/{name}/keys", json={"name": "laptop", "expires": "90d"})).json
    me = (await api.ask("GET", "/v1/me", key=key)).json
    assert (me["developer"], me["team"], me["role"], me["permissions"]) == (name, "default", "developer", ["call_models", "read", "write"])
    assert (me["key"]["expires_at"], me["key"]["state"], me["key"]["developer"]) == (None, "active", name)
    assert me["server_version"]
    second = (await api.ask("GET", "/v1/me", key=named["key"])).json["key"]
    assert (second["name"], second["expires_at"]) == ("laptop", named["expires_at"])
    admin = (await api.ask("GET", "/v1/me")).json
    assert (admin["developer"], admin["role"], admin["key"]) == (None, "admin", None)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"expires": "2020-01-01"}, 422, "expires"),
        ({"expires": "soon"}, 422, "expires"),
        ({"expires": "99999-01-01"}, 422, "expires"),
        ({"expires": "x" * 100}, 422, "expires"),
        ({"expires": 90}, 422, "expires"),
        ({"name": "a/b"}, 422, "name"),
        ({"name": ""}, 422, "name"),
        ({"owner": "ada"}, 422, "owner"),
    ],
)
async def test_a_key_with_a_wrong_field_is_refused(api: Api, body: dict[str, Any], status: int, param: str) -> None:
    name = new_name()
    await new_developer(api, name)
    refused = await api.ask("POST", f"/v1/developers/{name}/keys", json=body)
    assert (refused.status, refused.error["param"]) == (status, param), refused.text


async def test_a_developer_lists_and_revokes_their_own_keys_and_nobody_elses(api: Api) -> None:
    ada, bob = new_name(), new_name()
    ada_key, bob_key = await new_developer(api, ada), await new_developer(api, bob)
    own = (await api.ask("GET", "/v1/keys", key=ada_key)).json["keys"]
    assert [each["developer"] for each in own] == [ada]
    assert not {"key", "digest"} & set(own[0])
    other = (await api.ask("GET", "/v1/keys", params={"developer": bob})).json["keys"][0]
    assert (await api.ask("GET", "/v1/keys", key=ada_key, params={"developer": bob})).status == 403
    assert (await api.ask("GET", "/v1/keys", key=ada_key, params={"which": other["lookup"]})).json["keys"] == []
    assert (await api.ask("DELETE", f"/v1/keys/{other['id']}", key=ada_key)).status == 404
    assert (await api.ask("GET", "/v1/me", key=bob_key)).status == 200
    assert (await api.ask("DELETE", f"/v1/keys/{own[0]['id']}", key=ada_key)).status == 204
    assert (await api.ask("GET", "/v1/me", key=ada_key)).status == 401
    ended = (await api.ask("GET", "/v1/keys", params={"developer": ada, "ended": "true"})).json["keys"]
    assert [each["state"] for each in ended] == ["revoked"]
    assert (await api.ask("GET", "/v1/keys", params={"developer": ada})).json == {"keys": [], "next_cursor": None}


async def test_every_developer_and_key_is_on_some_page(api: Api) -> None:
    name = new_name()
    await new_developer(api, name)
    for _ in range(4):
        assert (await api.ask("POST", f"/v1/developers/{name}/keys")).status == 201
    seen, params = [], {"developer": name, "limit": "2"}
    while True:
        page = (await api.ask("GET", "/v1/keys", params=params)).json
        seen += [each["name"] for each in page["keys"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 5
    refused = await api.ask("GET", "/v1/keys", params={"developer": name, "ended": "true", "cursor": params["cursor"]})
    assert (refused.status, refused.error["param"]) == (422, "cursor"), "of other filters"


async def test_a_disabled_developer_is_refused_with_their_own_message_until_enabled(api: Api) -> None:
    name = new_name()
    key, path = await new_developer(api, name), f"/v1/developers/{name}"
    assert (await api.ask("GET", "/v1/me", key=key)).status == 200
    changed = await api.ask("PATCH", path, json={"disabled": True})
    assert changed.json["disabled_at"]
    refused = await api.ask("GET", "/v1/me", key=key)
    assert (refused.status, refused.error["code"]) == (401, "developer_disabled")
    assert name in refused.error["message"]
    payer = await api.ask(
        "POST",
        "/v1/chat/completions",
        json={"model": "auto", "messages": [{"role": "user", "content": "x"}]},
        headers={"x-cairn-developer": name},
    )
    assert (payer.status, "is disabled" in payer.error["message"]) == (403, True)
    assert (await api.ask("POST", f"{path}/keys")).status == 409
    assert (await api.ask("PATCH", path, json={"disabled": False})).json["disabled_at"] is None
    assert (await api.ask("GET", "/v1/me", key=key)).status == 200
    for body in ({}, {"disabled": "yes"}, {"disabled": None}):
        assert (await api.ask("PATCH", path, json=body)).status == 422, body


async def test_streams_end_with_the_reason_once_their_reader_is_disabled(api: Api) -> None:
    name = new_name()
    key = await new_developer(api, name)
    sent = await api.ask("POST", f"/v1/sessions/{name}/events", key=key, data=generic((f"{name}-1", "user", "Hello")))
    paths = (f"/v1/sessions/{sent.json['session_id']}/stream", f"/v1/channels/{name}/stream?group=g&consumer=c")
    headers = {"authorization": f"Bearer {key}"}
    async with api.http.get(api.url + paths[0], headers=headers) as session, api.http.get(api.url + paths[1], headers=headers) as channel:
        assert [(await each.content.readline())[:1] for each in (session, channel)] == [b":", b":"], "both have begun"
        assert (await api.ask("PATCH", f"/v1/developers/{name}", json={"disabled": True})).status == 200
        posted = await api.ask("POST", f"/v1/channels/{name}/messages", json={"type": "late", "payload": "late"})
        assert posted.status == 201, posted.text
        async with patience():
            said = [await each.text() for each in (session, channel)]
    assert ["developer_disabled" in each for each in said] == [True, True], said
    assert '"late"' not in said[1]


async def test_an_admin_does_what_the_admin_key_may_under_their_own_name(api: Api) -> None:
    boss, other, team = new_name(), new_name(), new_name()
    key = await new_developer(api, boss, role="admin")
    for method, path, body in (
        ("POST", "/v1/teams", {"name": team}),
        ("POST", "/v1/developers", {"name": other, "team": team}),
        ("POST", f"/v1/budgets/{other}/top-ups", {"amount_usd": 1, "note": "more"}),
        ("PATCH", f"/v1/developers/{other}", {"role": "lead"}),
    ):
        assert (await api.ask(method, path, key=key, json=body)).status in {200, 201}, path
    moves = (await api.ask("GET", f"/v1/budgets/{other}/movements")).json["movements"]
    assert boss in {each["actor"] for each in moves}
    item = {"type": "gotcha", "text": f"The {uuid4().hex} service needs a warm cache before it takes load.", "project": "p"}
    made = await api.ask("POST", "/v1/knowledge", key=key, json=item, headers={"x-cairn-team": team})
    assert made.status == 201
    history = (await api.ask("GET", f"/v1/knowledge/{made.json['id']}/history", headers={"x-cairn-team": team})).text
    assert boss in history
    assert (await api.ask("GET", f"/v1/knowledge/{made.json['id']}", key=key)).status == 404, "it is the other team's"
    assert (await api.ask("GET", "/v1/budget", key=key)).json["developer"] == boss
    assert (await api.ask("PATCH", f"/v1/developers/{boss}", json={"role": "developer"})).status == 200
    assert (await api.ask("GET", "/v1/teams", key=key)).status == 403
    assert (await api.ask("PATCH", f"/v1/developers/{boss}", key=key, json={"role": "admin"})).status == 403


async def test_only_the_admin_key_adds_to_anothers_session_and_an_admin_is_told_so(api: Api) -> None:
    boss, session = new_name(), uuid4().hex
    key, path = await new_developer(api, boss, role="admin"), f"/v1/sessions/{session}/events"
    assert (await api.ask("POST", path, key=await api.developer(), data=generic((f"{session}-1", "user", "Hi")))).status == 202
    added = generic((f"{session}-2", "user", "Me too"))
    refused = await api.ask("POST", path, key=key, data=added)
    assert (refused.status, "or the admin key, can add to it; an admin's own key can't" in refused.error["message"]) == (403, True), (
        refused.text
    )
    assert (await api.ask("POST", path, data=added)).status == 202


async def test_an_admins_calls_of_models_are_at_their_own_cost_whatever_team_they_act_for(door: Door) -> None:
    api, team = door.api, new_name()
    assert (await api.ask("PATCH", f"/v1/developers/{door.developer}", json={"role": "admin"})).status == 200
    assert (await api.ask("POST", "/v1/teams", json={"name": team})).status == 201
    for headers in ({}, {"x-cairn-team": team}):
        reply = await door.chat(f"say 3 words {uuid4().hex}", headers=headers)
        assert reply.status == 200, reply.text
    assert len(await door.holds()) == 2
    assert (await door.money())["spent_usd"] > 0
    spent = (await api.ask("GET", f"/v1/teams/{team}/budget")).json["spent_usd"]
    assert spent == 0


async def test_an_invitation_is_used_once_without_a_key(api: Api) -> None:
    name = new_name()
    made = (await api.ask("POST", f"/v1/developers/{name}/invitations", json={"role": "lead"})).json
    assert made["link"] == f"{api.url}/invite/{made['token']}"
    page = await api.ask("GET", f"/invite/{made['token']}", key=None)
    assert (page.status, f"cairn login {made['link']}" in page.text, name in page.text) == (200, True, True)
    assert (page.headers["referrer-policy"], page.headers["cache-control"]) == ("no-referrer", "no-store")
    body = {"token": made["token"], "key_name": "laptop"}
    raced = await asyncio.gather(*(api.ask("POST", "/v1/invitations/accept", key=None, json=body) for _ in range(6)))
    assert sorted(each.status for each in raced) == [201, 409, 409, 409, 409, 409]
    (won,) = [each.json for each in raced if each.status == 201]
    assert (won["developer"], won["role"], won["key"]["name"]) == (name, "lead", "laptop")
    assert (await api.ask("GET", "/v1/me", key=won["key"]["key"])).json["role"] == "lead"
    again = await api.ask("GET", f"/invite/{made['token']}", key=None)
    assert (again.status, "was used on" in again.text) == (409, True)
    listed = (await api.ask("GET", "/v1/invitations", params={"ended": "true"})).json["invitations"]
    assert [each["state"] for each in listed if each["developer"] == name] == ["used"]


async def test_an_invitation_that_cannot_be_used_is_refused(api: Api) -> None:
    name = new_name()
    made = (await api.ask("POST", f"/v1/developers/{name}/invitations")).json
    assert (await api.ask("DELETE", f"/v1/invitations/{made['id']}")).status == 204
    assert (await api.ask("DELETE", f"/v1/invitations/{made['id']}")).status == 404
    cases: list[tuple[dict[str, Any], int]] = [
        ({"token": made["token"]}, 409), ({"token": "x" * 43}, 404), ({"token": ""}, 422), ({"token": "x" * 300}, 422), ({"token": "a\u0000"}, 422),
        ({}, 422), ({"token": made["token"], "key_name": "a/b"}, 422),
    ]  # fmt: skip
    for body, status in cases:
        assert (await api.ask("POST", "/v1/invitations/accept", key=None, json=body)).status == status, body
    assert (await api.ask("GET", "/invite/nonsense", key=None)).status == 404
    for body in ({"expires": "400d"}, {"expires": "soon"}, {"role": "owner"}, {"team": "a/b"}):
        assert (await api.ask("POST", f"/v1/developers/{name}/invitations", json=body)).status == 422, body
    key = await api.developer()
    assert (await api.ask("POST", f"/v1/developers/{name}/invitations", key=key)).status == 403


async def export(api: Api, name: str, *, key: str = "admin") -> list[dict[str, Any]]:
    reply = await api.ask("GET", f"/v1/developers/{name}/export", key=key)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in reply.text.splitlines()]


async def test_an_export_holds_each_session_with_its_events_redacted(api: Api) -> None:
    name = new_name()
    key = await new_developer(api, name)
    secret = "AKIA" + "QWERTYUIOPASDFGH"
    await api.ingest(generic((uuid4().hex, "user", f"Use aws_access_key_id={secret}"), (uuid4().hex, "assistant", "Done.")), key=key)
    await api.ingest(generic((uuid4().hex, "user", "Why does the build fail?")), key=key)
    records = await export(api, name)
    assert [each["record"] for each in records] == ["developer", "session", *records_between(records), "end"]
    assert records[-1] == {"record": "end", "sessions": 2, "events": 3}
    assert secret not in json.dumps(records)
    session = next(each for each in records if each["record"] == "session")
    assert not {"team_id", "project_id", "developer_id"} & set(session)
    events = [each for each in records if each["record"] == "event" and each["session_id"] == session["id"]]
    assert [each["seq"] for each in events] == list(range(1, session["event_count"] + 1))
    assert (await export(api, name, key=key))[-1] == records[-1], "one's own"
    assert (await api.ask("GET", f"/v1/developers/{name}/export", key=await api.developer())).status == 403
    for role in ("lead", "auditor"):
        theirs = await new_developer(api, new_name(), role=role)
        assert (await api.ask("GET", f"/v1/developers/{name}/export", key=theirs)).status == 403, role
    assert (await api.ask("GET", "/v1/developers/nobody/export")).status == 404


async def test_an_export_tells_how_many_transcripts_are_not_read_yet(api: Api) -> None:
    name = new_name()
    await new_developer(api, name)
    found = await api.services.accounts.find_developer(name)
    later = datetime.now(UTC) + timedelta(hours=1)
    job = NewJob(kind=INGEST, payload={"upload_id": str(uuid4())}, team_id=found.team_id, developer_id=found.id, run_at=later)
    assert (await export(api, name))[0]["waiting"] == 0
    async with api.services.database.begin() as connection:
        await api.services.queue.enqueue(connection, job)
    assert (await export(api, name))[0]["waiting"] == 1
    await removed(api, name, "erase")  # cancels it


def records_between(records: list[dict[str, Any]]) -> list[str]:
    return [each["record"] for each in records[2:-1]]


async def removed(api: Api, name: str, sessions: str) -> Reply:
    return await api.ask("DELETE", f"/v1/developers/{name}", params={"sessions": sessions})


async def test_removing_a_developer_erases_what_they_sent_and_what_only_that_says(api: Api) -> None:
    name, topic = new_name(), f"svc{uuid4().hex[:8]}"
    key = await new_developer(api, name)
    sessions = [(await api.ingest(lesson(topic), key=key))["result"]["sessions"][0]]
    sessions += [(await api.ingest(generic((uuid4().hex, "user", "Hello there")), key=key))["result"]["sessions"][0] for _ in range(2)]
    others = (await api.ingest(generic((uuid4().hex, "user", "Mine stays")), key=await api.developer()))["result"]["sessions"][0]
    done = await removed(api, name, "erase")
    assert (done.status, done.json["sessions"]) == (200, 3)
    assert (await api.finished(done.json["job_id"]))["result"] == {"erased": 3}
    assert [(await api.ask("GET", f"/v1/sessions/{each}")).status for each in [*sessions, others]] == [404, 404, 404, 200]
    found = (await api.ask("POST", "/v1/knowledge/query", json={"query": f"Why does the {topic} service drop its connections?"})).json
    assert topic not in json.dumps(found["results"])
    assert (await api.ask("GET", "/v1/me", key=key)).status == 401
    for again in (await removed(api, name, "erase"), await removed(api, "nobody", "keep")):
        assert again.status == 404
    assert (await removed(api, done.json["name"], "keep")).status == 409


async def test_removing_a_developer_can_keep_what_they_sent_and_frees_the_name(api: Api) -> None:
    name = new_name()
    key = await new_developer(api, name)
    (session,) = (await api.ingest(generic((uuid4().hex, "user", "Keep this")), key=key))["result"]["sessions"]
    for wrong in ({}, {"sessions": "burn"}):
        assert (await api.ask("DELETE", f"/v1/developers/{name}", params=wrong)).status == 422
    assert (await api.ask("DELETE", f"/v1/developers/{name}", key=key, params={"sessions": "keep"})).status == 403
    done = await removed(api, name, "keep")
    assert (done.status, done.json["sessions"], done.json["job_id"]) == (200, 1, None)
    assert done.json["name"].startswith(f"{name} - removed 20")
    assert (await api.ask("GET", f"/v1/sessions/{session}")).status == 200
    listed = [
        each["name"] for each in (await api.ask("GET", "/v1/developers", params={"removed": "true", "order": "newest"})).json["developers"]
    ]
    assert (done.json["name"] in listed, name in listed) == (True, False)
    later = await new_developer(api, name)
    assert (await api.ask("GET", "/v1/sessions", key=later, params={"own": "true"})).json["sessions"] == []
    assert (await export(api, name))[-1]["sessions"] == 0
    assert (await export(api, done.json["name"]))[-1]["sessions"] == 1


async def test_a_removed_developer_is_given_no_money_any_more_and_their_budget_is_still_read(api: Api) -> None:
    name = new_name()
    await new_developer(api, name)
    path = f"/v1/budgets/{(await removed(api, name, 'keep')).json['name']}"
    for method, what, body in (("PUT", "", {"monthly_limit_usd": 5}), ("POST", "/top-ups", {"amount_usd": 5})):
        refused = await api.ask(method, path + what, json=body)
        assert (refused.status, "was removed" in refused.text) == (409, True), refused.text
    assert [(await api.ask("GET", path + what)).status for what in ("", "/movements")] == [200, 200]
    assert (await api.ask("POST", f"{path}/reconcile", json={})).status == 200


async def holds_of(door: Door) -> int:
    query = text("select count(*) from budget_holds h join developers d on d.id = h.developer_id where d.name = :name and h.state = 'held'")
    async with door.api.services.database.begin() as connection:
        return await connection.scalar(query, {"name": door.developer}) or 0


async def test_a_call_under_way_is_settled_although_its_developer_is_removed(door: Door) -> None:
    api = door.api
    door.fakes["one"].first_token_ms = 8000  # longer than the removal takes
    call = asyncio.create_task(door.chat("say 5 words"))
    async with patience():
        while await holds_of(door) == 0:
            await asyncio.sleep(0.01)
    done = await removed(api, door.developer, "erase")
    assert done.status == 200
    assert not call.done()
    assert (await call).status == 200
    later = replace(door, developer=done.json["name"])
    assert [(state, mark) for _, state, mark in await later.holds()] == [("settled", "usage")]
    budget = (await api.ask("GET", f"/v1/budgets/{later.developer}")).json
    assert (budget["spent_usd"] > 0, budget["held_usd"]) == (True, 0)
    assert (await api.ask("GET", f"/v1/budgets/{later.developer}/movements")).json["movements"]
    assert (await api.ask("GET", "/v1/budget/verify")).json["differences"] == []
