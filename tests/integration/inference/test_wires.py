"""One contract for every way to speak to a provider, over real sockets: answers, every fault, hanging up, connections kept."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from app import clock
from app.errors import ConfigurationError
from app.inference.answers import Chunk, Completion, Produced
from app.inference.provider_errors import ProviderError
from app.inference.wires import library
from app.inference.wires.dialect_wire import DialectWire
from app.inference.wires.messages import MessagesFormat
from app.inference.wires.through_litellm import LitellmWire
from app.inference.wires.wire import ProviderCall, Wire
from tests.fakes.provider import FakeProvider, FaultName, full
from tests.fakes.provider.answers import vector
from tests.integration.inference.wires import BROKEN, KEY, REFUSED, TOOLS, WAITING, WIRES, Answers, Fails, How, Kept, call, expected
from tests.waiting import patience

UNICODE = "größe 東京 🦜 עברית naïve"
ONE_CHOICE = {"groq", "anthropic"}
AFTER = 2
"""Tokens before a fault in a stream."""


@pytest.fixture(scope="session", autouse=True)
async def loaded() -> None:
    await library.prepare()


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as opened:
        yield opened


@pytest.fixture(params=WIRES, ids=lambda kept: kept.name)
def kept(request: pytest.FixtureRequest) -> Kept:
    found: Kept = request.param
    return found


@pytest.fixture
async def wire(kept: Kept, fake: FakeProvider) -> AsyncIterator[Wire]:
    opened = kept.open(fake)
    yield opened
    await opened.close()


async def chunks(wire: Wire, asked: ProviderCall) -> list[Chunk]:
    return [chunk async for chunk in wire.stream(asked)]


def joined(found: list[Chunk]) -> Produced:
    produced = Produced()
    for chunk in found:
        produced.add(chunk)
    return produced


def message(found: Completion, choice: int = 0) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(found.raw)["choices"][choice]["message"]
    return said


# --- answers


async def test_a_text_comes_whole(wire: Wire) -> None:
    found = await wire.complete(call("hello there"))
    said = "".join(full("hello there"))
    assert message(found)["content"] == found.text == said
    assert message(found)["role"] == "assistant"
    assert json.loads(found.raw)["choices"][0]["finish_reason"] == "stop"
    assert json.loads(found.raw)["object"] == "chat.completion"
    assert found.model == "fake-1"


async def test_a_text_comes_token_by_token(wire: Wire) -> None:
    found = await chunks(wire, call("say 5 words"))
    assert [chunk.text for chunk in found if chunk.text] == full("say 5 words")
    assert joined(found).finish == "stop"
    assert joined(found).plain
    assert joined(found).model == "fake-1"
    assert [chunk.finish for chunk in found if chunk.text] == [None] * 5
    assert len({json.loads(chunk.raw)["id"] for chunk in found}) == 1
    assert {json.loads(chunk.raw)["object"] for chunk in found} == {"chat.completion.chunk"}
    assert found[0].data["choices"][0]["delta"]["role"] == "assistant"


async def test_usage_comes_with_the_answer_and_last_in_a_stream(wire: Wire) -> None:
    whole = await wire.complete(call("say 5 words"))
    found = await chunks(wire, call("say 5 words"))
    assert whole.usage is not None
    assert (whole.usage.input, whole.usage.output) == (3, 5)
    assert [chunk.usage for chunk in found] == [*[None] * (len(found) - 1), whole.usage]


async def test_unicode_survives(wire: Wire) -> None:
    said = "".join(full(UNICODE))
    assert UNICODE in said
    assert (await wire.complete(call(UNICODE))).text == said
    assert joined(await chunks(wire, call(UNICODE))).text == said


async def test_it_ends_at_the_limit_of_tokens(wire: Wire, fake: FakeProvider) -> None:
    found = await wire.complete(call("say 50 words", max_tokens=4))
    assert json.loads(found.raw)["choices"][0]["finish_reason"] == "length"
    assert joined(await chunks(wire, call("say 50 words", max_tokens=4))).finish == "length"


async def test_a_tool_is_called(wire: Wire) -> None:
    found = await wire.complete(call("call weather", tools=TOOLS))
    [called] = message(found)["tool_calls"]
    assert called["function"]["name"] == "weather"
    assert set(json.loads(called["function"]["arguments"])) == {"city", "days"}
    assert called["id"]
    assert message(found).get("content") is None
    assert json.loads(found.raw)["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_tool_is_called_in_a_stream(wire: Wire) -> None:
    found = await chunks(wire, call("call weather", tools=TOOLS))
    deltas = [choice["delta"] for chunk in found for choice in chunk.data["choices"]]
    calls = [each for delta in deltas for each in delta.get("tool_calls") or ()]
    assert calls[0]["function"]["name"] == "weather"
    assert calls[0]["id"]
    assert {each["index"] for each in calls} == {0}
    assert set(json.loads("".join(each["function"].get("arguments") or "" for each in calls))) == {"city", "days"}
    assert joined(found).finish == "tool_calls"
    assert not joined(found).plain


async def test_a_tools_result_goes_back(wire: Wire) -> None:
    asked = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    found = await wire.complete(
        call(
            "call weather",
            {"role": "assistant", "content": None, "tool_calls": [asked]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            tools=TOOLS,
        )
    )
    assert found.text


async def test_a_tool_can_be_forced(wire: Wire) -> None:
    forced = {"type": "function", "function": {"name": "weather"}}
    found = await wire.complete(call("hello", tools=TOOLS, tool_choice=forced))
    assert message(found)["tool_calls"][0]["function"]["name"] == "weather"


async def test_several_choices_come_where_they_are_taken(wire: Wire, kept: Kept) -> None:
    if kept.name in ONE_CHOICE:
        assert not wire.supports("n")
        return
    found = await wire.complete(call("say 3 words", n=2))
    assert [message(found, choice)["content"] for choice in (0, 1)] == ["".join(full("say 3 words", choice)) for choice in (0, 1)]
    assert [each["index"] for each in json.loads(found.raw)["choices"]] == [0, 1]
    streamed = await chunks(wire, call("say 3 words", n=2))
    texts = {0: "", 1: ""}
    for choice in (each for chunk in streamed for each in chunk.data["choices"]):
        texts[choice["index"]] += choice["delta"].get("content") or ""
    assert texts == {choice: "".join(full("say 3 words", choice)) for choice in (0, 1)}
    assert not joined(streamed).plain


async def test_an_unfinished_message_is_continued(wire: Wire) -> None:
    said = full("say 8 words")
    begun = {"role": "assistant", "content": "".join(said[:3])}
    assert (await wire.complete(call("say 8 words", begun))).text == "".join(said[3:])
    assert joined(await chunks(wire, call("say 8 words", begun))).text == "".join(said[3:])


async def test_the_callers_messages_are_left_as_they_are(wire: Wire) -> None:
    messages = [
        {"role": "system", "content": "be short"},
        {"role": "user", "content": [{"type": "text", "text": "hello"}, {"type": "text", "text": "there"}]},
    ]
    asked = ProviderCall("fake-1", messages, {"max_tokens": 50, "tools": TOOLS})
    before = json.dumps([messages, TOOLS])
    await wire.complete(asked)
    await chunks(wire, asked)
    assert json.dumps([messages, TOOLS]) == before


async def test_pings_and_comments_are_no_chunks(wire: Wire, fake: FakeProvider) -> None:
    fake.will("comments_only", seconds=0.2)
    found = await chunks(wire, call("say 3 words"))
    assert [chunk.text for chunk in found if chunk.text] == full("say 3 words")
    assert len(found) <= 7


async def test_an_empty_answer_is_one(wire: Wire, fake: FakeProvider) -> None:
    fake.will("empty_answer", times=2)
    whole = await wire.complete(call("hello"))
    found = joined(await chunks(wire, call("hello")))
    assert (whole.text, found.text, found.finish, found.has_output) == ("", "", "stop", False)
    assert json.loads(whole.raw)["choices"][0]["finish_reason"] == "stop"


async def test_a_finish_that_is_blank_ends_no_stream(wire: Wire, fake: FakeProvider) -> None:
    fake.will("blank_finish")
    found = await chunks(wire, call("say 6 words"))
    assert [chunk.text for chunk in found if chunk.text] == full("say 6 words")
    assert [chunk.finish for chunk in found if chunk.finish] == ["stop"]
    assert {choice["finish_reason"] for chunk in found for choice in json.loads(chunk.raw)["choices"]} == {None, "stop"}


@pytest.mark.parametrize(("fault", "told"), [("split_character", " 🦜"), ("half_character", " \ufffd")])
async def test_a_character_that_is_cut_is_joined_or_replaced(wire: Wire, fake: FakeProvider, fault: FaultName, told: str) -> None:
    said = full("say 4 words")
    for place in range(5):
        fake.will(fault, times=2, after_tokens=place)
        text = "".join([*said[:place], told, *said[place:]])
        assert (await wire.complete(call("say 4 words"))).text == text
        found = await chunks(wire, call("say 4 words"))
        assert joined(found).text == text
        assert "".join(choice["delta"].get("content") or "" for chunk in found for choice in json.loads(chunk.raw)["choices"]) == text


async def test_a_whole_answer_to_a_streamed_request_is_streamed(wire: Wire, fake: FakeProvider) -> None:
    fake.will("unstreamed", times=2)
    found = await chunks(wire, call("say 6 words"))
    produced = joined(found)
    assert (produced.text, produced.finish, produced.plain, produced.model) == ("".join(full("say 6 words")), "stop", True, "fake-1")
    assert produced.usage is not None
    assert (produced.usage.input, produced.usage.output) == (3, 6)
    assert {json.loads(chunk.raw)["object"] for chunk in found} == {"chat.completion.chunk"}
    called = joined(await chunks(wire, call("call weather", tools=TOOLS)))
    assert (called.finish, called.plain, "weather" in called.text) == ("tool_calls", False, True)
    assert len(fake.asked) == 2


# --- embeddings


making_vectors = pytest.mark.parametrize(
    "kept", [each for each in WIRES if each.kind != "anthropic"], indirect=True, ids=lambda kept: kept.name
)


async def test_who_makes_no_vectors_says_so(fake: FakeProvider) -> None:
    wire = DialectWire(MessagesFormat(), api_base=fake.url, api_key=KEY, connect_seconds=2, connections=2)
    with pytest.raises(ProviderError) as caught:
        await wire.embed("fake-1", ["one"], {})
    assert caught.value.kind == "caller"
    assert not fake.asked
    await wire.close()


@making_vectors
async def test_vectors_come_in_the_order_of_the_texts(wire: Wire, kept: Kept) -> None:
    texts = ["one", "two", UNICODE, "files/four", "gs://five", "data:image/png;base64,AAAA"]
    found = await wire.embed("fake-1", texts, {})
    assert [list(each) for each in found.vectors] == [pytest.approx(vector(text, 8)) for text in texts]
    assert found.model == "fake-1"
    assert (found.usage is None) == (kept.name == "gemini")
    assert found.usage is None or found.usage.input == len(" ".join(texts).split())


@making_vectors
async def test_vectors_have_the_dimensions_asked_for(wire: Wire, kept: Kept) -> None:
    assert len((await wire.embed("fake-1", ["one"], {"dimensions": 16})).vectors[0]) == 16


@making_vectors
@pytest.mark.parametrize(
    ("fault", "kind"),
    [("429", "rate_limited"), ("500", "server_error"), ("html", "malformed"), ("close", "reset"), ("malformed", "malformed")],
)
async def test_an_embedding_that_fails_is_a_fault(wire: Wire, kept: Kept, fake: FakeProvider, fault: FaultName, kind: str) -> None:
    fake.will(fault)
    with pytest.raises(ProviderError) as caught:
        await wire.embed("fake-1", ["one"], {})
    assert caught.value.kind == kind
    assert len(fake.asked) == 1


# --- faults


@pytest.mark.parametrize("how", ["complete", "stream"])
@pytest.mark.parametrize("fault", [*REFUSED, *BROKEN])
async def test_every_fault_has_its_kind(wire: Wire, kept: Kept, fake: FakeProvider, fault: FaultName, how: How) -> None:
    fake.will(fault, after_tokens=AFTER if how == "stream" and fault != "reset" else 0)
    if how == "complete" and fault in {"eof", "content_filter"}:
        fake.clear()
        fake.will(fault, after_tokens=AFTER)
    match expected(kept.name, fault, how):
        case Fails(kind, status, unknown):
            with pytest.raises(ProviderError) as caught:
                await (wire.complete(call("say 6 words")) if how == "complete" else chunks(wire, call("say 6 words")))
            found = caught.value
            assert (found.kind, found.status, found.unknown) == (kind, status, unknown)
            assert found.retry_after is None
            assert KEY not in str(found)
        case Answers(finish, usage, model):
            if how == "complete":
                whole = await wire.complete(call("say 6 words"))
                assert json.loads(whole.raw)["choices"][0]["finish_reason"] == finish
                assert (whole.usage is not None, whole.model) == (usage, model)
                assert usage == ("usage" in json.loads(whole.raw))
            else:
                produced = joined(await chunks(wire, call("say 6 words")))
                assert (produced.finish, produced.usage is not None, produced.model) == (finish, usage, model)
    assert len(fake.asked) == 1, "nobody but the engine asks again"


@pytest.mark.parametrize("fault", ["cut", "eof", "malformed", "error_in_stream", "reset"])
async def test_what_came_before_a_break_is_delivered(wire: Wire, fake: FakeProvider, fault: FaultName) -> None:
    fake.will(fault, after_tokens=AFTER)
    found: list[Chunk] = []
    with pytest.raises(ProviderError) as caught:
        async for chunk in wire.stream(call("say 6 words")):
            found.append(chunk)
    assert [chunk.text for chunk in found if chunk.text] == full("say 6 words")[:AFTER]
    assert joined(found).finish is None
    assert caught.value.kind in {"cut", "malformed", "server_error"}


@pytest.mark.parametrize("fault", ["429", "503", "529"])
@pytest.mark.parametrize("how", ["complete", "stream"])
async def test_a_provider_says_how_long_to_wait(wire: Wire, fake: FakeProvider, fault: FaultName, how: How) -> None:
    fake.will(fault, retry_after=7)
    fake.will(fault, retry_after=clock.now() + timedelta(seconds=100))
    waits = []
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            await (wire.complete(call("hello")) if how == "complete" else chunks(wire, call("hello")))
        waits.append(caught.value.retry_after or 0)
    assert waits[0] == 7
    assert 90 < waits[1] <= 100


async def test_a_caller_hears_the_providers_words(wire: Wire, fake: FakeProvider) -> None:
    fake.will("bad_request")
    with pytest.raises(ProviderError, match="emperature") as caught:
        await wire.complete(call("hello"))
    assert not caught.value.counts


async def test_nobody_there_is_unreachable_and_cost_nothing(kept: Kept) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        wire = kept.at(f"http://127.0.0.1:{taken.getsockname()[1]}")
    for attempt in (wire.complete(call("hello")), chunks(wire, call("hello"))):
        with pytest.raises(ProviderError) as caught:
            await attempt
        assert (caught.value.kind, caught.value.unknown) == ("unreachable", False)
    await wire.close()


# --- hanging up


async def arrived(fake: FakeProvider, requests: int = 1) -> None:
    async with patience():
        while len(fake.asked) < requests:
            await asyncio.sleep(0.005)


async def left(fake: FakeProvider) -> bool:
    async with patience():
        await fake.idle()
    return fake.asked[-1].disconnected


@pytest.mark.parametrize("fault", WAITING)
@pytest.mark.parametrize("how", ["complete", "stream"])
async def test_cancelling_hangs_up(wire: Wire, fake: FakeProvider, fault: FaultName, how: How) -> None:
    fake.will(fault)
    task = asyncio.ensure_future(wire.complete(call("hello")) if how == "complete" else chunks(wire, call("hello")))
    await arrived(fake)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await left(fake)


async def test_closing_a_stream_hangs_up(kept: Kept) -> None:
    async with FakeProvider(per_token_ms=20) as fake:
        wire = kept.open(fake)
        async with aclosing(wire.stream(call("say 100 words"))) as stream:
            async for chunk in stream:
                if chunk.text:
                    break
        assert await left(fake)
        assert fake.asked[0].tokens_sent < 50
        assert (await wire.complete(call("say 1 words"))).text
        await wire.close()


async def test_cancelling_between_tokens_hangs_up(wire: Wire, fake: FakeProvider) -> None:
    fake.will("stall", after_tokens=AFTER)
    found: list[Chunk] = []

    async def read() -> None:
        async with aclosing(wire.stream(call("say 9 words"))) as stream:
            async for chunk in stream:
                found.append(chunk)

    task = asyncio.ensure_future(read())
    async with patience():
        while joined(found).text != "".join(full("say 9 words")[:AFTER]):
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await left(fake)


# --- connections


async def test_a_connection_is_kept(wire: Wire, fake: FakeProvider) -> None:
    for _ in range(3):
        await wire.complete(call("hello"))
        await chunks(wire, call("hello"))
    fake.will("500")
    with pytest.raises(ProviderError):
        await wire.complete(call("hello"))
    await wire.complete(call("hello"))
    assert len({asked.peer for asked in fake.asked}) == 1


async def test_a_stream_left_after_its_usage_keeps_its_connection(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.inference.wires.pool.LAST_BYTES_SECONDS", 10)
    async with FakeProvider(per_token_ms=2) as fake:
        wire = kept.open(fake)
        for _ in range(3):
            async with aclosing(wire.stream(call("say 4 words"))) as stream:
                async for chunk in stream:
                    if chunk.usage is not None:
                        break
        assert len({asked.peer for asked in fake.asked}) == 1
        await wire.close()


async def test_a_connection_that_the_server_closed_is_not_used(wire: Wire, fake: FakeProvider) -> None:
    fake.will("close_idle", seconds=0.02)
    await wire.complete(call("hello"))
    for _ in range(10):  # turns of the loop, not only time: the client must read that it was closed
        await asyncio.sleep(0.02)
    assert (await wire.complete(call("hello"))).text
    assert len({asked.peer for asked in fake.asked}) == 2


async def test_many_at_once_take_no_more_connections_than_allowed(kept: Kept) -> None:
    async with FakeProvider(first_token_ms=20) as fake:
        wire = kept.open(fake, connections=3)
        await asyncio.gather(*(wire.complete(call("hello")) for _ in range(9)))
        assert len(fake.asked) == 9
        assert len({asked.peer for asked in fake.asked}) == 3
        await wire.close()


# --- through litellm


@pytest.fixture(params=[each for each in WIRES if each.wire is LitellmWire], ids=lambda kept: kept.name)
async def through(request: pytest.FixtureRequest, fake: FakeProvider) -> AsyncIterator[Wire]:
    opened = request.param.open(fake)
    yield opened
    await opened.close()


async def test_no_field_of_a_caller_becomes_an_argument_of_litellms(through: Wire, fake: FakeProvider) -> None:
    given = {
        "api_base": "http://127.0.0.1:1",
        "api_key": "theirs",
        "base_url": "http://127.0.0.1:1",
        "mock_response": "mocked",
        "fallbacks": ["gpt-4"],
        "extra_headers": {"x-theirs": "1"},
        "extra_body": {"model": "theirs"},
        "custom_llm_provider": "openai",
        "metadata": {"a": 1},
        "num_retries": 3,
        "callbacks": ["langfuse"],
    }
    assert not any(through.supports(name) for name in given)
    found = await through.complete(call("hello", **given))
    assert found.text == "".join(full("hello"))
    [asked] = fake.asked
    assert "x-theirs" not in asked.headers
    assert KEY in str(dict(asked.headers))
    assert asked.model == "fake-1"


async def test_a_dropped_parameter_does_no_harm(through: Wire) -> None:
    everything = {"n": 1, "seed": 1, "logit_bias": {"1": 1}, "presence_penalty": 0.1, "user": "u", "stop": ["zzz"], "temperature": 0.5}
    assert (await through.complete(call("hello", **everything))).text


async def test_no_address_of_a_callers_is_fetched(fake: FakeProvider) -> None:
    wire = LitellmWire(kind="gemini", api_base=fake.api_base("gemini"), api_key=KEY, connect_seconds=2, connections=2)
    for scheme in ("http", "https"):
        image = {"type": "image_url", "image_url": {"url": f"{scheme}://127.0.0.1:{fake.url.rpartition(':')[2]}/a.png"}}
        with pytest.raises(ProviderError, match="disabled") as caught:
            await wire.complete(call({"role": "user", "content": [image]}))
        assert (caught.value.kind, caught.value.unknown) == ("caller", False)
    assert not fake.asked
    await wire.close()


@pytest.mark.parametrize(
    "content", [[{"type": "nonsense"}], 7, {"a": 1}, [[]], [{"type": "image_url", "image_url": {"url": "data:nonsense"}}]]
)
async def test_what_litellm_cannot_put_to_a_provider_is_not_the_providers_fault(through: Wire, fake: FakeProvider, content: object) -> None:
    await through.complete(call("hello"))  # of a kind not known beforehand, this tells whose client it uses
    for message in ({"role": "user", "content": content}, {"role": "nobody", "content": "hi"}, {"role": "tool", "content": content}):
        try:
            await through.complete(call("hello", message))
        except ProviderError as fault:
            assert not fault.counts
            assert not fault.unknown


@pytest.mark.parametrize("kind", ["mistral", "deepseek", "openrouter", "xai", "together_ai", "hosted_vllm"])
async def test_litellms_other_kinds_go_through_our_client_too(fake: FakeProvider, kind: str) -> None:
    """Those that take its own handler as well as those that take OpenAI's SDK."""
    wire = LitellmWire(kind=kind, api_base=fake.api_base("openai"), api_key=KEY, connect_seconds=2, connections=2)
    assert (await wire.complete(call("hello"))).text == joined(await chunks(wire, call("hello"))).text
    fake.will("503", retry_after=4)
    with pytest.raises(ProviderError) as caught:
        await wire.complete(call("hello"))
    assert (caught.value.kind, caught.value.retry_after) == ("server_error", 4)
    assert {asked.headers["user-agent"] for asked in fake.asked} == {"cairn"}
    assert len({asked.peer for asked in fake.asked}) == 1
    await wire.close()


def test_an_unknown_kind_is_named_at_construction() -> None:
    with pytest.raises(ConfigurationError, match="antropic"):
        LitellmWire(kind="antropic", api_base=None, api_key=None, connect_seconds=1, connections=1)
    with pytest.raises(ConfigurationError, match="'openai'"):
        LitellmWire(kind="azure", api_base=None, api_key=None, connect_seconds=1, connections=1)
    LitellmWire(kind="mistral", api_base=None, api_key=KEY, connect_seconds=1, connections=1)


def test_litellm_is_loaded_by_nobody_but_the_first_call() -> None:
    code = (
        "import sys, app.main, app.cli, app.inference.wires.library\n"
        "import app.inference.catalog, app.inference.wires.through_litellm\n"
        "sys.exit('litellm' in sys.modules or 'openai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_address_is_fetched_where_litellm_was_imported_by_somebody_else_before() -> None:
    code = (
        "import importlib, litellm\n"
        "from app.inference.wires import library\n"
        "library.load()\n"
        "assert all(importlib.import_module(each).MAX_IMAGE_URL_DOWNLOAD_SIZE_MB == 0 for each in library.DOWNLOADERS)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"})


async def test_litellm_is_kept_quiet(through: Wire) -> None:
    await through.complete(call("hello"))
    await chunks(through, call("hello"))
    litellm = library.load()
    for name in library.CALLBACKS:
        assert not getattr(litellm, name)
    assert not litellm.telemetry
    assert litellm.drop_params
    assert litellm.disable_hf_tokenizer_download
    from litellm.litellm_core_utils.litellm_logging import Logging

    for name, instead in library.STUBBED_METHODS.items():
        assert vars(Logging)[name] is instead
