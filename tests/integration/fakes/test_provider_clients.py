"""The real clients read the fake: OpenAI's own library and litellm."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from tests.fakes.provider import FakeProvider, FaultName, Kind, full
from tests.integration.fakes.speaking import KINDS, TOOL_ARGUMENTS, TOOL_SCHEMA

PROMPT = "say 6 words"
TOKENS = full(PROMPT)
WHOLE = "".join(TOKENS)
MESSAGES: Any = [{"role": "user", "content": PROMPT}]
TOOLS: Any = [{"type": "function", "function": {"name": "look", "parameters": TOOL_SCHEMA}}]
MODELS: dict[Kind, str] = {
    "openai": "openai/gpt-4o-mini",
    "groq": "groq/llama-3.3-70b-versatile",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "gemini/gemini-2.5-flash",
}

each_kind = pytest.mark.parametrize("kind", KINDS)
# litellm looks through every attribute of its own pydantic models, for each streamed chunk.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as served:
        yield served


@pytest.fixture
async def client(fake: FakeProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=fake.api_base("openai"), api_key="k", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def litellm() -> Any:
    """litellm, imported late and offline."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litellm as module
    module.suppress_debug_info = True
    module.disable_hf_tokenizer_download = True
    return module


async def complete(litellm: Any, fake: FakeProvider, kind: Kind, **more: Any) -> Any:
    more = {"messages": MESSAGES} | more
    if more.get("stream"):
        more["stream_options"] = {"include_usage": True}
    return await litellm.acompletion(model=MODELS[kind], api_base=fake.api_base(kind), api_key="k", max_retries=0, timeout=60, **more)


async def test_openais_client_reads_an_answer(client: openai.AsyncOpenAI) -> None:
    found = await client.chat.completions.create(model="m", messages=MESSAGES)
    assert (found.choices[0].message.content, found.choices[0].finish_reason) == (WHOLE, "stop")
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (3, 6)


async def test_openais_client_reads_a_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == WHOLE
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 6


async def test_openais_client_reads_a_streamed_tool_call(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "call look"}], tools=TOOLS, stream=True)
    calls = [call for chunk in [each async for each in stream] for call in chunk.choices[0].delta.tool_calls or []]
    assert [call.function.name for call in calls if call.function and call.function.name] == ["look"]
    assert "".join(call.function.arguments or "" for call in calls if call.function) == '{"what":"the what","many":7}'


async def test_openais_client_reads_vectors_and_models(client: openai.AsyncOpenAI) -> None:
    found = await client.embeddings.create(model="m", input=["a", "b"], dimensions=16)
    assert [len(each.embedding) for each in found.data] == [16, 16]
    assert [each.id async for each in client.models.list()] == ["fake-1", "fake-2"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("401", openai.AuthenticationError),
        ("404", openai.NotFoundError),
        ("context_too_long", openai.BadRequestError),
        ("reset", openai.APIConnectionError),
        ("close", openai.APIConnectionError),
        ("short_body", openai.APIConnectionError),
    ],
)
async def test_openais_client_knows_the_errors(
    client: openai.AsyncOpenAI, fake: FakeProvider, fault: FaultName, error: type[Exception]
) -> None:
    fake.will(fault, retry_after=3)
    with pytest.raises(error) as caught:
        await client.chat.completions.create(model="m", messages=MESSAGES)
    if isinstance(caught.value, openai.RateLimitError):
        assert (caught.value.code, caught.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "3")


async def test_openais_client_sees_an_error_within_a_stream(client: openai.AsyncOpenAI, fake: FakeProvider) -> None:
    fake.will("error_in_stream", after_tokens=2)
    stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError, match="The server had an error"):
        [chunk async for chunk in stream]


@each_kind
async def test_litellm_reads_an_answer(litellm: Any, fake: FakeProvider, kind: Kind) -> None:
    found = await complete(litellm, fake, kind)
    assert (found.choices[0].message.content, found.choices[0].finish_reason) == (WHOLE, "stop")
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (3, 6)


@each_kind
async def test_litellm_reads_a_stream(litellm: Any, fake: FakeProvider, kind: Kind) -> None:
    chunks = [chunk async for chunk in await complete(litellm, fake, kind, stream=True)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == WHOLE
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert [(chunk.usage.prompt_tokens, chunk.usage.completion_tokens) for chunk in chunks if getattr(chunk, "usage", None)] == [(3, 6)]


@each_kind
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_litellm_reads_a_tool_call(litellm: Any, fake: FakeProvider, kind: Kind, stream: bool) -> None:
    found = await complete(litellm, fake, kind, stream=stream, messages=[{"role": "user", "content": "call look"}], tools=TOOLS)
    if stream:
        found = litellm.stream_chunk_builder([chunk async for chunk in found])
    call = found.choices[0].message.tool_calls[0].function
    assert (call.name, json.loads(call.arguments), found.choices[0].finish_reason) == ("look", TOOL_ARGUMENTS, "tool_calls")


@each_kind
async def test_litellm_hands_a_prefill_on(litellm: Any, fake: FakeProvider, kind: Kind) -> None:
    said = "".join(TOKENS[:3])
    found = await complete(litellm, fake, kind, messages=[*MESSAGES, {"role": "assistant", "content": said}])
    assert said + found.choices[0].message.content == WHOLE


@pytest.mark.parametrize("kind", ["openai", "gemini"])
async def test_litellm_reads_vectors(litellm: Any, fake: FakeProvider, kind: Kind) -> None:
    model = {"openai": "openai/text-embedding-3-small", "gemini": "gemini/text-embedding-004"}[kind]
    found = await litellm.aembedding(model=model, input=["a", "b"], api_base=fake.api_base(kind), api_key="k", timeout=60, max_retries=0)
    assert [len(each["embedding"]) for each in found.data] == [8, 8]


@each_kind
async def test_litellm_tells_when_to_come_back(litellm: Any, fake: FakeProvider, kind: Kind) -> None:
    fake.will("429", retry_after=3)
    with pytest.raises(litellm.RateLimitError) as caught:
        await complete(litellm, fake, kind)
    assert caught.value.litellm_response_headers["retry-after"] == "3"
