"""Requests of agents that are wrong, at `/v1/messages` and `/v1/responses`: status, type, the field by its path, and what to do.

Those of `/v1/chat/completions`: `test_door_input.py`.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.scripted import ScriptedProvider, Streamed
from tests.integration.api.client_routes import CHAT, MESSAGES, RESPONSES, ROUTES, ClientRoute, Told
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door
from tests.integration.api.test_door_cases import TRANSLATED
from tests.integration.api.test_door_conversations import chunk, scripted

AGENTS = pytest.mark.parametrize("route", [MESSAGES, RESPONSES], ids=str)
USER = {"role": "user", "content": "hello"}
TOOL_USE = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
TOOL = {"name": "look", "input_schema": {"type": "object"}}
CALL = {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"}
FUNCTION = {"type": "function", "name": "look", "parameters": {"type": "object"}}


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


def blocks(*found: Any, role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(found)}]}


def turns(*found: Any) -> dict[str, Any]:
    return {"messages": list(found)}


def tools(*found: Any) -> dict[str, Any]:
    return {"tools": list(found)}


def thinking(budget: Any, max_tokens: int = 4000) -> dict[str, Any]:
    return {"max_tokens": max_tokens, "thinking": {"type": "enabled", "budget_tokens": budget}}


def items(*found: Any) -> dict[str, Any]:
    return {"input": list(found)}


Case = tuple[dict[str, Any], str, str]
"""Fields of a request, the path that is told, and words of the message."""

WRONG_MESSAGES: list[Case] = [
    (blocks("hello"), "messages[0].content[0]", "must be an object, not a string"),
    (blocks({"text": "hello"}), "messages[0].content[0].type", "missing"),
    (blocks({"type": 5, "text": "hello"}), "messages[0].content[0].type", "give text"),
    (blocks({"type": "text", "text": 5}), "messages[0].content[0].text", "must be a string, not a number"),
    (blocks({"type": "image"}), "messages[0].content[0].source", "missing"),
    (blocks({"type": "image", "source": {"type": "base64", "media_type": "image/png"}}), "messages[0].content[0].source.data", "missing"),
    (blocks({"type": "tool_result", "content": "x"}), "messages[0].content[0].tool_use_id", "missing"),
    (blocks({"type": "tool_result", "tool_use_id": "z", "content": "x"}), "messages[0].content[0].tool_use_id", "send the tool_use block too"),
    (turns(USER, {"role": "assistant", "content": [TOOL_USE]}, USER), "messages[1].content[0]", "add its tool_result, or leave it out"),
    (
        turns(USER, {"role": "assistant", "content": [TOOL_USE]}, {"role": "assistant", "content": "x"}, USER),
        "messages[1].content[0]",
        "has no result",
    ),
    (turns(USER, {"role": "assistant", "content": [{**TOOL_USE, "input": "{}"}]}), "messages[1].content[0].input", "must be an object"),
    (turns(USER, {"role": "assistant", "content": [{**TOOL_USE, "id": ""}]}), "messages[1].content[0].id", "missing"),
    (blocks(TOOL_USE), "messages[0].content[0]", "is allowed only in a message of the role assistant"),
    (turns(USER, {"role": "assistant", "content": [{"type": "image"}]}), "messages[1].content[0]", "is allowed only in a message of the role user"),
    (turns({"role": "wizard", "content": "x"}), "messages[0].role", "must be one of"),
    (turns({"role": "tool", "content": "x"}), "messages[0].role", "must be one of"),
    (turns({"content": "x"}), "messages[0].role", "missing"),
    (turns({"role": ["user"], "content": "x"}), "messages[0].role", "must be one of"),
    (turns({"role": "user", "content": ""}), "messages[0].content", "is empty"),
    (turns({"role": "user", "content": []}), "messages[0].content", "is empty"),
    (turns({"role": "user"}), "messages[0].content", "must be a string or a list of blocks"),
    (turns(), "messages", "contains no user message"),
    ({"messages": None}, "messages", "contains no user message"),
    ({"messages": "hello"}, "messages", "must be a list"),
    ({"messages": {"role": "user"}}, "messages", "must be a list"),
    ({"max_tokens": None}, "max_tokens", "is missing: give the maximum number of tokens"),
    ({"max_tokens": 0}, "max_tokens", "whole number"),
    ({"max_tokens": "100"}, "max_tokens", "whole number"),
    ({"max_tokens": 2**63}, "max_tokens", "whole number"),
    (thinking(1023), "thinking.budget_tokens", "from 1,024"),
    (thinking(-1), "thinking.budget_tokens", "from 1,024"),
    (thinking(None), "thinking.budget_tokens", "missing"),
    (thinking(4000), "thinking.budget_tokens", "must be less than max_tokens, which is 4,000"),
    (thinking(2**40), "thinking.budget_tokens", "whole number"),
    ({"thinking": {"type": "perhaps"}}, "thinking.type", "must be enabled, adaptive or disabled"),
    ({"thinking": "enabled"}, "thinking", "must be an object"),
    ({"temperature": 1.5}, "temperature", "from 0 to 1"),
    ({"temperature": float("nan")}, "temperature", "NaN"),
    ({"stop_sequences": [""]}, "stop_sequences[0]", "not empty"),
    ({"system": 5}, "system", "must be"),
    ({"system": [{"type": "image"}]}, "system[0].type", "must be text"),
    (tools(TOOL, TOOL), "tools[1].name", "'look', a name that another tool has already"),
    (tools({**TOOL, "name": "x" * 129}), "tools[0].name", "129 characters: at most 128"),
    (tools({**TOOL, "name": "two words"}), "tools[0].name", "letters, digits"),
    (tools({"name": "look"}), "tools[0].input_schema", "missing"),
    (tools({**TOOL, "input_schema": {"type": "string"}}), "tools[0].input_schema.type", "must be object"),
    (tools("look"), "tools[0]", "must be an object"),
    ({"tools": [{**TOOL, "name": f"look{place}"} for place in range(10_000)]}, "tools", "10,000 elements: at most 512"),
    ({"tool_choice": {"type": "any"}}, "tool_choice", "has no tools"),
    ({**tools(TOOL), "tool_choice": {"type": "tool", "name": "jump"}}, "tool_choice.name", "none of the tools"),
    ({"stream": 1}, "stream", "true or false"),
    ({"model": None}, "model", "missing"),
    ({"model": 5}, "model", "must be a string"),
    ({"metadata": {"user_id": 5}}, "metadata.user_id", "must be a string"),
]  # fmt: skip

WRONG_RESPONSES: list[Case] = [
    (items("hello"), "input[0]", "must be an object, not a string"),
    (items({"role": "user", "content": ["x"]}), "input[0].content[0]", "must be an object"),
    (items({"role": "user", "content": [{"text": "x"}]}), "input[0].content[0].type", "missing"),
    (items({"role": "user", "content": [{"type": "input_image"}]}), "input[0].content[0].image_url", "missing"),
    (items({"role": "user", "content": [{"type": "input_file"}]}), "input[0].content[0].file_data", "missing"),
    (items({"type": 5}), "input[0].type", "must be a string"),
    (items(USER, {"type": "function_call_output", "call_id": "z", "output": "x"}), "input[1].call_id", "send the call too"),
    (items(USER, {"type": "function_call_output", "output": "x"}), "input[1].call_id", "missing"),
    (items(USER, CALL), "input[1]", "add its function_call_output, or leave the call out"),
    (items(USER, {**CALL, "arguments": None}), "input[1].arguments", "missing"),
    (items(USER, {**CALL, "arguments": {}}), "input[1].arguments", "must be a string"),
    (items(USER, {**CALL, "call_id": ""}), "input[1].call_id", "missing"),
    (items({"role": "wizard", "content": "x"}), "input[0].role", "must be one of"),
    (items({"role": "tool", "content": "x"}), "input[0].role", "must be one of"),
    (items({"role": 5, "content": "x"}), "input[0].role", "must be one of"),
    (items({"content": "x"}), "input[0].role", "missing"),
    (items({"role": "user", "content": ""}), "input[0].content", "is empty"),
    (items({"role": "user", "content": []}), "input[0].content", "is empty"),
    (items({"role": "user"}), "input[0].content", "must be a string or a list of parts"),
    (items(), "input", "missing"),
    ({"input": None}, "input", "missing"),
    ({"input": ""}, "input", "missing"),
    ({"input": 5}, "input", "must be a string or a list"),
    ({"instructions": 5}, "instructions", "must be a string"),
    ({"max_output_tokens": 0}, "max_output_tokens", "whole number"),
    ({"max_output_tokens": "100"}, "max_output_tokens", "whole number"),
    ({"temperature": 3}, "temperature", "from 0 to 2"),
    ({"reasoning": {"effort": "enormous"}}, "reasoning.effort", "must be"),
    ({"reasoning": "high"}, "reasoning", "must be an object"),
    (tools(FUNCTION, FUNCTION), "tools[1].name", "'look', a name that another tool has already"),
    (tools({**FUNCTION, "name": "x" * 129}), "tools[0].name", "up to 128 letters"),
    (tools({**FUNCTION, "name": "two words"}), "tools[0].name", "letters, digits"),
    (tools({**FUNCTION, "parameters": []}), "tools[0].parameters", "must be an object"),
    (tools({"name": "look"}), "tools[0].type", "missing"),
    (tools("look"), "tools[0]", "must be an object"),
    ({"tools": [{**FUNCTION, "name": f"look{place}"} for place in range(10_000)]}, "tools", "10,000 elements: at most"),
    ({"tool_choice": "required"}, "tool_choice", "no tools"),
    ({"tool_choice": "perhaps"}, "tool_choice", "must be"),
    ({**tools(FUNCTION), "tool_choice": {"type": "function", "name": "jump"}}, "tool_choice.name", "none of the tools"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type", "must be"),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema", "missing"),
    ({"stream": 1}, "stream", "true or false"),
    ({"model": None}, "model", "missing"),
    ({"model": 5}, "model", "must be a string"),
]  # fmt: skip


async def posted(door: Door, route: ClientRoute, body: bytes, kind: str = "application/json") -> Told:
    reply = await door.api.ask("POST", route.path, key=door.key, data=io.BytesIO(body), headers={"content-type": kind})
    return route.read(reply)


async def refused(told: Told, door: Door, status: int, *, param: str | None = None) -> str:
    """The message of a refusal that asked nobody and cost nothing."""
    assert told.status == status, told.reply.text[:500]
    assert told.error is not None
    if param is not None:
        assert (told.error.type, told.error.param) == ("invalid_request_error", param), told.error
        assert param in told.error.message
    assert set((await door.asked()).values()) == {0}
    assert await door.holds() == []
    return told.error.message


@pytest.mark.parametrize(("route", "cases"), [(MESSAGES, WRONG_MESSAGES), (RESPONSES, WRONG_RESPONSES)], ids=["messages", "responses"])
async def test_a_wrong_field_is_named_with_what_to_do(door: Door, route: ClientRoute, cases: list[Case], subtests: pytest.Subtests) -> None:
    """One door for all of a route's cases: none of them leaves anything behind."""
    for fields, param, words in cases:
        with subtests.test(param=param, fields=json.dumps(fields)[:80]):
            body = {**route.body("hello", stream=False, max_tokens=50, tools=()), **fields}
            told = await posted(door, route, json.dumps(body).encode())
            assert words in await refused(told, door, 422, param=param)


@pytest.mark.parametrize("fields", [thinking(1023), blocks(TOOL_USE), turns(), tools(TOOL, TOOL)], ids=lambda each: json.dumps(each)[:30])
async def test_what_is_only_counted_is_checked_as_well(door: Door, fields: dict[str, Any]) -> None:
    body = {**MESSAGES.body("hello", stream=False, max_tokens=None, tools=()), **fields}
    reply = await door.api.ask("POST", "/v1/messages/count_tokens", key=door.key, json=body)
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")


async def test_a_conversation_may_begin_with_the_assistant(door: Door) -> None:
    """Clients cut old turns off; every provider but one takes it, and that one says so itself."""
    answered = {"role": "assistant", "content": "Hi."}
    assert (await MESSAGES.ask(door, messages=[answered, USER])).finish == "end"
    assert (await RESPONSES.ask(door, input=[answered, USER])).finish == "end"
    assert (await CHAT.ask(door, messages=[answered, USER])).finish == "end"


@pytest.mark.parametrize(("route", "model"), [(MESSAGES, "gpt-5.5"), (RESPONSES, "claude-opus-4-8"), (CHAT, "claude-opus-4-8")], ids=str)
async def test_the_other_vendors_model_is_told_with_the_models_that_there_are(door: Door, route: ClientRoute, model: str) -> None:
    message = await refused(await route.ask(door, model=model), door, 404)
    assert model in message
    assert "auto, one-model, two-model" in message


@pytest.mark.parametrize(("route", "model"), [(MESSAGES, "gpt-5.5"), (RESPONSES, "claude-opus-4-8")], ids=str)
async def test_the_other_vendors_model_is_taken_where_a_profile_has_its_name(api: Api, route: ClientRoute, model: str) -> None:
    async with open_door(api, profiles={model: ("two",)}) as door:
        assert (await route.ask(door, model=model)).provider == "two"


@pytest.mark.parametrize("depth", [50, 300, 5000])
@AGENTS
async def test_deep_nesting_is_refused_or_passed_but_breaks_nothing(door: Door, route: ClientRoute, depth: int) -> None:
    body = json.dumps({**route.body("hello", stream=False, max_tokens=50, tools=()), "more": "@"})
    deep = "[" * depth + "]" * depth
    told = await posted(door, route, body.replace('"@"', deep).encode())
    assert told.status in ({200} if depth == 50 else {400, 422})
    schema = json.dumps({**route.body("hello", stream=False, max_tokens=50, tools=["look"])}).replace('"string"', deep)
    assert (await posted(door, route, schema.encode())).status in ({200} if depth == 50 else {400, 422})


BODIES = {
    "cut": (b"{", 400),
    "no JSON": (b"hello", 400),
    "no UTF-8": (b'{"model": "\xff"}', 400),
    "a number without end": (b'{"model": ' + b"9" * 5000 + b"}", 400),
    "a list": (b"[]", 422),
    "a text": (b'"hello"', 422),
    "null": (b"null", 422),
    "empty": (b"", 422),
    "an empty object": (b"{}", 422),
}


@AGENTS
async def test_a_body_that_is_no_request_is_refused(door: Door, route: ClientRoute, subtests: pytest.Subtests) -> None:
    for name, (body, status) in BODIES.items():
        with subtests.test(name):
            await refused(await posted(door, route, body), door, status)


@AGENTS
async def test_json_under_another_name_is_not_taken(door: Door, route: ClientRoute) -> None:
    body = json.dumps(route.body("hello", stream=False, max_tokens=50, tools=())).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert "application/json" in await refused(await posted(door, route, body, kind), door, 422)
    assert (await posted(door, route, body, "application/json; charset=utf-8")).status == 200


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_a_picture_of_thirty_megabytes_is_too_large_and_it_says_how_much_is_taken(door: Door, route: ClientRoute) -> None:
    picture = route.picture("data:image/png;base64," + "A" * 40_000_000)
    body = route.body([{"type": "text", "text": "What?"}, picture], stream=False, max_tokens=50, tools=())
    message = await refused(await posted(door, route, json.dumps(body).encode()), door, 413)
    assert f"{door.api.services.settings.inference.max_body_bytes:,} bytes" in message


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_events_of_a_provider_that_nobody_knows_are_passed_over(api: Api, route: ClientRoute, kind: str) -> None:
    odd: dict[str, Any] = {"type": "future.event", "more": {"a": [1, 2]}}
    start: dict[str, Any] = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    anthropic = Streamed([
        {"type": "message_start", "message": {**start, "usage": {"input_tokens": 9, "output_tokens": 1}}}, odd,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, odd,
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "River"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "future_delta", "more": 1}},
        {"type": "content_block_stop", "index": 0}, {"type": "ping"},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}, {"type": "message_stop"},
    ])  # fmt: skip
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    openai = Streamed([odd, chunk({"role": "assistant", "content": "River"}), odd, chunk({}, "stop"), chunk(usage=usage), "[DONE]"])
    script = openai if kind == "openai" else anthropic
    async with (
        ScriptedProvider(script) as fake,
        open_door(api, hostile=scripted(one=fake), kinds={"one": kind}, timeouts=TRANSLATED) as door,
    ):
        told = await route.ask(door, stream=True)
        assert (told.text, told.finish, told.error) == ("River", "end", None)
        assert await door.holds() == [("one", "settled", "usage")]
