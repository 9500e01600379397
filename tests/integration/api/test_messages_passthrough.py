"""Anthropic's own client, Cairn, and a provider that speaks Anthropic's format: what arrives is what was sent, and what comes back, too."""

from __future__ import annotations

import copy
from typing import Any

import anthropic
import pytest

from app.budget.prices import TokenUsage
from tests.fakes.provider import full
from tests.fakes.scripted import ScriptedProvider, Streamed
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door
from tests.integration.api.test_messages_door import client_of, events_of, post
from tests.unit.inference.replays import CITATION, FOUND, STREAMS, ended, started, text

HOUR = {"type": "ephemeral", "ttl": "1h"}
BETAS = ["context-management-2025-06-27", "prompt-caching-scope-2026-01-05"]
BODY: dict[str, Any] = {
    "model": "auto",
    "max_tokens": 4000,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0;"},
        {"type": "text", "text": "You are an agent.", "cache_control": HOUR},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "say 5 words", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"},
                {"type": "text", "text": "It is 1916.", "citations": [CITATION]},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"b": 1, "a": [2.0, None]}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "x"}], "is_error": True},
                {"type": "text", "text": "say 5 words"},
            ],
        },
    ],
    "tools": [
        {"name": "look", "input_schema": {"type": "object", "properties": {"b": {"type": "integer"}}}, "eager_input_streaming": True},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 10_000},
        {"type": "memory_20250818", "name": "memory", "cache_control": HOUR},
    ],
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "metadata": {"user_id": "user_1_account__session_2"},
    "a_field_of_tomorrow": {"deep": [1, {"x": None}]},
}


async def send(door: Door, body: dict[str, Any], *, stream: bool) -> Any:
    """Send with Anthropic's own client, which adds only the model, the bound and `stream` by itself."""
    given = copy.deepcopy(body)
    more = {name: given.pop(name) for name in ("context_management", "a_field_of_tomorrow") if name in given}
    async with client_of(door) as client:
        if stream:
            async with client.beta.messages.stream(**given, betas=BETAS, extra_body=more) as events:
                return await events.get_final_message()
        return await client.beta.messages.create(**given, betas=BETAS, extra_body=more)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_the_provider_gets_what_was_sent_but_for_three_fields(api: Api, stream: bool) -> None:
    async with open_door(api, "one", kinds={"one": "anthropic"}) as door:
        answer = await send(door, BODY, stream=stream)
        [asked] = door.fakes["one"].asked
        ours = {"model": "one-model", "max_tokens": 4000, "stream": True}
        assert asked.body == {**BODY, **ours}
        assert list(asked.body["messages"][1]["content"][2]["input"]) == ["b", "a"]
        assert asked.headers["anthropic-beta"] == ",".join(BETAS)
        assert asked.headers["anthropic-version"] == client_of(door).default_headers["anthropic-version"]
        assert asked.path == "/v1/messages"
        assert answer.content[0].text == "".join(full("say 5 words"))


async def test_a_plain_request_is_whole_where_streams_are_off(api: Api) -> None:
    async with open_door(api, "one", kinds={"one": "anthropic"}, provider={"streams": False}) as door:
        await send(door, BODY, stream=False)
        assert door.fakes["one"].asked[0].body == {**BODY, "model": "one-model"} | (
            {"stream": False} if "stream" in door.fakes["one"].asked[0].body else {}
        )


async def test_nothing_of_it_is_dropped_and_what_costs_more_is_named(api: Api) -> None:
    async with open_door(api, "one", kinds={"one": "anthropic"}) as door:
        reply = await post(door, BODY)
        assert (reply.status, reply.headers.get("x-cairn-dropped")) == (200, None)
        reply = await post(door, {**BODY, "service_tier": "priority", "speed": "fast", "inference_geo": "us"})
        assert reply.headers["x-cairn-dropped"] == "service_tier, speed, inference_geo"
        assert not door.fakes["one"].asked[-1].body.keys() & {"service_tier", "speed", "inference_geo"}


async def test_a_client_that_sends_no_version_has_the_usual_one_and_a_newer_one_is_forwarded(api: Api) -> None:
    async with open_door(api, "one", kinds={"one": "anthropic"}) as door:
        for given, told in (({}, "2023-06-01"), ({"anthropic-version": "2027-01-01"}, "2027-01-01")):
            assert (await post(door, headers=given)).status == 200
            assert door.fakes["one"].asked[-1].headers["anthropic-version"] == told
            assert "anthropic-beta" not in door.fakes["one"].asked[-1].headers


async def test_betas_are_anthropics_only(api: Api) -> None:
    async with open_door(api, "one") as door:
        assert (await post(door, headers={"anthropic-beta": "one-2025"})).status == 200
        assert "anthropic-beta" not in door.fakes["one"].asked[0].headers
    async with open_door(api, "one", kinds={"one": "anthropic"}) as door:
        reply = await post(door, headers={"anthropic-beta": "x" * 5000})
        assert (reply.status, door.fakes["one"].asked) == (400, [])
        assert "anthropic-beta must have at most 4,096 printable ASCII characters" in reply.text


async def test_a_vendors_tool_skips_providers_that_dont_know_it(api: Api) -> None:
    body = {**BODY, "thinking": {"type": "disabled"}, "context_management": {}}
    async with open_door(api, "one", "two", kinds={"two": "anthropic"}) as door:
        reply = await post(door, body)
        assert (reply.status, reply.headers["x-cairn-provider"], reply.headers["x-cairn-attempts"]) == (200, "two", "2")
        assert (len(door.fakes["one"].asked), len(door.fakes["two"].asked)) == (0, 1)
    async with open_door(api, "one") as door:
        reply = await post(door, body)
        assert reply.status == 400
        assert "tools[1] is bash_20250124, a tool that the vendor runs or defines itself: the provider one doesn't have it" in reply.text
        assert (await door.money())["spent_usd"] == 0


async def test_what_the_provider_says_in_its_own_dialect_comes_back(api: Api) -> None:
    async with (
        ScriptedProvider(Streamed(STREAMS["web search"])) as fake,
        open_door(api, "one", hostile={"one": fake}, kinds={"one": "anthropic"}) as door,
    ):  # type: ignore[dict-item]
        reply = await post(door, {**BODY, "stream": True})
        blocks = [data["content_block"] for name, data in events_of(reply) if name == "content_block_start"]
        assert [each["type"] for each in blocks] == ["text", "server_tool_use", "web_search_tool_result", "text"]
        assert blocks[2] == FOUND
        assert [data["delta"]["citation"] for _, data in events_of(reply) if "citation" in data.get("delta", {})] == [CITATION]
        whole = (await post(door, BODY)).json
        assert [each["type"] for each in whole["content"]] == ["text", "server_tool_use", "web_search_tool_result", "text"]
        assert whole["content"][3]["citations"] == [CITATION]
        assert whole["content"][1]["input"] == {"query": "shannon"}


async def test_the_edits_of_a_context_that_the_provider_applied_are_told(api: Api) -> None:
    edits = {"applied_edits": [{"type": "clear_tool_uses_20250919", "cleared_tool_uses": 4, "cleared_input_tokens": 900}]}
    finish, stop = ended("end_turn")
    script = [started(), *text(0, "It is 1916."), {**finish, "context_management": edits}, stop]
    async with (
        ScriptedProvider(Streamed(script)) as fake,
        open_door(api, "one", hostile={"one": fake}, kinds={"one": "anthropic"}) as door,
    ):  # type: ignore[dict-item]
        reply = await post(door, {**BODY, "stream": True})
        assert [data["context_management"] for name, data in events_of(reply) if name == "message_delta"] == [edits]
        assert (await post(door, BODY)).json["context_management"] == edits


async def test_thinking_that_is_refused_is_sent_once_more_without_it(api: Api) -> None:
    refusal = {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "messages.1.content.0: Invalid `signature` in `thinking` block"},
    }
    from tests.fakes.scripted import Failed

    async with ScriptedProvider(Failed(400, refusal), Streamed([started(), *text(0, "hi"), *ended("end_turn")])) as fake:
        async with open_door(api, "one", hostile={"one": fake}, kinds={"one": "anthropic"}) as door:  # type: ignore[dict-item]
            reply = await post(door, BODY)
            assert (reply.status, reply.headers["x-cairn-dropped"]) == (200, "thinking")
        first, again = fake.asked
        assert first["messages"][1]["content"][0]["type"] == "thinking"
        assert [each["type"] for each in again["messages"][1]["content"]] == ["text", "tool_use"]
        assert (again["system"], again["tools"], again["a_field_of_tomorrow"]) == (
            BODY["system"],
            BODY["tools"],
            BODY["a_field_of_tomorrow"],
        )
        assert again["context_management"] == {"edits": []}
        assert "thinking" not in again


async def test_writes_to_the_hour_long_cache_are_charged(api: Api) -> None:
    usage = {"cache_creation_input_tokens": 1000, "cache_read_input_tokens": 500}
    split = {"cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1000}}
    events = [started(**usage, **split), *text(0, "hi"), *ended("end_turn")]  # type: ignore[arg-type]
    async with ScriptedProvider(Streamed(events)) as fake, open_door(api, "one", hostile={"one": fake}, kinds={"one": "anthropic"}) as door:  # type: ignore[dict-item]
        long = [{"type": "text", "text": "a word " * 1500, "cache_control": HOUR}]
        reply = await post(door, {**BODY, "system": long})
        told = reply.json["usage"]
        assert (told["input_tokens"], told["cache_creation_input_tokens"], told["cache_read_input_tokens"]) == (25, 1000, 500)
        spent = TokenUsage(1525, 15, cached_input=500, cache_write=1000)
        # at 1 USD a million in, 2 USD out: an hour's write twice the input, a read at most the input
        assert 25 + 2000 + 30 <= (await door.money())["spent_usd"] * 1e6 <= spent.input + 1000 + 30


async def test_a_refusal_of_anthropics_client_is_typed(api: Api) -> None:
    async with open_door(api, "one", kinds={"one": "anthropic"}) as door, client_of(door, max_retries=0) as client:
        door.fakes["one"].will("bad_request")
        with pytest.raises(anthropic.BadRequestError, match="temperature: Input should be less than or equal to 1"):
            await client.messages.create(model="auto", max_tokens=5, messages=[{"role": "user", "content": "hi"}])
