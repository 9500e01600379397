"""What a coding agent may get from the cache: identical deterministic prompts, and turns with tools of its own session alone.

The same on all three routes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.api.conftest import Api, Reply
from tests.integration.api.door import Door, open_door
from tests.integration.api.test_session_costs import CHAT, MESSAGES, RESPONSES, ROUTES, body_for

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"at": {"type": "string"}}}


def tools_for(route: str) -> dict[str, Any]:
    """A tool that is offered."""
    name = {"name": "look", "description": "Look at it."}
    if route == MESSAGES:
        return {"tools": [{**name, "input_schema": SCHEMA}]}
    if route == RESPONSES:
        return {"tools": [{"type": "function", **name, "parameters": SCHEMA, "strict": False}]}
    return {"tools": [{"type": "function", "function": {**name, "parameters": SCHEMA}}]}


def results_for(route: str) -> dict[str, Any]:
    """A conversation that holds a tool's call and its result."""
    asked = {"role": "user", "content": "look"}
    if route == MESSAGES:
        called = {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "door"}}]}
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "It is open."}]}
        return {"messages": [asked, called, result]}
    if route == RESPONSES:
        called = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
        return {"input": [asked, called, {"type": "function_call_output", "call_id": "call_1", "output": "It is open."}]}
    calls = [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    return {"messages": [asked, {"role": "assistant", "tool_calls": calls}, {"role": "tool", "tool_call_id": "call_1", "content": "open"}]}


async def ask(door: Door, route: str, session: str | None, prompt: str = "why?", *, control: str = "", **fields: Any) -> Reply:
    headers = {"cache-control": control} if control else {}
    if session is not None:
        headers["x-cairn-session"] = session
    reply = await door.api.ask("POST", route, key=door.key, json=body_for(route, prompt, **fields), headers=headers)
    assert reply.status == 200, reply.text
    return reply


def told(reply: Reply) -> tuple[str, str | None]:
    return reply.headers["x-cairn-cache"], reply.headers.get("x-cairn-cache-bypass")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ROUTES)
async def test_the_same_request_again_in_a_session_gets_a_new_answer(api: Api, route: str, stream: bool) -> None:
    """How agents and IDEs regenerate: neither Claude Code nor Codex sends a temperature."""
    async with open_door(api, "one", cached=True) as door:
        for fields in ({}, {"temperature": 0.7}):
            for _ in range(2):
                assert told(await ask(door, route, "mine", stream=stream, **fields)) == ("miss", "creative")
        assert await door.asked() == {"one": 4}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ROUTES)
async def test_a_deterministic_prompt_is_answered_once_for_all_sessions(api: Api, route: str, stream: bool) -> None:
    async with open_door(api, "one", cached=True) as door:
        asked = [await ask(door, route, session, temperature=0, stream=stream) for session in ("mine", "mine", "yours", None)]
        assert [told(each) for each in asked] == [("miss", None), *[("memory", None)] * 3]
        assert await door.asked() == {"one": 1}


@pytest.mark.parametrize("route", ROUTES)
async def test_no_cache_asks_anew_and_keeps_the_new_answer(api: Api, route: str) -> None:
    async with open_door(api, "one", cached=True) as door:
        for control, tier in (("", "miss"), ("no-cache", "miss"), ("", "memory"), ("no-store", "miss")):
            assert told(await ask(door, route, "mine", control=control, temperature=0))[0] == tier
        assert await door.asked() == {"one": 3}


@pytest.mark.parametrize("make", [tools_for, results_for])
@pytest.mark.parametrize("route", ROUTES)
async def test_a_turn_with_tools_is_never_another_sessions(api: Api, route: str, make: Any) -> None:
    async with open_door(api, "one", cached=True) as door:
        fields = {**make(route), "temperature": 0}
        found = [told(await ask(door, route, session, **fields)) for session in ("mine", "yours", None, None, "mine")]
        assert found == [("miss", None), ("miss", None), ("miss", "tools"), ("miss", "tools"), ("memory", None)]
        assert await door.asked() == {"one": 4}


@pytest.mark.parametrize("make", [tools_for, results_for])
@pytest.mark.parametrize("route", ROUTES)
async def test_a_turn_with_tools_that_may_vary_is_asked_again_in_its_own_session_too(api: Api, route: str, make: Any) -> None:
    async with open_door(api, "one", cached=True) as door:
        assert [told(await ask(door, route, "mine", **make(route))) for _ in range(2)] == [("miss", "creative")] * 2
        assert await door.asked() == {"one": 2}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ROUTES)
async def test_equal_turns_at_once_are_one_call_within_a_session_and_two_across(api: Api, route: str, stream: bool) -> None:
    async with open_door(api, "one", cached=True, fakes={"first_token_ms": 200}) as door:
        fields = {**tools_for(route), "temperature": 0, "stream": stream}
        replies = await asyncio.gather(*(ask(door, route, session, **fields) for session in ("mine", "yours", "mine", "yours", "mine")))
        assert await door.asked() == {"one": 2}
        assert sorted(told(each)[0] for each in replies) == ["memory"] * 3 + ["miss"] * 2


async def test_another_developers_session_of_the_same_name_is_another_session(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door:
        fields, other = {**tools_for(CHAT), "temperature": 0}, await api.developer()
        assert told(await ask(door, CHAT, "mine", **fields))[0] == "miss"
        body, headers = body_for(CHAT, "why?", **fields), {"x-cairn-session": "mine"}
        assert told(await api.ask("POST", CHAT, key=other, json=body, headers=headers))[0] == "miss"
        assert told(await ask(door, CHAT, "mine", **fields))[0] == "memory"


async def test_an_agents_answer_is_kept_where_it_asks_for_it(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door:
        found = [told(await ask(door, CHAT, "mine", cache=True))[0] for _ in range(2)]
        assert found == ["miss", "memory"]


async def test_a_call_of_a_tool_is_never_kept(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door:
        fields = {**tools_for(CHAT), "temperature": 0, "tool_choice": "required"}
        for _ in range(2):
            reply = await ask(door, CHAT, "mine", **fields)
            assert (told(reply)[0], reply.json["choices"][0]["finish_reason"]) == ("miss", "tool_calls")
        assert await door.asked() == {"one": 2}
