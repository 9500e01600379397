"""Every way in which a provider fails, over real sockets: what the caller sees, what is charged, what the breaker does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from app.settings import BreakerSettings, TimeoutSettings
from tests.fakes.provider import full
from tests.integration.api.conftest import Api
from tests.integration.api.door import PATIENT, QUICK, SECRET, Door, open_door

WORDS = "".join(full("hello"))


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


# fault, times asked at the first provider, how its holds end, whether the breaker counts them
BEFORE: list[tuple[str, dict[str, Any], int, str, bool]] = [
    ("500", {}, 2, "released", True),
    ("502", {}, 1, "released", True),
    ("503", {}, 1, "released", True),
    ("504", {}, 1, "released", True),
    ("529", {}, 1, "released", True),
    ("429", {}, 1, "released", True),
    ("429", {"retry_after": 30}, 1, "released", True),
    ("429", {"retry_after": 0.05}, 2, "released", True),
    ("401", {}, 1, "released", True),
    ("402", {}, 1, "released", True),
    ("403", {}, 1, "released", True),
    ("404", {}, 1, "released", True),
    ("insufficient_quota", {}, 1, "released", True),
    ("context_too_long", {}, 1, "released", False),
    ("reset", {}, 2, "unreconciled", True),
    ("close", {}, 2, "unreconciled", True),
    ("slow_headers", {}, 1, "unreconciled", True),
    ("silent", {}, 1, "unreconciled", True),
    ("html", {}, 1, "unreconciled", True),
    ("malformed", {}, 1, "unreconciled", True),
    ("short_body", {}, 1, "unreconciled", True),
    ("empty_choices", {}, 1, "settled", False),
    ("error_200", {}, 1, "released", True),
]


HANGS = {"slow_headers", "silent", "stall"}
"""Ended by a timeout only."""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("fault", "options", "times", "ends", "counts"), BEFORE, ids=[f"{each[0]}-{each[1]}" for each in BEFORE])
async def test_before_the_first_token_the_next_provider_answers(
    api: Api, fault: str, options: dict[str, Any], times: int, ends: str, counts: bool, stream: bool
) -> None:
    if stream and fault in {"short_body", "empty_choices"}:
        pytest.skip("a stream says its tokens before this fault")
    whole = {"streams": fault not in {"short_body", "empty_choices"}}  # of an answer that is one piece
    async with open_door(api, timeouts=QUICK if fault in HANGS else PATIENT, provider=whole) as door:
        door.fakes["one"].will(fault, times=None, **options)  # type: ignore[arg-type]
        if stream:
            reply, events = await door.events()
            assert reply.status == 200, reply.text
            assert "".join(each["choices"][0]["delta"].get("content") or "" for each in events[:-1]) == WORDS
            assert events[-1] == "[DONE]"
        else:
            reply = await door.chat()
            assert reply.status == 200, reply.text
            assert reply.json["choices"][0]["message"]["content"] == WORDS
        assert reply.headers["x-cairn-provider"] == "two"
        assert reply.headers["x-cairn-attempts"] == str(times + 1)
        assert await door.asked() == {"one": times, "two": 1}
        held = await door.holds()
        assert [(name, state) for name, state, _ in held] == [("one", ends)] * times + [("two", "settled")]
        budget = await door.money()
        assert budget["held_usd"] == 0
        assert (budget["unreconciled_usd"] > 0) == (ends == "unreconciled")
        breaker = door.breaker("one")
        assert breaker._machine.fail_counter == (times if counts else 0)
        assert SECRET not in reply.text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("fault", "code"), [("content_policy", "content_policy"), ("bad_request", None)])
async def test_what_the_caller_caused_is_not_routed_around(door: Door, fault: str, code: str | None, stream: bool) -> None:
    door.fakes["one"].will(fault)  # type: ignore[arg-type]
    reply = await door.chat(stream=stream)
    assert reply.status == 400
    assert reply.json["error"]["type"] == "invalid_request_error"
    if code:
        assert code in reply.json["error"]["code"]
    assert await door.asked() == {"one": 1, "two": 0}
    assert await door.holds() == [("one", "released", None)]
    assert door.breaker("one")._machine.fail_counter == 0


async def test_a_content_filters_finish_is_an_answer(door: Door) -> None:
    door.fakes["one"].will("content_filter", after_tokens=2)
    reply = await door.chat()
    assert (reply.status, reply.json["choices"][0]["finish_reason"]) == (200, "content_filter")
    door.fakes["one"].will("content_filter", after_tokens=0)
    reply, events = await door.events()
    assert [each["choices"][0]["finish_reason"] for each in events[:-1] if each["choices"][0]["finish_reason"]] == ["content_filter"]
    assert (await door.asked())["two"] == 0


async def test_a_prompt_too_long_goes_on_only_to_a_larger_window(api: Api) -> None:
    async with open_door(api, "one", "two", "three", provider={"context_tokens": 1000}) as door:
        door.fakes["one"].will("context_too_long")
        reply = await door.chat()
        assert (reply.status, reply.json["error"]["code"]) == (400, "context_length_exceeded")
        assert await door.asked() == {"one": 1, "two": 0, "three": 0}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_answer_without_usage_is_counted_by_us(door: Door, stream: bool) -> None:
    door.fakes["one"].will("no_usage")
    reply = await door.chat(stream=stream)
    assert reply.status == 200
    assert await door.holds() == [("one", "settled", "counted")]
    assert (await door.money())["spent_usd"] > 0


async def test_an_echoed_model_is_named(door: Door) -> None:
    door.fakes["one"].will("wrong_model")
    reply = await door.chat()
    assert reply.status == 200
    assert reply.headers["x-cairn-model"] == reply.json["model"] != "one-model"


async def test_a_connection_that_was_closed_unannounced_costs_no_request(door: Door) -> None:
    door.fakes["one"].will("close_idle", times=None)
    for _ in range(4):
        assert (await door.chat()).status == 200
        await asyncio.sleep(0.06)
    assert (await door.asked())["two"] == 0


async def test_unreachable_providers_take_no_money_and_little_time(api: Api) -> None:
    async with open_door(api, "one", "two") as door:
        candidates = door.catalog._ready
        candidates["one"].wire._base = "http://127.0.0.1:9/v1"  # type: ignore[attr-defined]
        assert (await door.chat()).headers["x-cairn-provider"] == "two"
        candidates["one"].wire._base = "http://no-such-host.invalid/v1"  # type: ignore[attr-defined]
        assert (await door.chat()).headers["x-cairn-provider"] == "two"
        assert [(name, state) for name, state, _ in await door.holds()] == [("one", "released"), ("two", "settled")] * 2


async def test_when_all_fail_each_attempt_is_named_and_nothing_is_charged(door: Door) -> None:
    door.fakes["one"].will("500", times=None)
    door.fakes["two"].will("401", times=None)
    reply = await door.chat()
    error = reply.json["error"]
    assert (reply.status, error["code"]) == (502, "all_providers_failed")
    assert error["message"].count("one (one-model): it answered 500") == 2
    assert "two (two-model): it rejected Cairn's API key (401)" in error["message"]
    assert SECRET not in reply.text
    budget = await door.money()
    assert (budget["spent_usd"], budget["held_usd"]) == (0, 0)


async def test_when_all_limit_the_rate_the_soonest_is_told(door: Door) -> None:
    door.fakes["one"].will("429", times=None, retry_after=40)
    door.fakes["two"].will("429", times=None, retry_after=datetime.now(UTC) + timedelta(seconds=20))
    reply = await door.chat()
    assert (reply.status, reply.json["error"]["code"]) == (429, "rate_limited")
    assert 15 <= int(reply.headers["retry-after"]) <= 20
    again = await door.chat()
    assert again.status == 429
    assert await door.asked() == {"one": 1, "two": 1}  # nobody is sent there before its time


@pytest.mark.parametrize("fault", ["empty_answer", "split_character", "half_character", "blank_finish", "unstreamed"])
@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("cached", [False, True], ids=["at once", "through the cache"])
async def test_odd_answers_are_passed_on_and_paid(api: Api, fault: str, kind: str, cached: bool) -> None:
    words = full("hello")
    said = {"empty_answer": "", "split_character": WORDS.replace(words[2], f" 🦜{words[2]}"), "half_character": None}.get(fault, WORDS)
    said = WORDS.replace(words[2], f" \ufffd{words[2]}") if said is None else said
    async with open_door(api, kinds={"one": kind}, cached=cached) as door:
        door.fakes["one"].will(fault, times=2, after_tokens=2)  # type: ignore[arg-type]
        reply = await door.chat()
        assert reply.status == 200, reply.text
        assert (reply.json["choices"][0]["message"]["content"] or "") == said
        reply, events = await door.events(stream_options={"include_usage": True}, cache=False)
        assert (reply.status, events.pop()) == (200, "[DONE]")
        assert events[-1]["usage"]["total_tokens"] > 0
        assert [each["choices"][0]["finish_reason"] for each in events[:-1]][-1] == "stop"
        assert "".join(each["choices"][0]["delta"].get("content") or "" for each in events[:-1]) == said
        assert await door.asked() == {"one": 2, "two": 0}
        assert await door.holds() == [("one", "settled", "usage")] * 2


@pytest.mark.parametrize(("fault", "status"), [("429", 429), ("503", 502)])
@pytest.mark.parametrize("wait", ["1764320000", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["a date in seconds", "huge", "far away"])
async def test_a_wait_that_no_provider_can_mean_is_told_capped(door: Door, wait: str, fault: str, status: int) -> None:
    for fake in door.fakes.values():
        fake.will(fault, times=None, retry_after=wait)  # type: ignore[arg-type]
    for _ in range(2):  # in the provider's words, then in the breaker's
        reply = await door.chat()
        assert reply.status == status
        assert 3590 <= int(reply.headers["retry-after"]) <= 3600


async def test_the_requests_time_ends_it_whatever_hangs(api: Api) -> None:
    async with open_door(api, timeouts=TimeoutSettings(connect=1, first_token=5, idle=5, answer=5, total=2)) as door:
        door.fakes["one"].will("slow_headers", times=None)
        reply = await door.chat()
        assert (reply.status, reply.json["error"]["code"]) == (504, "deadline_exceeded")
        assert [(name, state) for name, state, _ in await door.holds()] == [("one", "unreconciled")]


async def test_five_failures_open_the_breaker_and_one_probe_closes_it(api: Api) -> None:
    async with open_door(api, retries=0, breaker=BreakerSettings(reset_seconds=600)) as door:
        door.fakes["one"].will("503", times=5)
        for _ in range(8):
            assert (await door.chat()).headers["x-cairn-provider"] == "two"
        assert await door.asked() == {"one": 5, "two": 8}
        assert door.breaker("one").state == "open"
        door.breaker("one").wait(0)  # its time is over
        door.fakes["one"].first_token_ms = 100
        answers = await asyncio.gather(*(door.chat() for _ in range(20)))
        assert sorted(each.headers["x-cairn-provider"] for each in answers) == ["one"] + ["two"] * 19
        assert door.breaker("one").state == "closed"


async def test_in_an_outage_a_hundred_at_once_make_no_storm(api: Api) -> None:
    async with open_door(api) as door:
        door.fakes["one"].will("500", times=None)
        answers = await asyncio.gather(*(door.chat() for _ in range(100)))
        assert {each.status for each in answers} == {200}
        assert len(door.fakes["one"].asked) <= 200  # at most twice each
        before = len(door.fakes["one"].asked)
        assert {each.status for each in await asyncio.gather(*(door.chat() for _ in range(20)))} == {200}
        assert len(door.fakes["one"].asked) == before
        assert (await door.money())["held_usd"] == 0


MIDDLE = ["stall", "cut", "eof", "error_in_stream", "malformed"]


@pytest.mark.parametrize("fault", MIDDLE)
async def test_a_stream_that_breaks_is_continued_by_the_next_provider(api: Api, fault: str) -> None:
    async with open_door(api, provider={"prefill": True}, timeouts=QUICK if fault in HANGS else PATIENT) as door:
        door.fakes["one"].will(fault, after_tokens=3)  # type: ignore[arg-type]
        reply, events = await door.events("say 9 words", stream_options={"include_usage": True})
        text = "".join(each["choices"][0]["delta"].get("content") or "" for each in events[:-1] if each["choices"])
        assert text == "".join(full("say 9 words"))
        assert events[-1] == "[DONE]"
        assert len({each["id"] for each in events[:-1]}) == 1
        assert reply.headers["x-cairn-provider"] == "one"
        assert events[-2]["usage"]["provider"] == "two"
        held = await door.holds()
        assert [(name, state) for name, state, _ in held] == [("one", "settled"), ("two", "settled")]
        assert held[0][2] == "partial"
        budget = await door.money()
        assert budget["spent_usd"] == pytest.approx(events[-2]["usage"]["cost_usd"], abs=1e-12)
        assert budget["held_usd"] == 0


@pytest.mark.parametrize("prefill", [True, False], ids=["refused", "never asked"])
async def test_where_no_one_continues_a_restarted_answer_is_joined_if_it_is_the_same(api: Api, prefill: bool) -> None:
    async with open_door(api, provider={"prefill": prefill}, fakes={"prefill": "refuse"}) as door:
        door.fakes["one"].will("cut", after_tokens=3)
        _, events = await door.events("say 9 words")
        text = "".join(each["choices"][0]["delta"].get("content") or "" for each in events[:-1])
        assert text == "".join(full("say 9 words"))
        assert events[-1] == "[DONE]"


async def test_a_provider_that_begins_anew_though_asked_to_continue_is_not_spliced(api: Api) -> None:
    async with open_door(api, provider={"prefill": True}, fakes={"prefill": "restart"}) as door:
        door.fakes["one"].will("cut", after_tokens=5)
        _, events = await door.events("say 20 words")
        text = "".join(each["choices"][0]["delta"].get("content") or "" for each in events[:-1])
        assert text == "".join(full("say 20 words"))


@pytest.mark.parametrize("rescue", [True, False], ids=["no one is left", "switched off"])
async def test_a_stream_that_nobody_continues_ends_with_an_error_and_no_finish(api: Api, rescue: bool) -> None:
    async with open_door(api, *(["one"] if rescue else ["one", "two"]), rescue=rescue) as door:
        door.fakes["one"].will("cut", after_tokens=3)
        reply, events = await door.events("say 9 words")
        assert reply.status == 200
        assert events[-1]["error"]["code"] == "stream_broken"
        assert all(each["choices"][0]["finish_reason"] is None for each in events[:-1])
        assert (await door.holds())[0] == ("one", "settled", "partial")


async def test_another_answer_is_never_spliced_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door(api, provider={"prefill": False}) as door:
        door.fakes["one"].will("cut", after_tokens=3)
        stream = door.catalog._ready["two"].wire.stream

        def other(call: Any) -> Any:
            changed = [{"role": "user", "content": "quite another question"}]
            return stream(type(call)(call.model, changed, call.parameters))

        monkeypatch.setattr(door.catalog._ready["two"].wire, "stream", other)
        _, events = await door.events("say 9 words")
        assert events[-1]["error"]["code"] == "stream_broken"
        text = "".join(each["choices"][0]["delta"].get("content") or "" for each in events[:-1])
        assert "".join(full("say 9 words")).startswith(text)
        assert [state for _, state, _ in await door.holds()] == ["settled", "settled"]


async def test_comments_are_no_tokens(api: Api) -> None:
    async with open_door(api, timeouts=QUICK) as door:
        door.fakes["one"].will("comments_only")
        reply, events = await door.events()
        assert (reply.headers["x-cairn-provider"], events[-1]) == ("two", "[DONE]")


async def left(door: Door, *, stream: bool, after_bytes: int) -> None:
    """A caller that hangs up: before anything came, or after so many bytes."""
    body = {"model": "auto", "stream": stream, "messages": [{"role": "user", "content": "say 400 words"}]}
    async with aiohttp.ClientSession() as http:
        request = http.post(f"{door.api.url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {door.key}"})
        if after_bytes:
            reply = await request
            await reply.content.readexactly(after_bytes)
            reply.close()
        else:
            waiting = asyncio.create_task(request._coro if hasattr(request, "_coro") else request)  # type: ignore[arg-type]
            while not door.fakes["one"].asked:
                await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize(
    ("stream", "after_bytes", "state"), [(False, 0, "unreconciled"), (True, 0, "unreconciled"), (True, 2000, "settled")]
)
async def test_a_caller_that_leaves_stops_the_provider_and_pays_once(api: Api, stream: bool, after_bytes: int, state: str) -> None:
    pace = {"per_token_ms": 10} if after_bytes else {"first_token_ms": 30_000}
    async with open_door(api, fakes=pace, timeouts=TimeoutSettings(first_token=30, idle=30, answer=30)) as door:
        await left(door, stream=stream, after_bytes=after_bytes)
        async with asyncio.timeout(60):
            while not door.fakes["one"].asked[0].disconnected or not await door.holds() or (await door.holds())[0][1] == "held":
                await asyncio.sleep(0.02)
        ((_, ended, mark),) = await door.holds()
        assert (ended, mark) == (state, "partial" if state == "settled" else None)
        assert door.fakes["one"].asked[0].tokens_sent < 400
        assert await door.asked() == {"one": 1, "two": 0}
        assert door.breaker("one")._machine.fail_counter == 0


async def test_without_postgresql_nothing_is_sent(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.errors import DatabaseUnavailable

    async def away(*_: object) -> object:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(door.api.services.budget.ledger._holds, "value", away)
    reply = await door.chat()
    assert (reply.status, "retry-after" in reply.headers) == (503, True)
    assert await door.asked() == {"one": 0, "two": 0}


async def test_what_is_not_affordable_is_402_and_nothing_is_sent(api: Api) -> None:
    async with open_door(api, limit_usd=0.0001) as door:
        reply = await door.chat(max_tokens=1000)
        assert (reply.status, reply.json["error"]["code"], reply.headers["x-should-retry"]) == (402, "budget_exceeded", "false")
        assert "$0.000100 left" in reply.json["error"]["message"]
        assert await door.asked() == {"one": 0, "two": 0}
        assert (await door.chat(max_tokens=10)).status == 200


async def test_a_cheaper_provider_is_taken_where_a_dear_one_is_not_affordable(api: Api) -> None:
    async with open_door(api, limit_usd=0.001) as door:
        from dataclasses import replace

        from app.budget.prices import Price

        door.catalog._ready["one"] = replace(door.catalog._ready["one"], price=Price(10**12, 10**12))
        reply = await door.chat(max_tokens=10)
        assert (reply.status, reply.headers["x-cairn-provider"], reply.headers["x-cairn-attempts"]) == (200, "two", "1")
