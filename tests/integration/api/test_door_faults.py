"""Every way in which a provider fails, over real sockets: what the caller sees, what is charged, what the breaker does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import aiohttp
import pytest

from app.budget.prices import Price
from app.errors import DatabaseUnavailable
from app.settings import BreakerSettings, TimeoutSettings
from tests.fakes.provider import full
from tests.integration.api.client_routes import CHAT, ROUTES, ClientRoute, Told
from tests.integration.api.conftest import Api
from tests.integration.api.door import PATIENT, QUICK, SECRET, Door, open_door
from tests.waiting import patience

WORDS = "".join(full("hello"))
EACH_ROUTE: list[Any] = [pytest.param(route, id=route.name, marks=() if route is CHAT else pytest.mark.long) for route in ROUTES]
"""For what the routes share: `make test` sees it at one of them."""


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
SHORT = {"500", "401", "malformed"}
"""What `make test` tries at each route."""


def of_each_route(faults: list[Any]) -> list[Any]:
    """Return the faults at each route and of each kind of request. All but a few take long."""
    found = []
    for fault, route, stream in product(faults, ROUTES, (False, True)):
        given = fault if isinstance(fault, tuple) else (fault,)
        short = route is CHAT or given[0] in SHORT
        name = "-".join([*map(str, given[:2]), route.name, "streamed" if stream else "whole"])
        found.append(pytest.param(*given, route, stream, id=name, marks=() if short else pytest.mark.long))
    return found


def failed(told: Told, status: int, code: str | None = None) -> bool:
    """Tell whether the caller was told this status, and this code."""
    return told.status == status and told.error is not None and code in (None, told.error.code)


@pytest.mark.parametrize(("fault", "options", "times", "ends", "counts", "route", "stream"), of_each_route(BEFORE))
async def test_before_the_first_token_the_next_provider_answers(
    api: Api, *, fault: Any, options: dict[str, Any], times: int, ends: str, counts: bool, route: ClientRoute, stream: bool
) -> None:
    if stream and fault in {"short_body", "empty_choices"}:
        pytest.skip("a stream says its tokens before this fault")
    whole = {"streams": fault not in {"short_body", "empty_choices"}}  # of an answer that is one piece
    async with open_door(api, timeouts=QUICK if fault in HANGS else PATIENT, provider=whole) as door:
        door.fakes["one"].will(fault, times=None, **options)
        told = await route.ask(door, stream=stream)
        assert (told.status, told.text, told.finish, told.error) == (200, WORDS, "end", None), told.reply.text
        assert (told.provider, told.reply.headers["x-cairn-attempts"]) == ("two", str(times + 1))
        assert await door.asked() == {"one": times, "two": 1}
        held = await door.holds()
        assert [(name, state) for name, state, _ in held] == [("one", ends)] * times + [("two", "settled")]
        budget = await door.money()
        assert budget["held_usd"] == 0
        assert (budget["unreconciled_usd"] > 0) == (ends == "unreconciled")
        breaker = door.breaker("one")
        assert breaker._machine.fail_counter == (times if counts else 0)
        assert SECRET not in told.reply.text


@pytest.mark.parametrize(
    ("fault", "code", "route", "stream"), of_each_route([("content_policy", "content_policy_violation"), ("bad_request", None)])
)
async def test_what_the_caller_caused_is_not_routed_around(
    door: Door, fault: Any, code: str | None, route: ClientRoute, stream: bool
) -> None:
    door.fakes["one"].will(fault)
    told = await route.ask(door, stream=stream)
    assert failed(told, 400, code), told.reply.text
    assert told.error is not None
    assert told.error.type == "invalid_request_error"
    assert await door.asked() == {"one": 1, "two": 0}
    assert await door.holds() == [("one", "released", None)]
    assert door.breaker("one")._machine.fail_counter == 0


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_a_content_filters_finish_is_an_answer(door: Door, route: ClientRoute) -> None:
    door.fakes["one"].will("content_filter", after_tokens=2)
    told = await route.ask(door)
    assert (told.finish, told.text) == ("filtered", "".join(full("hello")[:2]))
    door.fakes["one"].will("content_filter", after_tokens=0)
    told = await route.ask(door, stream=True)
    assert (told.finish, told.text) == ("filtered", "")
    assert (await door.asked())["two"] == 0


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_a_prompt_too_long_goes_on_only_to_a_larger_window(api: Api, route: ClientRoute) -> None:
    async with open_door(api, "one", "two", "three", provider={"context_tokens": 1000}) as door:
        door.fakes["one"].will("context_too_long")
        assert failed(await route.ask(door), 400, "context_length_exceeded")
        assert await door.asked() == {"one": 1, "two": 0, "three": 0}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_an_answer_without_usage_is_counted_by_us(door: Door, route: ClientRoute, stream: bool) -> None:
    door.fakes["one"].will("no_usage")
    told = await route.ask(door, stream=stream)
    assert (told.status, told.text) == (200, WORDS)
    assert await door.holds() == [("one", "settled", "counted")]
    (usage,) = told.usages
    assert usage.input > 0
    assert usage.output > 0
    assert (await door.money())["spent_usd"] == pytest.approx(told.cost, abs=1e-12)


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_an_echoed_model_is_named(door: Door, route: ClientRoute) -> None:
    door.fakes["one"].will("wrong_model")
    reply = (await route.ask(door)).reply
    assert reply.status == 200
    assert reply.headers["x-cairn-model"] == reply.json["model"] != "one-model"


@pytest.mark.parametrize("route", EACH_ROUTE)
async def test_a_connection_that_was_closed_unannounced_costs_no_request(door: Door, route: ClientRoute) -> None:
    door.fakes["one"].will("close_idle", times=None)
    for _ in range(4):
        assert (await route.ask(door)).status == 200
        await asyncio.sleep(0.06)
    assert (await door.asked())["two"] == 0


@pytest.mark.parametrize("route", EACH_ROUTE)
async def test_unreachable_providers_take_no_money_and_little_time(api: Api, route: ClientRoute) -> None:
    async with open_door(api, "one", "two") as door:
        candidates = door.catalog._ready
        candidates["one"].wire._base = "http://127.0.0.1:9/v1"  # type: ignore[attr-defined]
        assert (await route.ask(door)).provider == "two"
        candidates["one"].wire._base = "http://no-such-host.invalid/v1"  # type: ignore[attr-defined]
        assert (await route.ask(door)).provider == "two"
        assert [(name, state) for name, state, _ in await door.holds()] == [("one", "released"), ("two", "settled")] * 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_when_all_fail_each_attempt_is_named_and_nothing_is_charged(door: Door, route: ClientRoute, stream: bool) -> None:
    door.fakes["one"].will("500", times=None)
    door.fakes["two"].will("401", times=None)
    told = await route.ask(door, stream=stream)
    assert failed(told, 502, "all_providers_failed")
    assert told.error is not None
    assert told.error.type == "api_error"
    assert told.error.message.count("one (one-model): it answered 500") == 2
    assert "two (two-model): it rejected Cairn's API key (401)" in told.error.message
    assert SECRET not in told.reply.text
    budget = await door.money()
    assert (budget["spent_usd"], budget["held_usd"]) == (0, 0)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_when_all_limit_the_rate_the_soonest_is_told(door: Door, route: ClientRoute, stream: bool) -> None:
    door.fakes["one"].will("429", times=None, retry_after=40)
    door.fakes["two"].will("429", times=None, retry_after=datetime.now(UTC) + timedelta(seconds=20))
    told = await route.ask(door, stream=stream)
    assert failed(told, 429, "rate_limited")
    assert told.error is not None
    assert told.error.type == "rate_limit_error"
    assert 15 <= int(told.reply.headers["retry-after"]) <= 20
    assert (await route.ask(door, stream=stream)).status == 429
    assert await door.asked() == {"one": 1, "two": 1}  # nobody is sent there before its time


@pytest.mark.parametrize("route", EACH_ROUTE)
async def test_the_requests_time_ends_it_whatever_hangs(api: Api, route: ClientRoute) -> None:
    async with open_door(api, timeouts=TimeoutSettings(connect=1, first_token=5, idle=5, answer=5, total=2)) as door:
        door.fakes["one"].will("slow_headers", times=None)
        assert failed(await route.ask(door), 504, "deadline_exceeded")
        assert [(name, state) for name, state, _ in await door.holds()] == [("one", "unreconciled")]


async def test_five_failures_open_the_breaker_and_one_probe_closes_it(api: Api) -> None:
    async with open_door(api, retries=0, breaker=BreakerSettings(reset_seconds=600)) as door:
        door.fakes["one"].will("503", times=5)
        for _ in range(8):
            assert (await door.chat()).headers["x-cairn-provider"] == "two"
        assert await door.asked() == {"one": 5, "two": 8}
        assert door.breaker("one").state == "open"
        door.breaker("one").wait(0)  # its time is over
        door.fakes["one"].first_token_ms = 1000  # all twenty come meanwhile
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
@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_a_stream_that_breaks_is_continued_by_the_next_provider(api: Api, fault: Any, route: ClientRoute) -> None:
    async with open_door(api, provider={"prefill": True}, timeouts=QUICK if fault in HANGS else PATIENT) as door:
        door.fakes["one"].will(fault, after_tokens=3)
        told = await route.ask(door, "say 9 words", stream=True)
        assert (told.text, told.finish, told.error) == ("".join(full("say 9 words")), "end", None)
        assert told.provider == "one"
        assert '"provider":"two"' in told.reply.text
        held = await door.holds()
        assert [(name, state) for name, state, _ in held] == [("one", "settled"), ("two", "settled")]
        assert held[0][2] == "partial"
        budget = await door.money()
        assert budget["spent_usd"] == pytest.approx(told.cost, abs=1e-12)
        assert budget["held_usd"] == 0


@pytest.mark.parametrize("prefill", [True, False], ids=["refused", "never asked"])
@pytest.mark.parametrize("route", EACH_ROUTE)
async def test_where_no_one_continues_a_restarted_answer_is_joined_if_it_is_the_same(api: Api, prefill: bool, route: ClientRoute) -> None:
    async with open_door(api, provider={"prefill": prefill}, fakes={"prefill": "refuse"}) as door:
        door.fakes["one"].will("cut", after_tokens=3)
        told = await route.ask(door, "say 9 words", stream=True)
        assert (told.text, told.finish) == ("".join(full("say 9 words")), "end")


@pytest.mark.parametrize("route", EACH_ROUTE)
async def test_a_provider_that_begins_anew_though_asked_to_continue_is_not_spliced(api: Api, route: ClientRoute) -> None:
    async with open_door(api, provider={"prefill": True}, fakes={"prefill": "restart"}) as door:
        door.fakes["one"].will("cut", after_tokens=5)
        told = await route.ask(door, "say 20 words", stream=True)
        assert (told.text, told.finish) == ("".join(full("say 20 words")), "end")


@pytest.mark.parametrize("rescue", [True, False], ids=["no one is left", "switched off"])
@pytest.mark.parametrize("fault", MIDDLE)
@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_a_stream_that_nobody_continues_ends_with_an_error_and_no_finish(
    api: Api, rescue: bool, fault: Any, route: ClientRoute
) -> None:
    timeouts = QUICK if fault in HANGS else PATIENT
    async with open_door(api, *(["one"] if rescue else ["one", "two"]), rescue=rescue, timeouts=timeouts) as door:
        door.fakes["one"].will(fault, after_tokens=3)
        told = await route.ask(door, "say 9 words", stream=True)
        assert (told.status, told.finish, told.text) == (200, None, "".join(full("say 9 words")[:3]))
        assert told.error is not None
        assert told.error.code == "stream_broken"
        assert await door.holds() == [("one", "settled", "partial")]
        assert (await door.money())["held_usd"] == 0


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_another_answer_is_never_spliced_on(api: Api, monkeypatch: pytest.MonkeyPatch, route: ClientRoute) -> None:
    async with open_door(api, provider={"prefill": False}) as door:
        door.fakes["one"].will("cut", after_tokens=3)
        door.fakes["two"].say("quite another answer to the same question")
        told = await route.ask(door, "say 9 words", stream=True)
        assert told.finish is None
        assert told.error is not None
        assert told.error.code == "stream_broken"
        assert "".join(full("say 9 words")).startswith(told.text)
        assert [state for _, state, _ in await door.holds()] == ["settled", "settled"]


@pytest.mark.parametrize("route", EACH_ROUTE)
async def test_comments_are_no_tokens(api: Api, route: ClientRoute) -> None:
    async with open_door(api, timeouts=QUICK) as door:
        door.fakes["one"].will("comments_only")
        told = await route.ask(door, stream=True)
        assert (told.provider, told.text, told.finish) == ("two", WORDS, "end")


async def left(door: Door, route: ClientRoute, *, stream: bool, after_bytes: int) -> None:
    """A caller that hangs up: before anything came, or after so many bytes."""
    body = route.body("say 400 words", stream=stream, max_tokens=None, tools=())
    async with aiohttp.ClientSession() as http:
        request = http.post(door.api.url + route.path, json=body, headers={"authorization": f"Bearer {door.key}"})
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
@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_a_caller_that_leaves_stops_the_provider_and_pays_once(
    api: Api, stream: bool, after_bytes: int, state: str, route: ClientRoute
) -> None:
    pace = {"per_token_ms": 10} if after_bytes else {"first_token_ms": 30_000}
    async with open_door(api, fakes=pace, timeouts=TimeoutSettings(first_token=30, idle=30, answer=30)) as door:
        await left(door, route, stream=stream, after_bytes=after_bytes)
        async with patience():
            while not door.fakes["one"].asked[0].disconnected or not await door.holds() or (await door.holds())[0][1] == "held":
                await asyncio.sleep(0.02)
        ((_, ended, mark),) = await door.holds()
        assert (ended, mark) == (state, "partial" if state == "settled" else None)
        assert door.fakes["one"].asked[0].tokens_sent < 400
        assert await door.asked() == {"one": 1, "two": 0}
        assert door.breaker("one")._machine.fail_counter == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_without_postgresql_nothing_is_sent(door: Door, monkeypatch: pytest.MonkeyPatch, route: ClientRoute, stream: bool) -> None:
    async def away(*_: object) -> object:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(door.api.services.budget.ledger._holds, "value", away)
    told = await route.ask(door, stream=stream)
    assert (failed(told, 503), "retry-after" in told.reply.headers) == (True, True)
    assert await door.asked() == {"one": 0, "two": 0}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_what_is_not_affordable_is_refused_and_nothing_is_sent(api: Api, route: ClientRoute, stream: bool) -> None:
    async with open_door(api, limit_usd=0.0001) as door:
        told = await route.ask(door, stream=stream, max_tokens=1000)
        assert failed(told, 402, "budget_exceeded")
        assert told.error is not None
        assert told.reply.headers["x-should-retry"] == "false"
        assert "$0.000100 left" in told.error.message
        assert await door.asked() == {"one": 0, "two": 0}
        assert (await route.ask(door, max_tokens=10)).status == 200


@pytest.mark.parametrize("route", EACH_ROUTE)
async def test_a_cheaper_provider_is_taken_where_a_dear_one_is_not_affordable(api: Api, route: ClientRoute) -> None:
    async with open_door(api, limit_usd=0.001) as door:
        door.catalog._ready["one"] = replace(door.catalog._ready["one"], price=Price(10**12, 10**12))
        told = await route.ask(door, max_tokens=10)
        assert (told.status, told.provider, told.reply.headers["x-cairn-attempts"]) == (200, "two", "1")
