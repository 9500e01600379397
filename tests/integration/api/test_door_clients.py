"""The clients that people have: OpenAI's own, litellm, LangChain. One base URL and one key, nothing of ours to install."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionToolParam
from sqlalchemy import text

from app.settings import TimeoutSettings
from app.tokens import count_text
from tests.fakes.provider import full
from tests.fakes.provider.answers import vector
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door

WORDS = "".join(full("say 5 words"))
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
WITH_VECTORS = {"embedding_model": "vectors", "embedding_usd_per_mtok": 1.0}


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api, provider=WITH_VECTORS) as made:
        yield made


@pytest.fixture
async def client(door: Door) -> AsyncIterator[openai.AsyncOpenAI]:
    """As its documentation makes one: with its own retries."""
    async with openai.AsyncOpenAI(base_url=f"{door.api.url}/v1", api_key=door.key) as made:
        yield made


def asked(prompt: str = "say 5 words") -> Any:
    return [{"role": "user", "content": prompt}]


async def statuses(door: Door) -> list[int]:
    """Of this developer's requests, once they are logged."""
    await door.api.services.budget.requests._writing.finish()
    query = text("select l.status from request_log l join developers d on d.id = l.developer_id where d.name = :name order by l.id")
    async with door.api.services.database.begin() as connection:
        return list((await connection.execute(query, {"name": door.developer})).scalars())


async def test_openais_client_chats(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="auto", messages=asked())
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (WORDS, "stop")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 5)


async def test_openais_client_looks_a_model_up(client: openai.AsyncOpenAI) -> None:
    for name in ("auto", "one-model", "one/one-model"):
        found = await client.models.retrieve(name)
        assert (found.id, found.object, found.owned_by) == (name, "model", "cairn")
    with pytest.raises(openai.NotFoundError) as raised:
        await client.models.retrieve("gpt-99")
    assert "There is no model 'gpt-99' here. There are: auto, one-model, two-model" in raised.value.message
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    listed = [each.id async for each in await client.models.list()]
    assert [(await client.models.retrieve(name)).id for name in listed] == listed


async def test_openais_client_without_asyncio_chats_and_streams(door: Door) -> None:
    def use() -> tuple[str | None, str]:
        with openai.OpenAI(base_url=f"{door.api.url}/v1", api_key=door.key) as client:
            whole = client.chat.completions.create(model="auto", messages=asked()).choices[0].message.content
            with client.chat.completions.create(model="auto", messages=asked(), stream=True) as stream:
                return whole, "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert await asyncio.to_thread(use) == (WORDS, WORDS)


async def test_openais_client_streams_and_gets_the_usage_last(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="auto", messages=asked(), stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == WORDS
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    last = chunks[-1]
    assert (last.choices, len({chunk.id for chunk in chunks})) == ([], 1)
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (3, 5, 8)


async def test_openais_streaming_helper_puts_tool_calls_together(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(model="auto", messages=asked("call weather"), tools=[WEATHER]) as stream:
        async for _ in stream:
            pass
        answer = await stream.get_final_completion()
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [("weather", {"city": "the city"})]


async def test_openais_client_calls_tools_and_answers_them(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="auto", messages=asked("call weather"), tools=[WEATHER], tool_choice="required")
    message = answer.choices[0].message
    assert message.tool_calls
    call = message.tool_calls[0]
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "the city"}
    told = [*asked("call weather"), message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert (await client.chat.completions.create(model="auto", messages=told, tools=[WEATHER])).choices[0].message.content


@pytest.mark.parametrize("model", ["auto", "vectors"])
async def test_openais_client_embeds_in_base64_as_it_does_by_default(client: openai.AsyncOpenAI, model: str) -> None:
    texts = ["one text", "another text of six words"]
    found = await client.embeddings.create(model=model, input=texts)
    plain = await client.embeddings.create(model=model, input=texts, encoding_format="float")
    assert [each.embedding for each in found.data] == [each.embedding for each in plain.data]
    assert [each.embedding for each in found.data] == [pytest.approx(vector(each, 8)) for each in texts]
    assert [each.index for each in found.data] == [0, 1]
    assert (found.model, found.usage.prompt_tokens, found.usage.total_tokens) == ("vectors", 7, 7)


async def test_openais_client_embeds_with_cairns_own_model(client: openai.AsyncOpenAI) -> None:
    found = await client.embeddings.create(model="all-MiniLM-L6-v2", input="one text", dimensions=384)
    assert (len(found.data[0].embedding), found.model) == (384, "all-MiniLM-L6-v2")
    assert sum(value**2 for value in found.data[0].embedding) == pytest.approx(1, abs=0.01)


async def test_openais_client_lists_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["auto", "one-model", "two-model", "vectors", "all-MiniLM-L6-v2"]


async def test_openais_client_reads_who_answered_and_the_cost(client: openai.AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(model="auto", messages=asked())
    assert raw.parse().choices[0].message.content == WORDS
    assert (raw.headers["x-cairn-provider"], raw.headers["x-cairn-attempts"]) == ("one", "1")
    assert float(raw.headers["x-cairn-cost-usd"]) == pytest.approx((3 + 2 * 5) / 1e6)
    assert raw.parse()._request_id == raw.headers["x-request-id"]


async def test_an_empty_budget_is_an_error_that_openais_client_does_not_retry(api: Api) -> None:
    async with open_door(api, limit_usd=0.0001) as door:
        async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key=door.key, max_retries=3) as client:
            for stream in (False, True):
                with pytest.raises(openai.APIStatusError) as caught:
                    await client.chat.completions.create(model="auto", messages=asked(), max_tokens=1000, stream=stream)
                assert (caught.value.status_code, caught.value.code, caught.value.type) == (402, "budget_exceeded", "insufficient_quota")
                assert "$0.000100 left" in caught.value.message
        assert await statuses(door) == [402, 402]


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"model": "gpt-9"}, openai.NotFoundError, "model_not_found"),
        ({"temperature": 3}, openai.UnprocessableEntityError, "invalid_input"),
    ],
)
async def test_mistakes_are_the_errors_that_openais_client_knows(
    client: openai.AsyncOpenAI, fields: dict[str, Any], error: type[openai.APIStatusError], code: str
) -> None:
    with pytest.raises(error) as caught:
        await client.chat.completions.create(**{"model": "auto", "messages": asked(), **fields})
    assert (caught.value.code, caught.value.param) == (code, next(iter(fields)))


async def test_a_wrong_key_is_an_authentication_error(door: Door) -> None:
    async with openai.AsyncOpenAI(base_url=f"{door.api.url}/v1", api_key="sk-not-one-of-ours") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model="auto", messages=asked())
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_a_rate_limit_of_all_is_openais_rate_limit_error(door: Door) -> None:
    for fake in door.fakes.values():
        fake.will("429", times=None, retry_after=30)
    async with openai.AsyncOpenAI(base_url=f"{door.api.url}/v1", api_key=door.key, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="auto", messages=asked())
    assert 25 <= int(caught.value.response.headers["retry-after"]) <= 30


async def test_a_stream_that_breaks_is_an_error_not_an_end(api: Api) -> None:
    async with open_door(api, "one") as door, openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key=door.key) as client:
        door.fakes["one"].will("cut", after_tokens=3)
        stream = await client.chat.completions.create(model="auto", messages=asked("say 9 words"), stream=True)
        came: list[str] = []
        with pytest.raises(openai.APIError) as caught:
            async for chunk in stream:
                assert chunk.choices[0].finish_reason is None
                came.append(chunk.choices[0].delta.content or "")
        assert caught.value.code == "stream_broken"
        assert "".join(came) == "".join(full("say 9 words")[:3])


async def test_a_translated_provider_looks_the_same_to_openais_client(api: Api) -> None:
    timeouts = TimeoutSettings(connect=5, first_token=30, idle=30, answer=30, total=60)
    async with (
        open_door(api, "one", kinds={"one": "anthropic"}, timeouts=timeouts) as door,
        openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key=door.key) as client,
    ):
        answer = await client.chat.completions.create(model="auto", messages=asked())
        stream = await client.chat.completions.create(model="auto", messages=asked(), stream=True)
        streamed = [chunk async for chunk in stream]
    assert (answer.object, answer.choices[0].message.content, answer.choices[0].finish_reason) == ("chat.completion", WORDS, "stop")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == WORDS
    assert {chunk.object for chunk in streamed} == {"chat.completion.chunk"}


LITELLM = """
import asyncio, json, os, sys
import litellm

async def main(base, key, poor):
    ask = {"model": "openai/auto", "api_base": base, "api_key": key, "messages": [{"role": "user", "content": "say 5 words"}]}
    whole = await litellm.acompletion(**ask)
    stream = await litellm.acompletion(**ask, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    made = await litellm.aembedding(model="openai/auto", api_base=base, api_key=key, input=["one text", "another"])
    try:
        await litellm.acompletion(**{**ask, "api_key": poor}, max_tokens=1000)
        refused = None
    except litellm.exceptions.APIError as error:
        refused = [error.status_code, "budget" in str(error).lower()]
    print(json.dumps({
        "whole": whole.choices[0].message.content,
        "usage": [whole.usage.prompt_tokens, whole.usage.completion_tokens],
        "provider": whole._hidden_params["additional_headers"]["llm_provider-x-cairn-provider"],
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "vectors": [each["embedding"] for each in made.data],
        "refused": refused,
    }))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_litellm_takes_it_for_an_openai_server(api: Api) -> None:
    async with open_door(api, limit_usd=0.0001) as poor:
        pass
    async with open_door(api, provider=WITH_VECTORS) as rich:
        found = await ran(LITELLM, f"{api.url}/v1", rich.key, poor.key)
    assert found.pop("vectors") == [pytest.approx(vector(each, 8)) for each in ("one text", "another")]
    assert found == {"whole": WORDS, "usage": [3, 5], "provider": "one", "streamed": WORDS, "refused": [402, True]}


LITELLM_ELSEWHERE = """
import asyncio, json, sys
import litellm

async def main(base, key, poor):
    talk = [{"role": "user", "content": "say 5 words"}]
    tool = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    claude = {"model": "anthropic/auto", "api_base": base, "api_key": key, "max_tokens": 50}
    openai = {"model": "openai/auto", "api_base": base + "/v1", "api_key": key, "max_output_tokens": 50}
    whole = await litellm.acompletion(**claude, messages=talk)
    stream = await litellm.acompletion(**claude, messages=talk, stream=True)
    chunks = [chunk.choices[0].delta.content or "" async for chunk in stream]
    called = await litellm.acompletion(
        **claude, messages=[{"role": "user", "content": "call weather"}], tools=[{"type": "function", "function": tool}]
    )
    answer = await litellm.aresponses(**openai, input="say 5 words")
    events = await litellm.aresponses(**openai, input="say 5 words", stream=True)
    kinds = [event async for event in events]
    refused = []
    for asked in (
        litellm.acompletion(**{**claude, "api_key": poor, "max_tokens": 1000}, messages=talk, num_retries=0),
        litellm.aresponses(**{**openai, "api_key": poor, "max_output_tokens": 1000}, input="say 5 words"),
    ):
        try:
            await asked
        except Exception as error:
            refused.append("budget" in str(error).lower())
    print(json.dumps({
        "messages": [whole.choices[0].message.content, whole.usage.completion_tokens, "".join(chunks)],
        "called": json.loads(called.choices[0].message.tool_calls[0].function.arguments),
        "responses": [answer.output[0].content[0].text, answer.usage.output_tokens],
        "streamed": "".join(event.delta for event in kinds if event.type == "response.output_text.delta"),
        "last": kinds[-1].type,
        "refused": refused,
    }))

asyncio.run(main(*sys.argv[1:]))
"""


async def ran(script: str, *arguments: str) -> Any:
    """What a script prints, in a process of its own: Cairn keeps another litellm than its users do."""
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, *arguments, env=environment, stdout=-1, stderr=-1)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out.decode().splitlines()[-1])


@pytest.mark.long
async def test_litellm_takes_it_for_a_server_of_both_vendors(api: Api) -> None:
    async with open_door(api, limit_usd=0.0001) as poor:
        pass
    async with open_door(api) as rich:
        found = await ran(LITELLM_ELSEWHERE, api.url, rich.key, poor.key)
    assert found == {
        "messages": [WORDS, 5, WORDS],
        "called": {"city": "the city"},
        "responses": [WORDS, 5],
        "streamed": WORDS,
        "last": "response.completed",
        "refused": [True, True],
    }


@pytest.fixture
async def langchain(door: Door, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Any]]:
    """What LangChain's classes are given. Its own connections are closed by nobody, so it gets one that is."""
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    pytest.importorskip("langchain_openai")
    async with httpx.AsyncClient() as http:
        yield {"base_url": f"{door.api.url}/v1", "api_key": door.key, "model": "auto", "http_async_client": http}


def chat_model(given: dict[str, Any]) -> Any:
    return pytest.importorskip("langchain_openai").ChatOpenAI(**given)


async def test_langchain_chats_and_streams(langchain: dict[str, Any]) -> None:
    model = chat_model(langchain)
    answer = await model.ainvoke("say 5 words")
    assert (answer.content, answer.response_metadata["finish_reason"]) == (WORDS, "stop")
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (3, 5)
    pieces = [piece async for piece in model.astream("say 5 words", stream_usage=True)]
    assert "".join(piece.content for piece in pieces) == WORDS
    assert [piece.usage_metadata["total_tokens"] for piece in pieces if piece.usage_metadata] == [8]


async def test_langchain_binds_tools(langchain: dict[str, Any]) -> None:
    answer = await chat_model(langchain).bind_tools([WEATHER]).ainvoke("call weather")
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("weather", {"city": "the city"})]
    pieces = [piece async for piece in chat_model(langchain).bind_tools([WEATHER]).astream("call weather")]
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [("weather", {"city": "the city"})]


async def test_langchain_hears_of_an_empty_budget(langchain: dict[str, Any], door: Door) -> None:
    put = await door.api.ask("PUT", f"/v1/budgets/{door.developer}", json={"monthly_limit_usd": 0})
    assert put.status == 200, put.text
    with pytest.raises(openai.APIStatusError) as caught:
        await chat_model(langchain).ainvoke("say 5 words")
    assert (caught.value.status_code, await statuses(door)) == (402, [402])


@pytest.mark.parametrize("as_token_ids", [True, False])
async def test_langchain_embeds_texts(langchain: dict[str, Any], as_token_ids: bool) -> None:
    """It sends token ids unless told not to."""
    library = pytest.importorskip("langchain_openai")
    count_text("one text", model="text-embedding-3-small")  # so that tiktoken has its file, and asks for none
    model = library.OpenAIEmbeddings(**langchain, check_embedding_ctx_length=as_token_ids)
    found = await model.aembed_documents(["one text", "another"])
    assert found == [pytest.approx(vector(each, 8)) for each in ("one text", "another")]
