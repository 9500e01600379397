"""What a coding session cost: which calls are its own, on every route; who may see it; by agent, by model, in pages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api, Reply
from tests.integration.api.door import Door, open_door
from tests.integration.api.test_door_input import logged
from tests.waiting import patience

ROUTES = ("/v1/chat/completions", "/v1/messages", "/v1/responses")
CHAT, MESSAGES, RESPONSES = ROUTES


def body_for(route: str, prompt: str, **fields: Any) -> dict[str, Any]:
    if route == RESPONSES:
        return {"model": "auto", "input": prompt, "store": False, **fields}
    messages = [{"role": "user", "content": prompt}]
    return {"model": "auto", "messages": messages, **({"max_tokens": 50} if route == MESSAGES else {}), **fields}


async def call(door: Door, route: str = CHAT, prompt: str = "why?", *, key: str | None = None, headers: Any = None, **fields: Any) -> Reply:
    return await door.api.ask("POST", route, key=key or door.key, json=body_for(route, prompt, **fields), headers=headers or {})


async def costs(door: Door, query: str = "", key: str | None = None) -> list[dict[str, Any]]:
    await door.api.services.budget.requests._writing.finish()
    reply = await door.api.ask("GET", f"/v1/budget/sessions{query}", key=key or door.key)
    assert reply.status == 200, reply.text
    return reply.json["sessions"]  # type: ignore[no-any-return]


def paid(*replies: Reply) -> float:
    return sum(float(reply.headers["x-cairn-cost-usd"]) for reply in replies)


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ROUTES)
async def test_the_log_knows_session_agent_and_tokens_of_a_call(door: Door, route: str, stream: bool) -> None:
    session = str(uuid4())
    headers = {"x-claude-code-session-id": session, "x-claude-code-agent-id": "a1", "x-claude-code-parent-agent-id": "a0"}
    assert (await call(door, route, headers=headers, stream=stream)).status == 200
    (row,) = await logged(door)
    assert (row["session"], row["agent"], row["parent_agent"]) == (session, "a1", "a0")
    assert (await door.money())["spent_usd"] == pytest.approx(row["nanousd"] / 1e9)
    assert row["nanousd"] == row["input_tokens"] * 1000 + row["output_tokens"] * 2000 > 0
    assert row["cached_input_tokens"] == 0


async def test_a_body_names_the_session_where_no_header_does(door: Door) -> None:
    sessions = [str(uuid4()) for _ in range(2)]
    await call(door, MESSAGES, metadata={"user_id": json.dumps({"device_id": "1", "session_id": sessions[0]})})
    await call(door, RESPONSES, prompt_cache_key=sessions[1])
    assert [row["session"] for row in await logged(door)] == sessions


@pytest.mark.parametrize("route", ROUTES)
async def test_an_id_that_is_no_label_fails_no_call(door: Door, route: str) -> None:
    odd = {"x-cairn-session": "s" * 300, "session-id": "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8", "thread-id": "t" * 201}
    assert (await call(door, route, headers=odd)).status == 200
    assert [row["session"] for row in await logged(door)] == [None]
    assert await costs(door) == []


@pytest.mark.parametrize("route", ROUTES)
async def test_a_stream_that_its_caller_left_is_logged_at_what_it_was_charged(api: Api, route: str) -> None:
    async with open_door(api, fakes={"per_token_ms": 20}) as door:
        headers = {"authorization": f"Bearer {door.key}", "x-cairn-session": "left"}
        body = body_for(route, "say 40 words", stream=True)
        async with api.http.post(api.url + route, json=body, headers=headers) as reply:
            await reply.content.readany()
            reply.close()
        async with patience():
            while [state for _, state, _ in await door.holds()] != ["settled"] or not await logged(door):
                await asyncio.sleep(0.02)
        (row,) = await logged(door)
        assert row["status"] == 499
        assert row["nanousd"] / 1e9 == pytest.approx((await door.money())["spent_usd"])
        assert row["nanousd"] == row["input_tokens"] * 1000 + row["output_tokens"] * 2000 > 0


async def test_a_session_is_listed_with_the_sums_of_its_calls(api: Api) -> None:
    async with open_door(api, cached=True) as door:
        first, other = str(uuid4()), str(uuid4())
        replies = [
            await call(door, headers={"x-cairn-session": first, "x-cairn-project": "shop"}, temperature=0),
            await call(door, headers={"x-cairn-session": first, "x-cairn-agent": "tests"}, temperature=0),
            await call(door, MESSAGES, "how?", headers={"x-cairn-session": first, "x-cairn-agent": "tests"}),
        ]
        await call(door, headers={"x-cairn-session": other}, prompt="something else")
        listed = await costs(door)
        assert [each["session"] for each in listed] == [other, first]
        (found,) = await costs(door, f"?session={first}")
        assert found == listed[1]
        assert (found["requests"], found["cached"], found["agents"], found["project"]) == (3, 1, 1, "shop")
        assert (found["developer"], found["team"], found["session_id"], found["title"]) == (door.developer, "default", None, None)
        assert found["cost_usd"] == pytest.approx(paid(*replies))
        assert found["saved_usd"] == pytest.approx(paid(replies[0])) != 0
        rows = [row for row in await logged(door) if row["session"] == first]
        assert found["input_tokens"] == sum(row["input_tokens"] for row in rows)
        assert found["output_tokens"] == sum(row["output_tokens"] for row in rows)
        assert found["cost_usd"] == pytest.approx(sum(row["nanousd"] for row in rows) / 1e9)


async def test_a_session_is_shown_by_agent_and_by_model(door: Door) -> None:
    session, headers = str(uuid4()), {"x-cairn-session": ""}
    headers["x-cairn-session"] = session
    main = [await call(door, headers=headers, prompt="say 30 words"), await call(door, headers=headers, model="two-model")]
    helper = await call(door, headers=headers | {"x-cairn-agent": "tests"})
    below = await call(door, headers=headers | {"x-cairn-agent": "deeper", "x-cairn-parent-agent": "tests"})
    await door.api.services.budget.requests._writing.finish()
    shown = (await door.api.ask("GET", f"/v1/budget/sessions/{session}", key=door.key)).json
    assert {each["agent"]: each["parent_agent"] for each in shown["agents"]} == {None: None, "tests": None, "deeper": "tests"}
    by_agent = {each["agent"]: each["cost_usd"] for each in shown["agents"]}
    assert by_agent == pytest.approx({None: paid(*main), "tests": paid(helper), "deeper": paid(below)})
    assert {each["model"]: each["requests"] for each in shown["models"]} == {"one-model": 3, "two-model": 1}
    assert shown["cost_usd"] == pytest.approx(sum(each["cost_usd"] for each in shown["models"])) == pytest.approx(sum(by_agent.values()))
    assert (shown["developers"], shown["requests"]) == ([door.developer], 4)
    (of_agent,) = await costs(door, "?agent=tests")
    assert (of_agent["requests"], of_agent["cost_usd"]) == (2, pytest.approx(paid(helper, below)))


async def test_sessions_are_listed_in_pages_and_by_cost(door: Door) -> None:
    names = [f"{number}-{uuid4()}" for number in range(5)]
    for words, name in zip((9, 40, 3, 20, 1), names, strict=True):
        await call(door, headers={"x-cairn-session": name}, prompt=f"say {words} words")
        await logged(door)
    seen: list[str] = []
    before = ""
    for _ in range(3):
        await door.api.services.budget.requests._writing.finish()
        page = (await door.api.ask("GET", f"/v1/budget/sessions?limit=2{before}", key=door.key)).json
        seen += [each["session"] for each in page["sessions"]]
        before = f"&cursor={page['next_cursor']}"
    assert (seen, page["next_cursor"]) == (names[::-1], None)
    dearest = (await door.api.ask("GET", "/v1/budget/sessions?order=cost&limit=2", key=door.key)).json
    assert [each["session"] for each in dearest["sessions"]] == [names[1], names[3]]
    rest = await costs(door, f"?order=cost&limit=3&cursor={dearest['next_cursor']}")
    assert [each["session"] for each in rest] == [names[0], names[2], names[4]]
    soon = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await costs(door, f"?since={soon}"), len(await costs(door, f"?until={soon}"))) == ([], 5)


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    key: str


async def member(api: Api, team: str, role: str) -> Member:
    name = f"{role}-{uuid4().hex[:10]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "team": team, "role": role})).status == 201
    return Member(name, (await api.ask("POST", f"/v1/developers/{name}/keys")).json["key"])


async def test_a_developer_sees_their_own_a_lead_the_teams_and_an_admin_all(door: Door) -> None:
    api, team, session = door.api, f"t{uuid4().hex[:10]}", str(uuid4())
    assert (await api.ask("POST", "/v1/teams", json={"name": team})).status == 201
    ada, bob, lead, auditor = [await member(api, team, role) for role in ("developer", "developer", "lead", "auditor")]
    for one in (ada, bob):
        await call(door, key=one.key, headers={"x-cairn-session": session})
    await call(door, headers={"x-cairn-session": session})  # of another team
    query = f"?session={session}"

    async def seen(key: str) -> set[str]:
        return {each["developer"] for each in await costs(door, query, key)}

    assert await seen(ada.key) == {ada.name}
    assert await seen(lead.key) == await seen(auditor.key) == {ada.name, bob.name}
    assert await seen(api.key) == {ada.name, bob.name, door.developer}
    assert {each["developer"] for each in await costs(door, f"{query}&developer={bob.name}", lead.key)} == {bob.name}
    assert {each["developer"] for each in await costs(door, f"{query}&developer={ada.name}", ada.key)} == {ada.name}
    for key, developer, status in ((ada.key, bob.name, 403), (lead.key, door.developer, 404), (api.key, "nobody", 404)):
        path = f"/v1/budget/sessions{query}&developer={developer}"
        assert (await api.ask("GET", path, key=key)).status == status, path
    details = f"/v1/budget/sessions/{session}"
    found = {key: (await api.ask("GET", details, key=key)).json for key in (ada.key, lead.key, api.key)}
    assert [each["requests"] for each in found.values()] == [1, 2, 3]
    stranger = await member(api, team, "developer")
    assert (await api.ask("GET", details, key=stranger.key)).status == 404
    assert await seen(stranger.key) == set()


def claude_code(session: str, project: str) -> str:
    common = {"sessionId": session, "cwd": f"/home/ada/{project}", "timestamp": "2026-11-02T10:00:00Z", "version": "2.1.0"}
    turns = [("user", "Why does the pump stop at night?"), ("assistant", "Its lease ends at midnight.")]
    lines = [{**common, "type": role, "uuid": str(uuid4()), "message": {"role": role, "content": said}} for role, said in turns]
    return "".join(json.dumps(line) + "\n" for line in lines)


async def test_an_ingested_session_shows_its_cost_and_lends_its_calls_its_project(door: Door) -> None:
    api, session, project = door.api, str(uuid4()), f"pumps-{uuid4().hex[:8]}"
    reply = await call(door, MESSAGES, headers={"x-claude-code-session-id": session})
    ingested = await api.ingest(claude_code(session, project), key=door.key, name="pump.jsonl", project=project)
    (session_id,) = ingested["result"]["sessions"]
    (listed,) = await costs(door, f"?project={project}")
    assert (listed["session"], listed["session_id"], listed["project"]) == (session, session_id, project)
    assert await costs(door, f"?project=no-{project}") == []
    shown = (await api.ask("GET", f"/v1/sessions/{session_id}", key=door.key)).json
    assert shown["cost"]["cost_usd"] == pytest.approx(paid(reply))
    assert (shown["cost"]["requests"], shown["cost"]["session_id"]) == (1, session_id)
    colleague = await api.developer()
    assert (await api.ask("GET", f"/v1/sessions/{session_id}", key=colleague)).json["cost"] is None
    details = (await api.ask("GET", f"/v1/budget/sessions/{session}", key=door.key)).json
    assert details == shown["cost"]


async def test_a_sub_agents_own_transcript_shows_its_part(door: Door) -> None:
    """Codex writes a rollout for each sub-agent, whose id is the thread that its calls name."""
    session, thread = str(uuid4()), str(uuid4())
    await call(door, RESPONSES, headers={"session-id": session, "thread-id": session})
    part = await call(door, RESPONSES, headers={"session-id": session, "thread-id": thread, "x-codex-parent-thread-id": session})
    await logged(door)
    shown = (await door.api.ask("GET", f"/v1/budget/sessions/{thread}", key=door.key)).json
    assert (shown["requests"], shown["cost_usd"]) == (1, pytest.approx(paid(part)))
