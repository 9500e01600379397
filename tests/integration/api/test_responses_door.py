"""OpenAI's own client, and LangChain's, at Cairn's door with Responses: whole and streamed, tools, reasoning, pictures, errors, the budget."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from app.api import responses as routes
from tests.fakes.provider import full
from tests.fakes.scripted import ScriptedProvider, Streamed
from tests.integration.api.conftest import Api, Reply
from tests.integration.api.door import Door, open_door
from tests.integration.api.test_door_conversations import PARALLEL, THOUGHT, chunk
from tests.waiting import patience

PROMPT = "say 5 words"
WORDS = "".join(full(PROMPT))
KINDS = ["openai", "groq", "anthropic", "gemini"]
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
ZIP = {"type": "input_file", "filename": "a.zip", "file_data": "data:application/zip;base64,eA=="}
LOOK: Any = {
    "type": "function",
    "name": "look",
    "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}},
    "strict": False,
}
PATCH: Any = {"type": "custom", "name": "apply_patch", "description": "Edit files.", "format": {"type": "text"}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def scripted(**fakes: ScriptedProvider) -> Mapping[str, Any]:
    return fakes


def client_of(door: Door, **more: Any) -> openai.AsyncOpenAI:
    """As its documentation makes one: with its own retries."""
    return openai.AsyncOpenAI(base_url=f"{door.api.url}/v1", api_key=door.key, **more)


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


@pytest.fixture
async def client(door: Door) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(door) as made:
        yield made


async def post(door: Door, body: Mapping[str, Any] | None = None, **options: Any) -> Reply:
    given = {"model": "auto", "input": PROMPT, **(body or {})}
    return await door.api.ask("POST", routes.PATH, key=door.key, json=given, **options)


def events_of(reply: Reply) -> list[tuple[str, Any]]:
    """Return a stream's events by name; comments are none."""
    found = []
    for event in reply.text.split("\n\n")[:-1]:
        if not event.startswith(":"):
            name, data = event.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_openais_client_gets_a_response_of_every_providers(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door, client_of(door) as client:
        answer = await client.responses.create(model="auto", input=PROMPT, max_output_tokens=50, store=False)
        assert (answer.output_text, answer.status, [item.type for item in answer.output]) == (WORDS, "completed", ["message"])
        assert answer.id.startswith("resp_")
        assert answer.usage is not None
        assert (answer.usage.output_tokens, answer.usage.input_tokens > 0) == (5, True)
        assert (answer.store, answer.max_output_tokens) == (False, 50)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
async def test_openais_streaming_helper_puts_a_response_together(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door, client_of(door) as client:
        async with client.responses.stream(model="auto", input=PROMPT, max_output_tokens=50) as stream:
            text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
            answer = await stream.get_final_response()
        assert (text, answer.output_text, answer.status) == (WORDS, WORDS, "completed")
        assert answer.usage is not None
        assert answer.usage.output_tokens == 5
        assert [movement for _, state, movement in await door.holds() if state == "settled"] == ["usage"]


async def test_the_events_come_in_the_exact_order_and_are_numbered_without_gaps(door: Door) -> None:
    reply = await post(door, {"stream": True})
    events = events_of(reply)
    assert [name for name, _ in events] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        *["response.output_text.delta"] * 5, "response.output_text.done", "response.content_part.done", "response.output_item.done",
        "response.completed",
    ]  # fmt: skip
    assert all(data["type"] == name for name, data in events)
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert events[-1][1]["response"]["usage"]["cost_usd"] > 0
    assert events[-1][1]["response"]["output"] == [events[-2][1]["item"]]
    assert "[DONE]" not in reply.text
    assert (reply.headers["x-cairn-provider"], reply.headers["content-type"].split(";")[0]) == ("one", "text/event-stream")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_function_is_called_and_its_output_goes_back(api: Api, kind: str) -> None:
    async with open_door(api, "one", kinds={"one": kind}) as door, client_of(door) as client:
        asked: list[Any] = [{"role": "user", "content": "call weather"}]
        answer = await client.responses.create(model="auto", input=asked, tools=[WEATHER], max_output_tokens=200)
        (call,) = [item for item in answer.output if item.type == "function_call"]
        assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "the city"})
        told = [*asked, *answer.output, {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
        assert (await client.responses.create(model="auto", input=told, tools=[WEATHER], max_output_tokens=200)).output_text


async def test_parallel_calls_come_streamed_one_after_the_other(api: Api) -> None:
    async with ScriptedProvider(PARALLEL) as fake, open_door(api, hostile=scripted(one=fake)) as door, client_of(door) as client:
        async with client.responses.stream(model="auto", input=PROMPT, tools=[LOOK]) as stream:
            answer = await stream.get_final_response()
        calls: Any = answer.output
        assert [(call.call_id, call.name, call.arguments) for call in calls] == [("a", "look", '{"x":1}'), ("b", "look", '{"x":2}')]
        outputs: list[Any] = [{"type": "function_call_output", "call_id": call, "output": f"saw {call}"} for call in ("b", "a")]
        async with client.responses.stream(
            model="auto", input=[{"role": "user", "content": PROMPT}, *answer.output, *outputs], tools=[LOOK]
        ) as stream:
            await stream.get_final_response()
        told = fake.asked[-1]["messages"]
        assert [(each["role"], each.get("tool_call_id")) for each in told] == [
            ("user", None), ("assistant", None), ("tool", "b"), ("tool", "a"),
        ]  # fmt: skip
        assert [call["function"]["arguments"] for call in told[1]["tool_calls"]] == ['{"x":1}', '{"x":2}']


def wrapped_call(text: str) -> Streamed:
    arguments = json.dumps({"input": text})
    head = {"index": 0, "id": "p1", "type": "function", "function": {"name": "apply_patch", "arguments": ""}}
    pieces = [
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments[at : at + 7]}}]}) for at in range(0, len(arguments), 7)
    ]
    return Streamed([chunk({"role": "assistant", "tool_calls": [head]}), *pieces, chunk({}, "tool_calls"), "[DONE]"])


async def test_a_custom_tool_makes_the_round_through_a_provider_that_knows_only_functions(api: Api) -> None:
    patch = '*** Begin Patch\n*** Add File: "a".txt\n+é\n*** End Patch\n'
    async with ScriptedProvider(wrapped_call(patch)) as fake, open_door(api, hostile=scripted(one=fake)) as door, client_of(door) as client:
        async with client.responses.stream(model="auto", input=PROMPT, tools=[PATCH]) as stream:
            events = [event async for event in stream]
            answer = await stream.get_final_response()
        (call,) = answer.output
        assert (call.type, call.name, call.input) == ("custom_tool_call", "apply_patch", patch)  # type: ignore[union-attr]
        assert "".join(each.delta for each in events if each.type == "response.custom_tool_call_input.delta") == patch
        told: Any = [
            {"role": "user", "content": PROMPT}, *answer.output,
            {"type": "custom_tool_call_output", "call_id": "p1", "output": "Done"},
        ]  # fmt: skip
        async with client.responses.stream(model="auto", input=told, tools=[PATCH]) as stream:
            await stream.get_final_response()
        sent = fake.asked[-1]["messages"]
        assert json.loads(sent[1]["tool_calls"][0]["function"]["arguments"]) == {"input": patch}
        assert (sent[2]["role"], sent[2]["content"]) == ("tool", "Done")


async def test_thinking_comes_as_reasoning_and_goes_back_to_its_vendor_with_its_proof(api: Api) -> None:
    async with (
        ScriptedProvider(THOUGHT) as fake,
        open_door(api, kinds={"one": "anthropic"}, hostile=scripted(one=fake)) as door,
        client_of(door) as client,
    ):
        given: Any = {"model": "auto", "max_output_tokens": 4000, "tools": [LOOK], "reasoning": {"effort": "low", "summary": "auto"}}
        async with client.responses.stream(input=PROMPT, include=["reasoning.encrypted_content"], **given) as stream:
            answer = await stream.get_final_response()
        assert [item.type for item in answer.output] == ["reasoning", "reasoning", "message", "function_call", "function_call"]
        assert answer.output[0].summary[0].text == "Is it warm in Oslo?"  # type: ignore[union-attr]
        said = [item.model_dump(exclude_none=True) for item in answer.output]
        outputs: list[Any] = [{"type": "function_call_output", "call_id": call, "output": "ok"} for call in ("a", "b")]
        async with client.responses.stream(input=[{"role": "user", "content": PROMPT}, *said, *outputs], **given) as stream:
            await stream.get_final_response()
        back = fake.asked[-1]["messages"][1]["content"]
        assert [block["type"] for block in back] == ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
        assert (back[0]["thinking"], back[0]["signature"], back[1]["data"]) == ("Is it warm in Oslo?", "sig==", "sealed==")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_picture_reaches_the_provider(api: Api, kind: str) -> None:
    content = [{"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}, {"type": "input_text", "text": PROMPT}]
    async with open_door(api, "one", kinds={"one": kind}) as door, client_of(door) as client:
        await client.responses.create(model="auto", input=[{"role": "user", "content": content}], max_output_tokens=50)  # type: ignore[list-item,misc]
        (sent,) = door.fakes["one"].asked
        assert PIXEL in json.dumps(sent.body)


class Weather(BaseModel):
    city: str


async def test_a_parsed_answer_has_its_schema(api: Api) -> None:
    said = Streamed([chunk({"role": "assistant", "content": '{"city":'}), chunk({"content": '"Oslo"}'}), chunk({}, "stop"), "[DONE]"])
    whole = {
        "id": "c", "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": '{"city":"Oslo"}'}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }  # fmt: skip
    async with ScriptedProvider(whole, said) as fake, open_door(api, hostile=scripted(one=fake)) as door, client_of(door) as client:
        answer = await client.responses.parse(model="auto", input=PROMPT, text_format=Weather)
        assert answer.output_parsed == Weather(city="Oslo")
        form = fake.asked[0]["response_format"]
        assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == ("json_schema", "Weather", True)
        async with client.responses.stream(model="auto", input=PROMPT, text_format=Weather) as stream:
            parsed = await stream.get_final_response()
        assert parsed.output_parsed == Weather(city="Oslo")


async def test_an_answer_that_is_cut_at_its_bound_is_incomplete(api: Api) -> None:
    cut = Streamed([chunk({"role": "assistant", "content": "Riv"}), chunk({}, "length"), "[DONE]"])
    async with ScriptedProvider(cut) as fake, open_door(api, hostile=scripted(one=fake)) as door:
        events = events_of(await post(door, {"stream": True, "max_output_tokens": 16}))
        name, last = events[-1]
        assert (name, last["response"]["status"]) == ("response.incomplete", "incomplete")
        assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
        (item,) = [data["item"] for each, data in events if each == "response.output_item.done"]
        assert (item["status"], last["response"]["output"]) == ("incomplete", [item])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_response_repeats_what_was_asked_at_its_end(door: Door, stream: bool) -> None:
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    asked = {"instructions": "Be brief.", "tools": [LOOK, PATCH], "tool_choice": {"type": "custom", "name": "apply_patch"}}
    reply = await post(door, {"stream": stream, **asked, "text": {"format": form, "verbosity": "low"}})
    told = events_of(reply)[-1][1]["response"] if stream else reply.json
    assert {name: told[name] for name in asked} == asked
    assert told["text"] == {"format": form, "verbosity": "low"}
    plain = (await post(door, {})).json
    assert (plain["instructions"], plain["tools"], plain["tool_choice"]) == (None, [], "auto")
    assert plain["text"] == {"format": {"type": "text"}}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_usage_tells_what_was_cached_and_what_was_thought(api: Api, stream: bool) -> None:
    usage = {
        "prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50, "prompt_tokens_details": {"cached_tokens": 12},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }  # fmt: skip
    said = Streamed([chunk({"role": "assistant", "content": "Hi"}), chunk({}, "stop"), {**chunk(usage=usage), "choices": []}, "[DONE]"])
    message = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    whole = {"id": "c", "model": "m", "choices": [message], "usage": usage}
    async with ScriptedProvider(said if stream else whole) as fake, open_door(api, hostile=scripted(one=fake)) as door:
        reply = await post(door, {"stream": stream})
        told = (events_of(reply)[-1][1]["response"] if stream else reply.json)["usage"]
        assert (told["input_tokens"], told["output_tokens"], told["total_tokens"]) == (30, 20, 50)
        assert told["input_tokens_details"] == {"cached_tokens": 12}
        assert told["output_tokens_details"] == {"reasoning_tokens": 7}
        assert told["cost_usd"] > 0


# What goes wrong.


async def test_the_next_provider_answers_for_one_that_is_away(door: Door, client: openai.AsyncOpenAI) -> None:
    door.fakes["one"].will("500", times=None)
    answer = await client.responses.with_raw_response.create(model="auto", input=PROMPT, max_output_tokens=50)
    assert (answer.headers["x-cairn-provider"], answer.headers["x-cairn-attempts"]) == ("two", "3")
    async with client.responses.stream(model="auto", input=PROMPT, max_output_tokens=50) as stream:
        assert (await stream.get_final_response()).output_text == WORDS


async def test_a_broken_stream_is_continued_by_the_next_provider(door: Door, client: openai.AsyncOpenAI) -> None:
    door.fakes["one"].will("eof", after_tokens=3)
    async with client.responses.stream(model="auto", input=PROMPT, max_output_tokens=50) as stream:
        answer = await stream.get_final_response()
    assert (answer.output_text, answer.status) == (WORDS, "completed")


async def test_a_stream_that_can_not_be_continued_ends_as_failed(api: Api) -> None:
    async with open_door(api, "one") as door:
        door.fakes["one"].will("eof", after_tokens=3, times=None)
        events = events_of(await post(door, {"stream": True, "max_output_tokens": 50}))
        name, last = events[-1]
        assert name == "response.failed"
        assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
        assert not {"response.completed", "response.output_item.done"} & {each for each, _ in events}
        assert last["response"]["error"]["code"] == "stream_broken"
        assert "Send the request again" in last["response"]["error"]["message"]
        model = langchain(door, max_retries=0)
        with pytest.raises(Exception, match="broke"):
            [piece async for piece in model.astream(PROMPT)]


async def test_a_caller_who_leaves_pays_for_what_was_produced(api: Api) -> None:
    async with open_door(api, "one", fakes={"per_token_ms": 30}) as door:
        async with client_of(door) as client:
            stream = await client.responses.create(model="auto", input="say 200 words", max_output_tokens=300, stream=True)
            async for event in stream:
                if event.type == "response.output_text.delta":
                    break
            await stream.close()
        async with patience():
            while not [state for _, state, _ in await door.holds() if state == "settled"]:
                await asyncio.sleep(0.05)
        assert 0 < (await door.money())["spent_usd"] < 0.0006


async def test_an_exhausted_budget_is_told_and_not_retried(api: Api) -> None:
    async with open_door(api, "one", limit_usd=0.00001) as door, client_of(door) as client:
        for stream in (False, True):
            with pytest.raises(openai.APIStatusError) as caught:
                await client.responses.create(model="auto", input=PROMPT, max_output_tokens=500, stream=stream)
            assert (caught.value.status_code, caught.value.code) == (402, "budget_exceeded")
            assert "The period resets at" in caught.value.message
            assert caught.value.response.headers["x-should-retry"] == "false"
        assert await door.asked() == {"one": 0}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"previous_response_id": "resp_1"},
            "previous_response_id refers to stored data, but Cairn stores none: send the earlier items",
        ),
        ({"conversation": "conv_1"}, "conversation refers to stored data"),
        ({"store": True}, "store is true, but Cairn stores no conversations: send store: false"),
        ({"background": True}, "background is true"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, r"input\[0\] refers to a stored item"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}, r"tools\[0\] is file_search"),
        ({"tools": [LOOK], "tool_choice": {"type": "web_search"}}, "tool_choice demands web_search"),
        ({"input": [{"role": "user", "content": [ZIP]}]}, "is a document"),
        ({"input": [{"type": "function_call_output", "call_id": "x", "output": ""}]}, r"input\[0\]\.call_id is 'x', but no earlier item"),
        ({"stream": "yes"}, "stream must be true or false"),
        ({"input": []}, "input is missing"),
        ({"model": "a\0b"}, "NUL"),
    ],
)
async def test_what_can_not_be_done_is_refused_with_the_reason(door: Door, body: dict[str, Any], words: str) -> None:
    async with client_of(door) as client:
        with pytest.raises(openai.APIStatusError, match=words) as caught:
            await client.responses.create(model="auto", input=PROMPT, extra_body=body)
        assert caught.value.status_code == 422
        assert caught.value.param
    assert await door.asked() == {"one": 0, "two": 0}


async def test_tools_that_agents_offer_by_themselves_are_left_out_and_named(door: Door) -> None:
    tools = [LOOK, {"type": "web_search", "external_web_access": False}, {"type": "tool_search", "execution": "client"}]
    reply = await post(door, {"tools": tools, "metadata": {"a": "b"}, "include": ["reasoning.encrypted_content"], "prompt_cache_key": "k"})
    assert (reply.status, reply.headers["x-cairn-dropped"]) == (200, "tools.web_search, tools.tool_search")
    assert reply.json["metadata"] == {"a": "b"}


async def test_a_tool_of_a_namespace_is_called_under_both_of_its_names(api: Api) -> None:
    group = {"type": "namespace", "name": "agents", "description": "Helpers.", "tools": [LOOK]}
    head = {"index": 0, "id": "n1", "type": "function", "function": {"name": "agents__look", "arguments": "{}"}}
    script = Streamed([chunk({"role": "assistant", "tool_calls": [head]}), chunk({}, "tool_calls"), "[DONE]"])
    async with ScriptedProvider(script) as fake, open_door(api, hostile=scripted(one=fake)) as door:
        reply = await post(door, {"stream": True, "tools": [group]})
        (item,) = events_of(reply)[-1][1]["response"]["output"]
        assert (item["name"], item["namespace"], item["call_id"]) == ("look", "agents", "n1")
        assert [tool["function"]["name"] for tool in fake.asked[0]["tools"]] == ["agents__look"]
        more = [{"role": "user", "content": "x"}, item, {"type": "function_call_output", "call_id": "n1", "output": "ok"}]
        await post(door, {"stream": True, "tools": [group], "input": more})
        assert fake.asked[1]["messages"][1]["tool_calls"][0]["function"]["name"] == "agents__look"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "resp_1"), ("DELETE", "resp_1"), ("GET", "resp_1/input_items"), ("POST", "resp_1/cancel")]
)
async def test_nothing_is_stored(door: Door, method: str, path: str) -> None:
    reply = await door.api.ask(method, f"{routes.PATH}/{path}", key=door.key)
    assert (reply.status, reply.json["error"]["code"]) == (404, "not_stored")
    assert "send the earlier items in `input`" in reply.json["error"]["message"]
    assert (await door.api.ask(method, f"{routes.PATH}/{path}", key="cairn_nobody")).status == 401


async def test_silences_are_filled_with_comments_that_the_client_ignores(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "PING_SECONDS", 0.005)
    async with open_door(api, "one", fakes={"per_token_ms": 40}) as door, client_of(door) as client:
        assert ": ping" in (await post(door, {"stream": True})).text
        async with client.responses.stream(model="auto", input=PROMPT) as stream:
            assert (await stream.get_final_response()).output_text == WORDS


async def test_an_answer_may_come_from_the_cache(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door, client_of(door) as client:
        given: Any = {"model": "auto", "input": PROMPT, "temperature": 0, "max_output_tokens": 50}
        first = await client.responses.with_raw_response.create(**given)
        again = await client.responses.with_raw_response.create(**given)
        assert (first.headers["x-cairn-cache"], again.headers["x-cairn-cache"], again.headers["x-cairn-cost-usd"]) == (
            "miss", "memory", "0",
        )  # fmt: skip
        async with client.responses.stream(**given) as stream:
            assert (await stream.get_final_response()).output_text == WORDS
        assert await door.asked() == {"one": 1}


# LangChain.


def langchain(door: Door, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model="auto", base_url=f"{door.api.url}/v1", api_key=SecretStr(door.key), use_responses_api=True, **more)


async def test_langchain_chats_streams_and_calls_tools(door: Door) -> None:
    assert (await langchain(door).ainvoke(PROMPT)).text == WORDS
    pieces = [piece async for piece in langchain(door).astream(PROMPT)]
    assert "".join(piece.text for piece in pieces) == WORDS
    model = langchain(door).bind_tools([WEATHER])
    answer = await model.ainvoke("call weather")
    assert isinstance(answer, AIMessage)
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "the city"})
    assert answer.usage_metadata is not None
    told = [HumanMessage("call weather"), answer, ToolMessage("sunny", tool_call_id=str(call["id"]))]
    assert (await model.ainvoke(told)).text
