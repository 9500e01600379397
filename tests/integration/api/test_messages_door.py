"""Anthropic's own client, and LangChain's, at Cairn's door: messages whole and streamed, tools, thinking, errors, the budget."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anthropic
import pytest
from anthropic import beta_async_tool
from anthropic.types import MessageParam, ToolParam
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import SecretStr

from app.api import anthropic as routes
from tests.fakes.provider import full
from tests.fakes.scripted import ScriptedProvider, Streamed
from tests.integration.api.conftest import Api, Reply
from tests.integration.api.door import Door, open_door
from tests.integration.api.test_door_conversations import PARALLEL, THOUGHT
from tests.waiting import patience

PROMPT = "say 5 words"
WORDS = "".join(full(PROMPT))
KINDS = ["openai", "groq", "anthropic", "gemini"]
WEATHER: ToolParam = {
    "name": "weather",
    "description": "of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
LOOK: ToolParam = {"name": "look", "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def asked(prompt: str = PROMPT) -> list[MessageParam]:
    return [{"role": "user", "content": prompt}]


def client_of(door: Door, **more: Any) -> anthropic.AsyncAnthropic:
    """As its documentation makes one: with its own retries."""
    return anthropic.AsyncAnthropic(base_url=door.api.url, api_key=door.key, **more)


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


@pytest.fixture
async def client(door: Door) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with client_of(door) as made:
        yield made


async def post(door: Door, body: Any = None, *, key: str | None = None, path: str = "/v1/messages", **options: Any) -> Reply:
    given = {"model": "auto", "max_tokens": 50, "messages": asked()} if body is None else body
    return await door.api.ask("POST", path, key=key or door.key, json=given, **options)


def events_of(reply: Reply) -> list[tuple[str, Any]]:
    """Return a stream's events by name."""
    found = []
    for event in reply.text.split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_anthropics_client_gets_a_message_of_every_providers(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door, client_of(door) as client:
        answer = await client.messages.create(model="auto", max_tokens=50, messages=asked())
        assert [(block.type, getattr(block, "text", None)) for block in answer.content] == [("text", WORDS)]
        assert (answer.stop_reason, answer.role, answer.usage.output_tokens) == ("end_turn", "assistant", 5)
        assert answer.usage.input_tokens > 0


@pytest.mark.parametrize("kind", KINDS)
async def test_anthropics_streaming_helper_puts_a_stream_together(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door, client_of(door) as client:
        async with client.messages.stream(model="auto", max_tokens=50, messages=asked()) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            answer = await stream.get_final_message()
        assert (text, answer.stop_reason, answer.usage.output_tokens) == (WORDS, "end_turn", 5)
        assert [block.type for block in answer.content] == ["text"]
        whole = await client.messages.create(model="auto", max_tokens=50, messages=asked())
        assert whole.usage.input_tokens > 0
        charged = [movement for _, state, movement in await door.holds() if state == "settled"]
        assert charged == ["usage", "usage"]


async def test_the_events_come_in_the_exact_order(door: Door) -> None:
    reply = await post(door, {"model": "auto", "max_tokens": 50, "messages": asked(), "stream": True})
    events = events_of(reply)
    assert [name for name, _ in events] == [
        "message_start", "content_block_start", *["content_block_delta"] * 5, "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    assert all(data["type"] == name for name, data in events)
    assert events[0][1]["message"]["usage"]["input_tokens"] > 0
    assert events[-2][1]["usage"]["cost_usd"] > 0
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert (reply.headers["x-cairn-provider"], reply.headers["request-id"]) == ("one", reply.headers["x-request-id"])


@pytest.mark.parametrize("kind", KINDS)
async def test_anthropics_tool_runner_calls_a_tool_and_gets_the_answer(api: Api, kind: str) -> None:
    cities: list[str] = []

    @beta_async_tool
    async def weather(city: str) -> str:
        """Tell the weather of a city."""
        cities.append(city)
        return "sunny"

    async with open_door(api, "one", kinds={"one": kind}) as door, client_of(door) as client:
        runner = client.beta.messages.tool_runner(
            model="auto", max_tokens=200, tools=[weather], messages=[{"role": "user", "content": "call weather"}]
        )
        messages = [message async for message in runner]
    assert cities == ["the city"]
    assert [message.stop_reason for message in messages] == ["tool_use", "end_turn"]
    (call,) = [block for block in messages[0].content if block.type == "tool_use"]
    assert (call.name, call.input) == ("weather", {"city": "the city"})


async def test_parallel_calls_come_whole_and_streamed_with_their_input(api: Api) -> None:
    async with ScriptedProvider(PARALLEL) as fake, open_door(api, hostile={"one": fake}) as door, client_of(door) as client:  # type: ignore[dict-item]
        async with client.messages.stream(model="auto", max_tokens=200, tools=[LOOK], messages=asked()) as stream:
            answer = await stream.get_final_message()
        calls = [(block.id, block.name, block.input) for block in answer.content if block.type == "tool_use"]
        assert calls == [("a", "look", {"x": 1}), ("b", "look", {"x": 2})]
        assert (answer.stop_reason, len(answer.content)) == ("tool_use", 2)
        results: Any = [{"type": "tool_result", "tool_use_id": call, "content": f"saw {call}"} for call, _, _ in reversed(calls)]
        said: Any = [*asked(), {"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
        async with client.messages.stream(model="auto", max_tokens=200, tools=[LOOK], messages=said) as stream:
            await stream.get_final_message()
        told = fake.asked[-1]["messages"]
        assert [(each["role"], each.get("tool_call_id")) for each in told[1:]] == [("assistant", None), ("tool", "b"), ("tool", "a")]
        assert [json.loads(call["function"]["arguments"]) for call in told[1]["tool_calls"]] == [{"x": 1}, {"x": 2}]


async def test_thinking_comes_with_its_signature_and_goes_back_with_it(api: Api) -> None:
    async with (
        ScriptedProvider(THOUGHT) as fake,
        open_door(api, kinds={"one": "anthropic"}, hostile={"one": fake}) as door,  # type: ignore[dict-item]
        client_of(door) as client,
    ):
        given: Any = {"model": "auto", "max_tokens": 4000, "tools": [LOOK], "thinking": {"type": "enabled", "budget_tokens": 2000}}
        async with client.messages.stream(messages=asked(), **given) as stream:
            answer = await stream.get_final_message()
        assert [block.type for block in answer.content] == ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
        thought: Any = answer.content[0]
        assert (thought.thinking, thought.signature) == ("Is it warm in Oslo?", "sig==")
        results: Any = [{"type": "tool_result", "tool_use_id": call, "content": "ok"} for call in ("a", "b")]
        said: Any = [*asked(), {"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
        async with client.messages.stream(messages=said, **given) as stream:
            await stream.get_final_message()
        back = fake.asked[-1]["messages"][1]["content"]
        assert [block["type"] for block in back][:2] == ["thinking", "redacted_thinking"]
        assert (back[0]["thinking"], back[0]["signature"], back[1]["data"]) == ("Is it warm in Oslo?", "sig==", "sealed==")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_picture_reaches_the_provider(api: Api, kind: str) -> None:
    picture: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    async with open_door(api, "one", kinds={"one": kind}) as door, client_of(door) as client:
        said: Any = [{"role": "user", "content": [picture, {"type": "text", "text": PROMPT}]}]
        await client.messages.create(model="auto", max_tokens=50, messages=said)
        (sent,) = door.fakes["one"].asked
        assert PIXEL in json.dumps(sent.body)


async def test_the_next_provider_answers_for_one_that_is_away(door: Door, client: anthropic.AsyncAnthropic) -> None:
    door.fakes["one"].will("500", times=None)
    answer = await client.messages.with_raw_response.create(model="auto", max_tokens=50, messages=asked())
    assert (answer.headers["x-cairn-provider"], answer.headers["x-cairn-attempts"]) == ("two", "3")
    async with client.messages.stream(model="auto", max_tokens=50, messages=asked()) as stream:
        assert await stream.get_final_text() == WORDS


async def test_a_broken_stream_is_continued_by_the_next_provider(door: Door, client: anthropic.AsyncAnthropic) -> None:
    door.fakes["one"].will("eof", after_tokens=3)
    async with client.messages.stream(model="auto", max_tokens=50, messages=asked()) as stream:
        assert await stream.get_final_text() == WORDS
        assert (await stream.get_final_message()).stop_reason == "end_turn"


async def test_a_stream_that_can_not_be_continued_ends_with_an_error_and_without_an_end(api: Api) -> None:
    async with open_door(api, "one") as door:
        door.fakes["one"].will("eof", after_tokens=3, times=None)
        reply = await post(door, {"model": "auto", "max_tokens": 50, "messages": asked(), "stream": True})
        names = [name for name, _ in events_of(reply)]
        assert (reply.status, names[-1]) == (200, "error")
        assert not {"message_delta", "message_stop"} & set(names)
        error = events_of(reply)[-1][1]
        assert (error["type"], error["error"]["type"], error["request_id"]) == ("error", "api_error", reply.headers["x-request-id"])
        async with client_of(door, max_retries=0) as client:
            with pytest.raises(anthropic.APIStatusError, match="broke"):
                async with client.messages.stream(model="auto", max_tokens=50, messages=asked()) as stream:
                    await stream.get_final_message()


async def test_silences_are_filled_with_pings_that_the_client_ignores(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "PING_SECONDS", 0.005)
    async with open_door(api, "one", fakes={"per_token_ms": 40}) as door, client_of(door) as client:
        reply = await post(door, {"model": "auto", "max_tokens": 50, "messages": asked(), "stream": True})
        assert ("ping", {"type": "ping"}) in events_of(reply)
        async with client.messages.stream(model="auto", max_tokens=50, messages=asked()) as stream:
            assert await stream.get_final_text() == WORDS


async def test_an_answer_may_come_from_the_cache(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door, client_of(door) as client:
        given: Any = {"model": "auto", "max_tokens": 50, "messages": asked(), "extra_body": {"temperature": 0}}
        first = await client.messages.with_raw_response.create(**given)
        again = await client.messages.with_raw_response.create(**given)
        assert (first.headers["x-cairn-cache"], again.headers["x-cairn-cache"], again.headers["x-cairn-cost-usd"]) == (
            "miss", "memory", "0",
        )  # fmt: skip
        async with client.messages.stream(**given) as stream:
            assert await stream.get_final_text() == WORDS
            assert (await stream.get_final_message()).usage.input_tokens > 0
        assert await door.asked() == {"one": 1}


# Tokens and models.


@pytest.mark.parametrize("kind", KINDS)
async def test_the_count_of_tokens_is_an_upper_bound_and_free(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door, client_of(door) as client:
        counted = await client.messages.count_tokens(model="auto", system="Be brief.", tools=[WEATHER], messages=asked())
        bare = await client.messages.count_tokens(model="auto", messages=asked())
        answer = await client.messages.create(model="auto", max_tokens=50, messages=asked())
        assert counted.input_tokens > bare.input_tokens >= answer.usage.input_tokens
        assert await door.asked() == {"one": 1}


async def test_models_have_the_shape_that_the_client_asks_for(door: Door, client: anthropic.AsyncAnthropic) -> None:
    names = door.catalog.models()
    assert [model.id async for model in client.models.list(limit=1)] == names
    page = await client.models.list(limit=1, after_id=names[0])
    assert [model.id for model in page.data] == names[1:2]
    assert [model.id for model in (await client.models.list(before_id=names[-1])).data] == names[:-1]
    plain = await door.api.ask("GET", "/v1/models?limit=1000", key=door.key)
    assert (plain.json["object"], [each["id"] for each in plain.json["data"]]) == ("list", names)
    assert (await client.models.retrieve("auto")).display_name == "auto"
    with pytest.raises(anthropic.NotFoundError, match="There are: auto"):
        await client.models.retrieve("claude-9")
    with pytest.raises(anthropic.BadRequestError, match="there is no model"):
        await client.models.list(after_id="nowhere")


async def test_hello_is_answered_without_a_key(door: Door) -> None:
    async with door.api.http.head(f"{door.api.url}/api/hello") as reply:
        assert reply.status == 200


# Errors.


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"model": "gpt-9"}, anthropic.NotFoundError, "There is no model 'gpt-9' here. There are: auto"),
        ({"messages": []}, anthropic.BadRequestError, "messages contains no user message"),
        ({"max_tokens": 0}, anthropic.BadRequestError, "max_tokens must be a whole number"),
        ({"max_tokens": 2**21}, anthropic.BadRequestError, "ask for less at a time"),
        ({"stream": "yes"}, anthropic.BadRequestError, "stream must be true or false"),
        ({"model": "a\0b"}, anthropic.BadRequestError, "NUL"),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, anthropic.BadRequestError, "thinking.budget_tokens must be"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            anthropic.BadRequestError,
            r"tools\[0\] is web_search_20250305",
        ),
        ({"tools": [WEATHER, {"type": "bash_20250124", "name": "bash"}]}, anthropic.BadRequestError, r"tools\[1\] is bash_20250124"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": "many"}]},
            anthropic.BadRequestError,
            r"tools\[0\].max_uses must be a whole number",
        ),
        ({"tools": [{"type": "advisor_20260301", "name": "advisor"}]}, anthropic.BadRequestError, r"tools\[0\] is advisor_20260301"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "y"}]}]},
            anthropic.BadRequestError,
            r"messages\[0\].content\[0\].tool_use_id is 'x', but no earlier message",
        ),
    ],
)
async def test_anthropics_client_raises_its_own_error_with_our_words(
    client: anthropic.AsyncAnthropic, door: Door, fields: Mapping[str, Any], kind: type[anthropic.APIStatusError], words: str
) -> None:
    given: Any = {"model": "auto", "max_tokens": 50, "messages": asked(), **fields}
    with pytest.raises(kind, match=words) as caught:
        await client.post("/v1/messages", body=given, cast_to=object)
    assert caught.value.request_id
    assert await door.asked() == {"one": 0, "two": 0}


async def test_max_tokens_must_be_given(door: Door) -> None:
    reply = await post(door, {"model": "auto", "messages": asked()})
    assert (reply.status, reply.json["error"]["details"]["param"]) == (400, "max_tokens")


async def test_a_key_is_needed_and_may_come_in_either_header(door: Door) -> None:
    async with anthropic.AsyncAnthropic(base_url=door.api.url, api_key="wrong") as client:
        with pytest.raises(anthropic.AuthenticationError, match="key"):
            await client.messages.create(model="auto", max_tokens=50, messages=asked())
    for headers, status in (({}, 401), ({"x-api-key": "wrong"}, 401), ({"x-api-key": door.key}, 200)):
        body = {"model": "auto", "max_tokens": 50, "messages": asked()}
        async with door.api.http.post(f"{door.api.url}/v1/messages", json=body, headers=headers) as reply:
            told = await reply.json()
            assert (reply.status, told["type"]) == (status, "error" if status == 401 else "message")
    async with anthropic.AsyncAnthropic(base_url=door.api.url, auth_token=door.key, api_key=None) as client:
        assert (await client.messages.create(model="auto", max_tokens=50, messages=asked())).content


async def test_what_is_refused_before_the_route_has_anthropics_shape(door: Door) -> None:
    headers = {"authorization": f"Bearer {door.key}", "content-type": "application/json"}
    for body, status, kind in ((b"{", 400, "invalid_request_error"), (b"[1]", 400, "invalid_request_error")):
        async with door.api.http.post(f"{door.api.url}/v1/messages", data=body, headers=headers) as reply:
            told = await reply.json()
            assert (reply.status, told["type"], told["error"]["type"]) == (status, "error", kind)
            assert told["request_id"] == reply.headers["request-id"]
    reply = await door.api.ask("GET", "/v1/messages", key=door.key)
    assert (reply.status, reply.json["type"]) == (405, "error")


async def test_a_body_over_the_limit_is_told_as_such(door: Door, client: anthropic.AsyncAnthropic) -> None:
    limit = door.api.services.settings.inference.max_body_bytes
    with pytest.raises(anthropic.RequestTooLargeError):
        await client.messages.create(model="auto", max_tokens=5, messages=asked("x" * (limit + 1)))


async def test_every_provider_away_is_an_error_of_the_server(api: Api) -> None:
    async with open_door(api, "one") as door, client_of(door, max_retries=0) as client:
        door.fakes["one"].will("500", times=None)
        with pytest.raises(anthropic.InternalServerError, match=r"it answered 500") as caught:
            await client.messages.create(model="auto", max_tokens=50, messages=asked())
        assert caught.value.status_code == 502


async def test_an_exhausted_budget_is_a_billing_error_that_is_not_retried(api: Api) -> None:
    async with open_door(api, "one", limit_usd=0.00001) as door, client_of(door) as client:
        for stream in (False, True):
            with pytest.raises(anthropic.RateLimitError) as caught:
                await client.messages.create(model="auto", max_tokens=500, messages=asked(), stream=stream)
            error: Any = caught.value.body
            assert error["error"]["type"] == "billing_error"
            assert "The period resets at" in error["error"]["message"]
            assert caught.value.response.headers["x-should-retry"] == "false"
            assert caught.value.response.headers["anthropic-ratelimit-unified-status"] == "rejected"
        assert await door.asked() == {"one": 0}


async def test_an_answer_tells_how_much_of_the_budget_is_used(api: Api) -> None:
    async with open_door(api, "one", limit_usd=0.0004, provider={"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 20.0}) as door:
        seen = []
        for _ in range(3):
            reply = await post(door, {"model": "auto", "max_tokens": 5, "messages": asked()})
            assert reply.status == 200, reply.text
            seen.append(reply.headers)
        shares = [float(each["anthropic-ratelimit-unified-overage-utilization"]) for each in seen]
        assert shares == sorted(shares)
        assert shares[0] < 0.75 <= shares[-1]
        assert seen[0]["anthropic-ratelimit-unified-status"] == "allowed"
        assert seen[-1]["anthropic-ratelimit-unified-status"] == "allowed_warning"
        assert int(seen[0]["anthropic-ratelimit-unified-reset"]) > 0


async def test_what_only_anthropic_knows_is_named_as_dropped(door: Door) -> None:
    body = {"model": "auto", "max_tokens": 50, "messages": asked(), "container": "c", "metadata": {"user_id": "u"}}
    assert (await post(door, body)).headers["x-cairn-dropped"] == "container"


async def test_half_a_character_in_a_tools_output_ends_no_session(door: Door) -> None:
    body = b'{"model":"auto","max_tokens":50,"messages":[{"role":"user","content":"say 5 words \\ud83d"}]}'
    headers = {"x-api-key": door.key, "content-type": "application/json"}
    async with door.api.http.post(f"{door.api.url}/v1/messages", data=body, headers=headers) as reply:
        assert reply.status == 200
    assert "say 5 words \ufffd" in str(door.fakes["one"].asked[0].body)


async def test_a_caller_who_leaves_in_mid_stream_pays_for_what_came(api: Api) -> None:
    async with open_door(api, "one", fakes={"per_token_ms": 20}) as door:
        body = {"model": "auto", "max_tokens": 500, "messages": asked("say 400 words"), "stream": True}
        headers = {"x-api-key": door.key}
        async with door.api.http.post(f"{door.api.url}/v1/messages", json=body, headers=headers) as reply:
            await reply.content.readuntil(b"content_block_delta")
        async with patience():
            while (ends := [(state, mark) for _, state, mark in await door.holds()]) == [("held", None)]:
                await asyncio.sleep(0.01)
        assert ends == [("settled", "partial")]


# LangChain.


def langchain(door: Door, **more: Any) -> ChatAnthropic:
    return ChatAnthropic(model_name="auto", base_url=door.api.url, api_key=SecretStr(door.key), max_tokens_to_sample=200, **more)


async def test_langchain_chats_streams_and_calls_tools(door: Door) -> None:
    assert (await langchain(door).ainvoke(PROMPT)).content == WORDS
    pieces = [piece async for piece in langchain(door).astream(PROMPT)]
    assert "".join(piece.text for piece in pieces) == WORDS
    model = langchain(door).bind_tools([WEATHER])
    answer = await model.ainvoke("call weather")
    assert isinstance(answer, AIMessage)
    ((call),) = answer.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "the city"})
    told = [HumanMessage("call weather"), answer, ToolMessage("sunny", tool_call_id=call["id"])]
    assert (await model.ainvoke(told)).text


async def test_a_scripted_answer_of_nothing_is_a_message_of_nothing(api: Api) -> None:
    nothing = Streamed([
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        "[DONE]",
    ])  # fmt: skip
    async with ScriptedProvider(nothing) as fake, open_door(api, hostile={"one": fake}) as door, client_of(door) as client:  # type: ignore[dict-item]
        async with client.messages.stream(model="auto", max_tokens=50, messages=asked()) as stream:
            answer = await stream.get_final_message()
        assert (answer.content, answer.stop_reason) == ([], "end_turn")
