"""The fake's answers in its four formats, read by a plain client over a real socket."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.fakes.provider import FakeProvider, Kind, full
from tests.integration.fakes.speaking import CALLED, KINDS, LENGTH, MODEL, STOP, TOOL_ARGUMENTS, Json, ask

PROMPT = "tell me of cats, please"
WHOLE = "".join(full(PROMPT))

each_kind = pytest.mark.parametrize("kind", KINDS)
each_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as served:
        yield served


async def post(url: str, body: object) -> Json:
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as reply:
        found: Json = await reply.json()
    return found


@each_kind
@each_way
async def test_the_answer_and_its_usage_follow_from_the_prompt(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert heard.text == WHOLE
    assert (heard.status, heard.finish, heard.usage, heard.model) == (200, STOP[kind], (5, 12), MODEL)


@each_kind
async def test_a_prompt_says_how_many_words_it_wants(fake: FakeProvider, kind: Kind) -> None:
    heard = await ask(fake, kind, "please say 40 words")
    assert len(heard.text.split()) == 40
    assert heard.text.endswith(" word39 word40")


@each_kind
@each_way
async def test_a_limit_of_tokens_cuts_the_answer(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    heard = await ask(fake, kind, PROMPT, stream=stream, limit=3)
    assert WHOLE.startswith(heard.text)
    assert (len(heard.text.split()), heard.finish, heard.usage) == (3, LENGTH[kind], (5, 3))


@each_kind
@each_way
async def test_a_paced_answer_is_the_same(kind: Kind, stream: bool) -> None:
    async with FakeProvider(first_token_ms=5, per_token_ms=1) as fake:
        heard = await ask(fake, kind, PROMPT, stream=stream)
        assert (heard.text, fake.asked[0].tokens_sent, fake.asked[0].finished) == (WHOLE, 12, True)


async def test_openai_streams_role_tokens_finish_usage_done(fake: FakeProvider) -> None:
    heard = await ask(fake, "openai", "say 2 words", stream=True)
    deltas = [(choice["delta"], choice["finish_reason"]) for event in heard.events for choice in event["choices"]]
    assert deltas == [
        ({"role": "assistant", "content": ""}, None),
        ({"content": "echo:"}, None),
        ({"content": full("say 2 words")[1]}, None),
        ({}, "stop"),
    ]
    assert [event["usage"] is None for event in heard.events] == [True] * 4 + [False]
    assert heard.raw.endswith("data: [DONE]\n\n")


async def test_openai_streams_usage_only_when_asked(fake: FakeProvider) -> None:
    async with aiohttp.ClientSession() as session:
        body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "stream": True}
        async with session.post(f"{fake.url}/v1/chat/completions", json=body) as reply:
            assert "usage" not in await reply.text()


async def test_openai_answers_n_choices(fake: FakeProvider) -> None:
    body: Json = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "n": 3}
    found = await post(f"{fake.url}/v1/chat/completions", body)
    assert [choice["message"]["content"] for choice in found["choices"]] == ["".join(full(PROMPT, at)) for at in range(3)]
    assert found["usage"]["completion_tokens"] == 36


async def test_groq_adds_its_own_fields(fake: FakeProvider) -> None:
    whole = await ask(fake, "groq", PROMPT)
    assert whole.body["service_tier"] == "on_demand"
    assert whole.body["x_groq"]["id"].startswith("req_")
    assert {"queue_time", "prompt_time", "completion_time", "total_time"} < whole.body["usage"].keys()
    streamed = await ask(fake, "groq", PROMPT, stream=True)
    assert "usage" not in streamed.events[0]["x_groq"]
    assert streamed.events[-2]["x_groq"]["usage"]["completion_tokens"] == 12


async def test_anthropic_streams_its_sequence_of_events(fake: FakeProvider) -> None:
    heard = await ask(fake, "anthropic", "say 2 words", stream=True)
    block = ["content_block_start", "ping", "content_block_delta", "content_block_delta", "content_block_stop"]
    assert heard.names == ["message_start", *block, "message_delta", "message_stop"]
    assert [event["type"] for event in heard.events] == heard.names


async def test_gemini_streams_the_usage_so_far(fake: FakeProvider) -> None:
    heard = await ask(fake, "gemini", "say 3 words", stream=True)
    assert [event["usageMetadata"]["candidatesTokenCount"] for event in heard.events] == [1, 2, 3, 3]
    assert ["finishReason" in event["candidates"][0] for event in heard.events] == [False] * 3 + [True]


@each_kind
@each_way
async def test_a_prefill_is_continued(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    tokens = full(PROMPT)
    said = "".join(tokens[:5])[:-1]  # in the middle of a word
    heard = await ask(fake, kind, PROMPT, stream=stream, said=said)
    assert said + heard.text == WHOLE
    assert heard.finish == STOP[kind]
    assert heard.usage is not None
    assert heard.usage[1] == 8


@each_kind
async def test_a_prefill_can_be_ignored(kind: Kind) -> None:
    async with FakeProvider(prefill="restart") as fake:
        assert (await ask(fake, kind, PROMPT, said="echo:")).text == WHOLE


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("openai", "Expected last role User"),
        ("groq", "Expected last role User"),
        ("anthropic", "does not support assistant message prefill"),
        ("gemini", "the last role is user"),
    ],
)
async def test_a_prefill_can_be_refused(kind: Kind, message: str) -> None:
    async with FakeProvider(prefill="refuse") as fake:
        heard = await ask(fake, kind, PROMPT, said="echo:", stream=True)
        assert heard.status == 400
        assert message in heard.body["error"]["message"]


async def test_anthropic_takes_no_prefill_that_ends_in_a_space(fake: FakeProvider) -> None:
    heard = await ask(fake, "anthropic", PROMPT, said="echo: ")
    assert (heard.status, heard.body["error"]["type"]) == (400, "invalid_request_error")


@each_kind
@each_way
async def test_a_prompt_calls_a_tool(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    heard = await ask(fake, kind, "call look_up", tool="look_up", stream=stream)
    assert (heard.tool, heard.finish, heard.text) == (("look_up", TOOL_ARGUMENTS), CALLED[kind], "")


@each_kind
async def test_a_tool_that_is_not_given_is_not_called(fake: FakeProvider, kind: Kind) -> None:
    heard = await ask(fake, kind, "call something_else", tool="look_up")
    assert (heard.tool, heard.finish) == (None, STOP[kind])


@pytest.mark.parametrize("packed", [False, True])
async def test_openai_embeds(fake: FakeProvider, packed: bool) -> None:
    body = {"model": MODEL, "input": ["one", "two words"], "dimensions": 16, "encoding_format": "base64" if packed else "float"}
    found = await post(f"{fake.url}/v1/embeddings", body)
    vectors = [each["embedding"] for each in found["data"]]
    if packed:
        vectors = [struct.unpack("<16f", base64.b64decode(each)) for each in vectors]
    assert [math.isclose(math.hypot(*each), 1, rel_tol=1e-6) and len(each) for each in vectors] == [16, 16]
    assert vectors[0] != vectors[1]
    assert found["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


async def test_gemini_embeds_as_openai_does(fake: FakeProvider) -> None:
    content = {"parts": [{"text": "one"}]}
    alone = await post(f"{fake.url}/v1beta/models/e:embedContent", {"content": content})
    batch = await post(f"{fake.url}/v1beta/models/e:batchEmbedContents", {"requests": [{"content": content}]})
    openai = await post(f"{fake.url}/v1/embeddings", {"model": "e", "input": "one"})
    assert alone["embedding"]["values"] == batch["embeddings"][0]["values"] == openai["data"][0]["embedding"]


@pytest.mark.parametrize(
    ("path", "headers", "key"),
    [
        ("/v1/models", {}, "data"),
        ("/openai/v1/models", {}, "data"),
        ("/v1/models", {"anthropic-version": "2023-06-01"}, "data"),
        ("/v1beta/models", {}, "models"),
    ],
)
async def test_models_are_listed(fake: FakeProvider, path: str, headers: dict[str, str], key: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(fake.url + path, headers=headers) as reply:
        found = await reply.json()
    assert [each.get("id") or each["name"].removeprefix("models/") for each in found[key]] == ["fake-1", "fake-2"]


@pytest.mark.parametrize(
    ("path", "content", "status", "message"),
    [
        ("/v1/chat/completions", b"{", 400, "JSON"),
        ("/v1/chat/completions", b"{}", 400, "'messages'"),
        ("/v1/messages", b'{"messages":[{"role":"user","content":"x"}]}', 400, "max_tokens"),
        ("/v1beta/models/m:generateContent", b'{"contents":7}', 400, "JSON"),
        ("/v1/nothing", b"{}", 404, "Unknown request URL"),
    ],
)
async def test_what_is_no_request_is_refused(fake: FakeProvider, path: str, content: bytes, status: int, message: str) -> None:
    async with aiohttp.ClientSession() as session, session.post(fake.url + path, data=content) as reply:
        assert reply.status == status
        assert message in (await reply.json())["error"]["message"]
