"""What providers charge differently, as their own servers write it: cache reads and writes, thoughts, usage in parts, repeated tokens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from app.budget.prices import TokenUsage
from app.inference.answers import Produced
from app.inference.provider_errors import ProviderError
from app.inference.wires.compatible import CompatibleWire
from app.inference.wires.through_litellm import LitellmWire
from app.inference.wires.wire import Wire
from tests.integration.inference.wires import KEY, WIRES, call

ANTHROPIC, GEMINI = (next(each for each in WIRES if each.name == name) for name in ("anthropic", "gemini"))


@dataclass(slots=True)
class Canned:
    """A server with one answer."""

    url: str = ""
    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    asked: list[dict[str, Any]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.addresses.append(request.path_qs)
        self.headers.append(request.headers)
        self.asked.append(json.loads(await request.read()))
        return web.Response(body=self.body, status=self.status, content_type=self.kind)

    def says(self, content: object, *, status: int = 200) -> None:
        self.body, self.status, self.kind = json.dumps(content).encode(), status, "application/json"

    def streams(self, *events: dict[str, Any]) -> None:
        self.body, self.kind = b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in events), "text/event-stream"


@pytest.fixture
async def canned() -> AsyncIterator[Canned]:
    made = Canned()
    runner = web.ServerRunner(web.Server(made.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def anthropic(canned: Canned) -> AsyncIterator[Wire]:
    wire = ANTHROPIC.at(canned.url)
    yield wire
    await wire.close()


@pytest.fixture
async def gemini(canned: Canned) -> AsyncIterator[Wire]:
    wire = GEMINI.at(f"{canned.url}/v1beta")
    yield wire
    await wire.close()


@pytest.fixture
async def compatible(canned: Canned) -> AsyncIterator[CompatibleWire]:
    wire = CompatibleWire(kind="local", api_base=f"{canned.url}/v1", api_key=KEY, connect_seconds=2, connections=2)
    yield wire
    await wire.close()


def counted(prompt: int, output: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output, **more}


def pieces(*last: dict[str, Any], **finishing: Any) -> list[dict[str, Any]]:
    """A stream that says "hi"; `finishing`: what stands beside the finish."""
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hi"}, "finish_reason": None}], "usage": None}
    return [
        said,
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **finishing},
        *({**head, **each} for each in last),
    ]


DEEPSEEK = counted(1_000_000, 20, prompt_cache_hit_tokens=900_000, prompt_cache_miss_tokens=100_000)
XAI = counted(500, 20) | {"total_tokens": 820, "completion_tokens_details": {"reasoning_tokens": 300}}
MOONSHOT = counted(800, 20, cached_tokens=512)


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (DEEPSEEK, TokenUsage(1_000_000, 20, 900_000)),
        (XAI, TokenUsage(500, 320)),
        (MOONSHOT, TokenUsage(800, 20, 512)),
        (counted(800, 20, prompt_tokens_details={"cached_tokens": 384}), TokenUsage(800, 20, 384)),
        ({"prompt_tokens": 800.0, "completion_tokens": "20", "total_tokens": 820.0}, TokenUsage(800, 20)),
        (counted(-800, 20), None),
    ],
    ids=["deepseek", "xai", "moonshot", "openai", "odd numbers", "negative"],
)
async def test_each_dialect_is_read_whole_and_streamed(
    compatible: CompatibleWire, canned: Canned, usage: dict[str, Any], read: TokenUsage | None
) -> None:
    message = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    canned.says({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [message], "usage": usage})
    assert (await compatible.complete(call("hello"))).usage == read
    canned.streams(*pieces({"choices": [], "usage": usage}))
    produced = Produced()
    async for chunk in compatible.stream(call("hello")):
        produced.add(chunk)
    assert (produced.usage, produced.text, produced.finish) == (read, "hi", "stop")


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(pieces(x_groq={"id": "req_1", "usage": counted(7, 9)}), id="Groq: beside the finish"),
        pytest.param(pieces(usage=counted(7, 9)), id="beside the finish"),
        pytest.param(pieces({"choices": []}, usage=counted(7, 9)), id="before an empty chunk"),
        pytest.param(pieces({"choices": None, "usage": counted(7, 9)}), id="without choices"),
        pytest.param(pieces({"choices": [], "usage": counted(7, 9)}, usage=counted(7, 1)), id="the latest counts"),
        pytest.param(pieces({"choices": [{"index": 0, "delta": {}, "usage": counted(7, 9)}]}), id="within a choice"),
    ],
)
async def test_a_streams_usage_is_read_wherever_it_stands(compatible: CompatibleWire, canned: Canned, events: list[dict[str, Any]]) -> None:
    canned.streams(*events)
    found = [chunk async for chunk in compatible.stream(call("hello"))]
    assert [chunk.usage for chunk in found if chunk.usage is not None] == [TokenUsage(7, 9)]


@pytest.mark.parametrize(
    ("usage", "read"),
    [(None, None), ({"total_tokens": 12}, TokenUsage(12)), (counted(12, 0), TokenUsage(12)), ({"prompt_tokens": True}, None)],
    ids=["none", "voyage", "openai", "no number"],
)
async def test_the_usage_of_embeddings(compatible: CompatibleWire, canned: Canned, usage: object, read: TokenUsage | None) -> None:
    canned.says({"object": "list", "data": [{"index": 0, "embedding": [0.5]}], "model": "m", "usage": usage})
    assert (await compatible.embed("m", ["one"], {})).usage == read


@pytest.mark.parametrize(
    ("kind", "usage", "read"),
    [
        ("deepseek", DEEPSEEK, TokenUsage(1_000_000, 20, 900_000)),
        ("xai", XAI, TokenUsage(500, 320)),
        ("moonshot", MOONSHOT, TokenUsage(800, 20, 512)),
        ("mistral", counted(800, 20, prompt_tokens_details={"cached_tokens": 384}), TokenUsage(800, 20, 384)),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_each_dialect_comes_through_litellm(
    canned: Canned, kind: str, usage: dict[str, Any], read: TokenUsage, streamed: bool
) -> None:
    wire = LitellmWire(kind=kind, api_base=f"{canned.url}/v1", api_key=KEY, connect_seconds=2, connections=2)
    if streamed:
        canned.streams(*pieces({"choices": [], "usage": usage}))
        found = [chunk async for chunk in wire.stream(call("hello"))]
        assert found[-1].usage == read
    else:
        message = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
        canned.says({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [message], "usage": usage})
        assert (await wire.complete(call("hello"))).usage == read
    await wire.close()


def message(**more: Any) -> dict[str, Any]:
    made = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": None, "stop_sequence": None}
    return made | {"content": [], "usage": {"input_tokens": 10, "output_tokens": 1}} | more


def delta(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **more}}


CACHED = {"input_tokens": 10, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 3000, "output_tokens": 7}


async def test_anthropics_cache_is_told(anthropic: Wire, canned: Canned) -> None:
    canned.says(message(content=[{"type": "text", "text": "hi"}], stop_reason="end_turn", usage=CACHED))
    found = await anthropic.complete(call("hello"))
    assert found.usage == TokenUsage(input=3210, output=7, cached_input=3000, cache_write=200)


@pytest.mark.parametrize("last", [{"output_tokens": 7}, CACHED], ids=["as it was", "as it is"])
async def test_anthropics_usage_comes_in_parts(anthropic: Wire, canned: Canned, last: dict[str, int]) -> None:
    canned.streams(
        {"type": "message_start", "message": message(usage=CACHED | {"output_tokens": 1})},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        delta("text_delta", text="hi"),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": last},
        {"type": "message_stop"},
    )
    found = [chunk async for chunk in anthropic.stream(call("hello"))]
    assert found[-1].usage == TokenUsage(input=3210, output=7, cached_input=3000, cache_write=200)
    assert [chunk.usage for chunk in found[:-1]] == [None, None]
    assert found[0].model == "claude-x"


async def test_anthropics_thinking_is_no_text_but_was_said(anthropic: Wire, canned: Canned) -> None:
    canned.streams(
        {"type": "message_start", "message": message()},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
        delta("thinking_delta", thinking="let me see"),
        delta("signature_delta", signature="c2lnbmVk"),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "42"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 30}},
        {"type": "message_stop"},
    )
    produced = Produced()
    deltas = []
    async for chunk in anthropic.stream(call("hello")):
        produced.add(chunk)
        deltas += [choice["delta"] for choice in chunk.data["choices"]]
    assert deltas[0] | {"role": "assistant", "reasoning_content": "let me see"} == deltas[0]
    assert any("c2lnbmVk" in json.dumps(each) for each in deltas), "the signature is needed to go on"
    assert "".join(each.get("content") or "" for each in deltas) == "42"
    assert not produced.plain
    assert produced.usage == TokenUsage(input=10, output=30)


@pytest.mark.parametrize("blank", [None, ""])
async def test_anthropics_usage_before_the_end_finishes_nothing(anthropic: Wire, canned: Canned, blank: str | None) -> None:
    canned.streams(
        {"type": "message_start", "message": message(stop_reason=blank)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        delta("text_delta", text="one "),
        {"type": "message_delta", "delta": {"stop_reason": blank}, "usage": {"output_tokens": 2}},
        delta("text_delta", text="two"),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    )
    found = [chunk async for chunk in anthropic.stream(call("hello"))]
    assert [(chunk.text, chunk.finish) for chunk in found if chunk.usage is None] == [("one ", None), ("two", None), ("", "stop")]
    assert found[-1].usage == TokenUsage(10, 4)


@pytest.mark.parametrize("blank", ["", "FINISH_REASON_UNSPECIFIED"])
async def test_geminis_blank_finish_ends_nothing(gemini: Wire, canned: Canned, blank: str) -> None:
    canned.streams({"candidates": [candidate("h", blank)]}, {"candidates": [candidate("i", "STOP")], "usageMetadata": THOUGHT})
    found = [chunk async for chunk in gemini.stream(call("hello"))]
    assert [(chunk.text, chunk.finish) for chunk in found] == [("h", None), ("i", None), ("", "stop"), ("", None)]


async def test_a_token_may_be_repeated(anthropic: Wire, canned: Canned) -> None:
    canned.streams(
        {"type": "message_start", "message": message()},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *[delta("text_delta", text="ha ha ") for _ in range(250)],
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 500}},
        {"type": "message_stop"},
    )
    assert "".join([chunk.text async for chunk in anthropic.stream(call("laugh"))]) == "ha ha " * 250


async def test_two_tools_at_once_keep_apart(anthropic: Wire, canned: Canned) -> None:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message()}]
    for index, name in enumerate(("one", "two")):
        block = {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        for part in ('{"a"', f": {index}}}"):
            events.append({"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": part}})
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}})
    canned.streams(*events, {"type": "message_stop"})
    told: dict[int, list[str]] = {}
    async for chunk in anthropic.stream(call("go")):
        for choice in chunk.data["choices"]:
            for each in choice["delta"].get("tool_calls") or ():
                told.setdefault(each["index"], []).append((each["function"].get("name") or "") + (each["function"].get("arguments") or ""))
    assert {index: "".join(parts) for index, parts in told.items()} == {0: 'one{"a": 0}', 1: 'two{"a": 1}'}


def candidate(text: str, finish: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return made | ({"finishReason": finish} if finish else {})


THOUGHT = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 300,
    "totalTokenCount": 420,
}


async def test_geminis_thoughts_are_output(gemini: Wire, canned: Canned) -> None:
    canned.says({"candidates": [candidate("hi", "STOP")], "usageMetadata": THOUGHT, "modelVersion": "gemini-x-001"})
    found = await gemini.complete(call("hello"))
    assert found.usage == TokenUsage(input=100, output=320, cached_input=60, reasoning=300)
    assert found.text == "hi"


async def test_geminis_thoughts_are_output_in_a_stream(gemini: Wire, canned: Canned) -> None:
    first = THOUGHT | {"candidatesTokenCount": 1, "totalTokenCount": 401}
    canned.streams(
        {"candidates": [candidate("h")], "usageMetadata": first, "modelVersion": "gemini-x-001"},
        {"candidates": [candidate("i", "STOP")], "usageMetadata": THOUGHT, "modelVersion": "gemini-x-001"},
    )
    found = [chunk async for chunk in gemini.stream(call("hello"))]
    assert found[-1].usage == TokenUsage(input=100, output=320, cached_input=60, reasoning=300)
    assert [(chunk.text, chunk.finish) for chunk in found] == [("h", None), ("i", None), ("", "stop"), ("", None)]
    assert found[0].model == "gemini-x-001"


async def test_geminis_stream_that_just_ends_is_cut(gemini: Wire, canned: Canned) -> None:
    canned.streams({"candidates": [candidate("h")], "usageMetadata": THOUGHT}, {"candidates": [candidate("i")], "usageMetadata": THOUGHT})
    with pytest.raises(ProviderError) as caught:
        [chunk async for chunk in gemini.stream(call("hello"))]
    assert (caught.value.kind, caught.value.unknown) == ("cut", True)


async def test_geminis_tool_call_ends_as_one(gemini: Wire, canned: Canned) -> None:
    part = {"functionCall": {"name": "weather", "args": {"finishReason": "STOP"}}, "thoughtSignature": "c2lnbmVk"}
    canned.streams(
        {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}], "usageMetadata": THOUGHT},
        {
            "candidates": [{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": THOUGHT,
        },
    )
    found = [chunk async for chunk in gemini.stream(call("hello"))]
    assert [chunk.finish for chunk in found if chunk.finish] == ["tool_calls"]
    assert "gemini:c2lnbmVk" in found[0].raw.decode()


async def test_geminis_stream_may_come_as_one_list(gemini: Wire, canned: Canned) -> None:
    canned.says([{"candidates": [candidate("h")]}, {"candidates": [candidate("i", "STOP")], "usageMetadata": THOUGHT}])
    found = [chunk async for chunk in gemini.stream(call("hello"))]
    assert [(chunk.text, chunk.finish) for chunk in found] == [("h", None), ("i", None), ("", "stop"), ("", None)]
    canned.says([{"candidates": [candidate("h")]}, {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}])
    with pytest.raises(ProviderError) as caught:
        [chunk async for chunk in gemini.stream(call("hello"))]
    assert (caught.value.kind, caught.value.status) == ("server_error", 503)


async def test_geminis_withheld_call_is_an_empty_answer_that_costs(gemini: Wire, canned: Canned) -> None:
    said = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "index": 0}], "usageMetadata": THOUGHT}
    for tell, ask in ((canned.says, gemini.complete(call("hello"))), (canned.streams, chunks_of(gemini))):
        tell(said)
        with pytest.raises(ProviderError) as caught:
            await ask
        assert (caught.value.kind, caught.value.counts) == ("empty", False)
        assert caught.value.usage == TokenUsage(input=100, output=320, cached_input=60, reasoning=300)


async def chunks_of(wire: Wire) -> list[Any]:
    return [chunk async for chunk in wire.stream(call("hello"))]


async def test_geminis_key_and_model_stand_where_google_wants_them(gemini: Wire, canned: Canned) -> None:
    canned.says({"candidates": [candidate("hi", "STOP")]})
    await gemini.complete(call("hello"))
    canned.streams({"candidates": [candidate("hi", "STOP")]})
    await chunks_of(gemini)
    assert canned.addresses == ["/v1beta/models/fake-1:generateContent", "/v1beta/models/fake-1:streamGenerateContent?alt=sse"]
    assert [headers["x-goog-api-key"] for headers in canned.headers] == [KEY, KEY]
    assert all("model" not in asked and "stream" not in asked for asked in canned.asked)


async def test_geminis_bad_key_is_ours(gemini: Wire, canned: Canned) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]
    said = {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT", "details": details}
    canned.says({"error": said}, status=400)
    with pytest.raises(ProviderError) as caught:
        await gemini.complete(call("hello"))
    assert caught.value.kind == "key"
    assert caught.value.counts


async def test_geminis_wait_stands_in_its_body(gemini: Wire, canned: Canned) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36.5s"}]
    canned.says({"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}}, status=429)
    with pytest.raises(ProviderError) as caught:
        await gemini.complete(call("hello"))
    assert (caught.value.kind, caught.value.retry_after) == ("rate_limited", 36.5)


async def test_a_key_that_a_provider_quotes_is_not_passed_on(gemini: Wire, anthropic: Wire, canned: Canned) -> None:
    canned.says({"error": {"message": f"what is {KEY}?", "type": "invalid_request_error"}}, status=400)
    for wire in (gemini, anthropic):
        with pytest.raises(ProviderError, match=r"what is \.\.\.") as caught:
            await wire.complete(call("hello"))
        assert KEY not in str(caught.value)
