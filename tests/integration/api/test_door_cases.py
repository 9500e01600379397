"""Odd providers, one after another: what the caller is told and what is charged, at each of the three routes.

A broken answer, and one that never comes: `test_door_faults.py`, `test_door_silent.py`. Prices by prompt size and images in the counted
and the uncounted prompt: `test_door_input.py`. A database URL's parameters: `tests/integration/storage/test_url_parameters.py`.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from aiohttp import ClientSession

from app.settings import TimeoutSettings
from tests.fakes.provider import full
from tests.fakes.scripted import ScriptedProvider, Streamed
from tests.integration.api.client_routes import CHAT, MESSAGES, RESPONSES, ROUTES, ClientRoute, Told
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door
from tests.integration.api.test_door_conversations import chunk, scripted
from tests.integration.api.test_door_input import held
from tests.waiting import patience

WORDS = "".join(full("hello"))
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TRANSLATED = TimeoutSettings(connect=10, first_token=60, idle=60, answer=60, total=120)
"""For providers spoken to through litellm, whose first import takes seconds."""
FIRST_TOKEN_ONLY = TimeoutSettings(connect=10, first_token=3, idle=3, answer=600, total=600)
"""A wait for any other of them would fail the test by its own time limit."""
EACH_ROUTE = pytest.mark.parametrize("route", ROUTES, ids=str)
STREAM_OR_NOT = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
LONG_BUT_CHAT: list[Any] = [pytest.param(route, id=route.name, marks=() if route is CHAT else pytest.mark.long) for route in ROUTES]


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


def answer(text: str, usage: Mapping[str, Any] | None = None, *, in_choice: bool = False) -> dict[str, Any]:
    """A whole answer in OpenAI's format. `in_choice`: its usage stands there."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    told = {} if usage is None else {"usage": usage}
    return {"id": "c", "object": "chat.completion", "created": 5, "model": "m"} | (
        {"choices": [choice | told]} if in_choice else {"choices": [choice], **told}
    )


def usage_of(given: int, made: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made, **more}


async def told_by(api: Api, route: ClientRoute, script: Any, *, prompt: str = "hello", provider: Any = None, **fields: Any) -> Told:
    """What is told of a scripted provider's only answer, which must have been charged as it was told."""
    async with ScriptedProvider(script) as fake, open_door(api, hostile=scripted(one=fake), provider=provider) as door:
        told = await route.ask(door, prompt, **fields)
        assert [(name, state) for name, state, _ in await door.holds()] == [("one", "settled")]
        budget = await door.money()
        assert budget["held_usd"] == 0
        if told.usages:
            assert budget["spent_usd"] == pytest.approx(told.cost, abs=1e-12)
        return told


@EACH_ROUTE
async def test_a_blank_finish_in_every_chunk_ends_nothing_whatever_the_pause(
    api: Api, route: ClientRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.inference.upstream.AFTER_FINISH_SECONDS", 0.05)
    async with open_door(api, "one", fakes={"per_token_ms": 150}) as door:
        door.fakes["one"].will("blank_finish")
        told = await route.ask(door, stream=True)
        assert (told.text, told.finish) == (WORDS, "end")


EVERY_CHUNK = Streamed([
    chunk({"role": "assistant", "content": "Riv"}, usage=usage_of(9, 1)), chunk({"content": "er"}, usage=usage_of(9, 2)),
    chunk({}, "stop", usage=usage_of(9, 2)), "[DONE]",
])  # fmt: skip
FINISHING_CHUNK = Streamed([
    chunk({"role": "assistant", "content": "Riv"}), chunk({"content": "er"}), chunk({}, "stop", usage=usage_of(9, 2)), "[DONE]",
])  # fmt: skip
CHOICE = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage_of(9, 2)}
IN_CHOICE = Streamed([chunk({"role": "assistant", "content": "River"}), {**chunk(), "choices": [CHOICE]}, "[DONE]"])


@pytest.mark.parametrize("script", [EVERY_CHUNK, FINISHING_CHUNK, IN_CHOICE], ids=["every chunk", "finishing chunk", "in its choice"])
@EACH_ROUTE
async def test_a_streams_usage_is_told_once_wherever_it_stands(api: Api, route: ClientRoute, script: Streamed) -> None:
    told = await told_by(api, route, script, stream=True)
    assert (told.text, told.finish) == ("River", "end")
    assert [(usage.input, usage.output) for usage in told.usages] == [(9, 2)]


@pytest.mark.parametrize("script", [EVERY_CHUNK, FINISHING_CHUNK, IN_CHOICE], ids=["every chunk", "finishing chunk", "in its choice"])
async def test_a_chat_that_asked_for_no_usage_is_told_none(api: Api, script: Streamed) -> None:
    told = await told_by(api, CHAT, script, stream=True, stream_options=None)
    assert (told.text, told.finish, list(told.usages)) == ("River", "end", [])
    assert "usage" not in told.reply.text


@EACH_ROUTE
async def test_a_whole_answers_usage_may_stand_in_its_choice(api: Api, route: ClientRoute) -> None:
    told = await told_by(api, route, answer("River", usage_of(9, 2), in_choice=True), provider={"streams": False})
    assert [(usage.input, usage.output) for usage in told.usages] == [(9, 2)]


DIALECTS: dict[str, Mapping[str, Any]] = {
    "DeepSeek's": usage_of(1000, 10, prompt_cache_hit_tokens=900, prompt_cache_miss_tokens=100),
    "DeepSeek's parts only": {"completion_tokens": 10, "prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 100},
    "OpenAI's": usage_of(1000, 10, prompt_tokens_details={"cached_tokens": 900}),
    "Moonshot's": usage_of(1000, 10, cached_tokens=900),
    "Anthropic's": {"input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": 900},
}


@pytest.mark.parametrize("usage", DIALECTS.values(), ids=DIALECTS)
@STREAM_OR_NOT
@EACH_ROUTE
async def test_what_a_provider_read_from_its_cache_is_charged_at_the_cached_price(
    api: Api, route: ClientRoute, stream: bool, usage: Mapping[str, Any]
) -> None:
    streamed = Streamed([chunk({"role": "assistant", "content": "River"}), chunk({}, "stop"), chunk(usage=usage), "[DONE]"])
    script = streamed if stream else answer("River", usage)
    provider = {"cached_input_usd_per_mtok": 0.1, "streams": False}
    told = await told_by(api, route, script, prompt="word " * 1000, provider=provider, stream=stream)
    (shown,) = told.usages
    assert (shown.input, shown.cached, shown.output) == (1000, 900, 10)
    assert told.cost == pytest.approx((100 * 1.0 + 900 * 0.1 + 10 * 2.0) / 1e6)


ODD = ["empty_answer", "split_character", "half_character", "blank_finish", "unstreamed"]


def said_of(fault: str) -> str:
    word = full("hello")[2]
    return {
        "empty_answer": "",
        "split_character": WORDS.replace(word, f" 🦜{word}"),
        "half_character": WORDS.replace(word, f" \ufffd{word}"),
    }.get(fault, WORDS)


@pytest.mark.parametrize("fault", ODD)
@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("cached", [False, True], ids=["at once", "through the cache"])
@pytest.mark.parametrize("route", LONG_BUT_CHAT)
async def test_odd_answers_are_passed_on_and_paid(api: Api, fault: Any, kind: str, cached: bool, route: ClientRoute) -> None:
    async with open_door(api, kinds={"one": kind}, cached=cached, timeouts=TRANSLATED) as door:
        door.fakes["one"].will(fault, times=2, after_tokens=2)
        told = await route.ask(door)
        assert (told.status, told.text, told.finish) == (200, said_of(fault), "end"), told.reply.text
        told = await route.ask(door, stream=True, headers={"cache-control": "no-store"})
        assert (told.status, told.text, told.finish) == (200, said_of(fault), "end"), told.reply.text
        (usage,) = told.usages
        assert usage.input + usage.output > 0
        assert await door.asked() == {"one": 2, "two": 0}
        assert await door.holds() == [("one", "settled", "usage")] * 2


@pytest.mark.parametrize("fault", ["half_character", "unstreamed", "empty_answer"])
@pytest.mark.parametrize("route", [MESSAGES, RESPONSES], ids=str)
async def test_odd_answers_are_passed_on_in_other_dialects(door: Door, fault: Any, route: ClientRoute) -> None:
    for stream in (False, True):
        door.fakes["one"].will(fault, after_tokens=2)
        told = await route.ask(door, stream=stream)
        assert (told.status, told.text, told.finish, told.provider) == (200, said_of(fault), "end", "one")


HALF = "\ud83e"


@STREAM_OR_NOT
@EACH_ROUTE
async def test_half_a_character_from_a_caller_is_no_fault_of_the_servers(door: Door, route: ClientRoute, stream: bool) -> None:
    """An agent sends again what its tool cut, so where agents ask it is taken; a completion's prompt stays as it was written."""
    told = await route.ask(door, f"hello {HALF}", stream=stream)
    if route is CHAT:
        assert (told.status, await door.holds()) == (400, [])
        assert told.error is not None
        assert "cut in the middle of a character" in told.error.message
        return
    assert (told.status, told.finish) == (200, "end")
    assert door.fakes["one"].asked[0].body["messages"][0]["content"] == "hello \ufffd"


@pytest.mark.parametrize("reasoning", [True, False], ids=["thinks unseen", "does not think"])
@EACH_ROUTE
async def test_who_leaves_after_the_first_word_owes_what_may_have_been_thought(api: Api, route: ClientRoute, reasoning: bool) -> None:
    async with open_door(api, "one", fakes={"per_token_ms": 20}, provider={"reasoning": reasoning}) as door:
        body = route.body("say 400 words", stream=True, max_tokens=1000, tools=())
        async with ClientSession() as http:
            reply = await http.post(door.api.url + route.path, json=body, headers={"authorization": f"Bearer {door.key}"})
            async for line in reply.content:
                if b"echo" in line:
                    break
            reply.close()
        async with patience():
            while not door.fakes["one"].asked[0].disconnected or (await door.holds())[0][1] == "held":
                await asyncio.sleep(0.02)
        ((_, state, mark),) = await door.holds()
        ((covered, _),) = await held(door)
        budget = await door.money()
        assert budget["held_usd"] == 0
        if reasoning:
            assert (state, mark) == ("unreconciled", None)
            assert budget["unreconciled_usd"] == pytest.approx(covered / 1e9)
        else:
            assert (state, mark) == ("settled", "partial")
            assert budget["spent_usd"] < covered / 1e9 / 2


@EACH_ROUTE
async def test_the_hold_covers_a_picture_at_what_the_model_counts(api: Api, route: ClientRoute) -> None:
    async with open_door(api, "one", provider={"image_tokens": 5667}) as door:
        words = {"type": "text", "text": "What is this?"}
        for parts in ([words], [words, route.picture(PNG), route.picture(PNG)]):
            assert (await route.ask(door, parts, max_tokens=10)).status == 200
        (_, plain), (_, pictured) = await held(door)
        assert 2 * 5667 <= pictured - plain <= 2 * 5667 + 500


@STREAM_OR_NOT
@EACH_ROUTE
async def test_a_prompt_above_the_threshold_is_held_and_charged_at_its_tiers_price(api: Api, route: ClientRoute, stream: bool) -> None:
    tier = {"above_tokens": 1000, "input_usd_per_mtok": 10.0, "output_usd_per_mtok": 50.0}
    async with open_door(api, "one", provider={"price_tiers": [tier]}) as door:
        for words, (given, made) in ((900, (1, 2)), (1100, (10, 50))):
            told = await route.ask(door, "word " * words, max_tokens=10, stream=stream)
            assert told.cost == pytest.approx((words * given + 10 * made) / 1e6)
        (cheap, tokens), (dear, more) = await held(door)
        assert cheap < tokens * 2000
        assert dear == (more - 10) * 10_000 + 10 * 50_000


@pytest.mark.parametrize(("fault", "status"), [("429", 429), ("503", 502)])
@pytest.mark.parametrize("wait", ["1764320000", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["a date in seconds", "huge", "far away"])
@EACH_ROUTE
async def test_a_wait_that_no_provider_can_mean_is_told_capped(door: Door, wait: str, fault: Any, status: int, route: ClientRoute) -> None:
    for fake in door.fakes.values():
        fake.will(fault, times=None, retry_after=wait)
    for _ in range(2):  # in the provider's words, then in the breaker's
        told = await route.ask(door)
        assert told.status == status
        assert 3590 <= int(told.reply.headers["retry-after"]) <= 3600


@pytest.mark.long
@STREAM_OR_NOT
@pytest.mark.parametrize("route", [MESSAGES, RESPONSES], ids=str)
async def test_a_hundred_at_once_are_answered_though_the_first_provider_is_silent(api: Api, route: ClientRoute, stream: bool) -> None:
    """At `/v1/chat/completions`: `test_door_silent.py`."""
    async with open_door(api, timeouts=FIRST_TOKEN_ONLY, provider={"connections": 50}) as door:
        door.fakes["one"].will("slow_headers", times=None)
        found = await asyncio.gather(*(route.ask(door, f"hello {n}", stream=stream) for n in range(100)))
        assert {(told.status, told.provider, told.finish) for told in found} == {(200, "two", "end")}
        ends = await door.holds()
        assert {state for name, state, _ in ends if name == "one"} == {"unreconciled"}
        assert [state for name, state, _ in ends if name == "two"] == ["settled"] * 100


@EACH_ROUTE
async def test_a_plain_request_without_an_answer_goes_to_the_next_after_the_time_of_a_first_token(api: Api, route: ClientRoute) -> None:
    async with open_door(api, timeouts=FIRST_TOKEN_ONLY) as door:
        door.fakes["one"].will("slow_headers", times=None)
        told = await route.ask(door)
        assert (told.status, told.text, told.provider) == (200, WORDS, "two")


@EACH_ROUTE
async def test_a_whole_answer_without_usage_tells_our_count(api: Api, route: ClientRoute) -> None:
    told = await told_by(api, route, answer("one two three"), provider={"streams": False})
    (usage,) = told.usages
    assert usage.input > 0
    assert 2 <= usage.output <= 5


@EACH_ROUTE
async def test_an_empty_answer_that_stopped_is_an_answer(api: Api, route: ClientRoute) -> None:
    told = await told_by(api, route, answer("", usage_of(9, 0)), provider={"streams": False})
    assert (told.text, told.finish) == ("", "end")
    empty = Streamed([chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), chunk(usage=usage_of(9, 0)), "[DONE]"])
    told = await told_by(api, route, empty, stream=True)
    assert (told.text, told.finish) == ("", "end")


async def test_one_model_is_shown_in_both_vendors_shapes(door: Door) -> None:
    shown = await door.api.ask("GET", "/v1/models/auto", key=door.key)
    assert (shown.status, shown.json["id"], shown.json["object"]) == (200, "auto", "model")
    shown = await door.api.ask("GET", "/v1/models/auto", key=door.key, headers={"anthropic-version": "2023-06-01"})
    assert (shown.status, shown.json["id"], shown.json["type"]) == (200, "auto", "model")
    missing = await door.api.ask("GET", "/v1/models/gpt-9", key=door.key)
    assert (missing.status, "auto" in missing.error["message"]) == (404, True)


PARTS: Sequence[tuple[ClientRoute, Any, str, str]] = [
    (CHAT, {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}, "messages.0.content.1", "a video"),
    (CHAT, {"type": "text"}, "messages.0.content.1.text", "missing"),
    (CHAT, 5, "messages.0.content.1", "object"),
    (MESSAGES, {"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "AAAA"}}, "messages[0].content[1].source.media_type", "image/png"),
    (MESSAGES, {"type": "text"}, "messages[0].content[1].text", "string"),
    (MESSAGES, 5, "messages[0].content[1]", "object"),
    (RESPONSES, {"type": "input_image", "image_url": "ftp://example.com/a.png"}, "input[0].content[1].image_url", "https://"),
    (RESPONSES, {"type": "input_text"}, "input[0].content[1].text", "string"),
    (RESPONSES, 5, "input[0].content[1]", "object"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "part", "param", "word"), PARTS, ids=[f"{each[0]}-{each[2]}-{each[3]}" for each in PARTS])
async def test_a_part_that_is_refused_is_named_with_the_reason(door: Door, route: ClientRoute, part: Any, param: str, word: str) -> None:
    given = route.body([{"type": "text", "text": "What is this?"}], stream=False, max_tokens=None, tools=())
    given["input" if route is RESPONSES else "messages"][0]["content"].append(part)
    data = io.BytesIO(json.dumps(given).encode())
    told = route.read(await door.api.ask("POST", route.path, key=door.key, data=data, headers={"content-type": "application/json"}))
    assert told.status == 422, told.reply.text
    assert told.error is not None
    assert (told.error.type, told.error.param) == ("invalid_request_error", param)
    assert param in told.error.message
    assert word in told.error.message
    assert "should be a valid" not in told.error.message
    assert await door.asked() == {"one": 0, "two": 0}
