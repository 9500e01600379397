"""A key's limits at the door: said in OpenAI's headers, refused before anything is read or held, and never for the admin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace

import openai
import pytest
from structlog.testing import capture_logs

from app.errors import DatabaseUnavailable
from app.rate_limits.limits import RateLimits
from app.settings import LimitsSettings
from tests.integration.api.conftest import Api, Reply
from tests.integration.api.door import QUICK, Door, open_door


@contextmanager
def limited(api: Api, **limits: int) -> Iterator[None]:
    before = api.app.state.services
    api.app.state.services = replace(before, limits=RateLimits(LimitsSettings(**limits)))  # type: ignore[arg-type]
    try:
        yield
    finally:
        api.app.state.services = before


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api, "one") as made:
        yield made


def told(reply: Reply) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.items() if name.lower().startswith("x-ratelimit-")}


async def test_calls_of_models_are_counted_and_the_next_one_is_refused_before_any_hold(door: Door) -> None:
    with limited(door.api, model_requests_a_minute=2):
        first, second, third = [await door.chat("hello") for _ in range(3)]
    assert [each.status for each in (first, second, third)] == [200, 200, 429]
    assert [each.headers["x-ratelimit-remaining-requests"] for each in (first, second, third)] == ["1", "0", "0"]
    assert {each.headers["x-ratelimit-limit-requests"] for each in (first, second, third)} == {"2"}
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    assert "x-ratelimit-limit-tokens" not in first.headers
    error = third.error
    assert (error["type"], error["code"], error["param"]) == ("rate_limit_error", "rate_limit_exceeded", None)
    assert "its 2 calls of models of the last minute. Try again in " in error["message"]
    assert "not the budget" in error["message"]
    assert 1 <= int(third.headers["retry-after"]) <= 61  # less what the first two took
    assert "x-cairn-budget-resets-at" not in third.headers
    assert len(await door.holds()) == 2
    assert await door.asked() == {"one": 2}


async def test_the_tokens_of_an_answer_are_off_what_is_left(door: Door) -> None:
    with limited(door.api, model_tokens_a_minute=100_000):
        reply = await door.chat("hello")
        used = reply.json["usage"]["total_tokens"]
        assert told(reply).keys() == {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"}
        assert int(reply.headers["x-ratelimit-remaining-tokens"]) == 100_000 - used
        stream, events = await door.events("say 20 words", stream_options={"include_usage": True})
        assert int(stream.headers["x-ratelimit-remaining-tokens"]) == 100_000 - used  # what it will be is not known yet
        used += events[-2]["usage"]["total_tokens"]
        await door.money()
        reply = await door.chat("hello again")
        assert int(reply.headers["x-ratelimit-remaining-tokens"]) == 100_000 - used - reply.json["usage"]["total_tokens"]


async def test_over_its_tokens_a_key_is_told_which_limit_it_was(door: Door) -> None:
    with limited(door.api, model_tokens_a_minute=5, model_requests_a_minute=100):
        assert (await door.chat("hello")).status == 200
        refused = await door.chat("hello")
    assert "its 5 tokens of the last minute" in refused.error["message"]
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
    assert refused.headers["x-ratelimit-remaining-requests"] == "99"


async def test_an_outcome_that_nobody_knows_counts_as_its_estimate(api: Api) -> None:
    async with open_door(api, "one", retries=0, timeouts=QUICK) as door:
        door.fakes["one"].will("slow_headers")
        with limited(api, model_tokens_a_minute=50):
            failed = await door.chat("hello", max_tokens=200)
            assert failed.status in {502, 504}
            assert (await door.chat("hello", max_tokens=1)).status == 429


async def test_embeddings_are_calls_of_models_too(door: Door) -> None:
    with limited(door.api, model_requests_a_minute=1, model_tokens_a_minute=100_000):
        first, second = [
            await door.api.ask("POST", "/v1/embeddings", key=door.key, json={"model": "auto", "input": "text"}) for _ in range(2)
        ]
    assert (first.status, second.status) == (200, 429)
    assert int(first.headers["x-ratelimit-remaining-tokens"]) == 100_000 - first.json["usage"]["total_tokens"]


async def test_other_routes_have_a_limit_of_their_own(door: Door) -> None:
    with limited(door.api, requests_a_minute=2):
        asked = [await door.api.ask("GET", path, key=door.key) for path in ("/v1/models", "/v1/budget", "/v1/budget", "/v1/nowhere")]
        assert [each.status for each in asked] == [200, 200, 429, 429]
        assert "its 2 requests of the last minute" in asked[2].error["message"]
        chat = await door.chat("hello")
        assert (chat.status, told(chat)) == (200, {})
        assert (await door.api.ask("GET", "/healthz", key=door.key)).status == 200


async def test_an_answer_of_any_kind_says_what_is_left(api: Api) -> None:
    """A request that is wrong, or over its budget, was one all the same."""
    async with open_door(api, "one", limit_usd=0.0001) as door:
        with limited(api, model_requests_a_minute=10):
            wrong = await door.chat("hello", n="many")
            dear = await door.chat("hello", max_tokens=1000)
            assert (wrong.status, dear.status) == (422, 402)
            assert dear.error["code"] == "budget_exceeded"
            assert [each.headers["x-ratelimit-remaining-requests"] for each in (wrong, dear)] == ["9", "8"]


async def test_the_admin_key_has_no_limit_and_a_wrong_key_none_to_lose(door: Door) -> None:
    with limited(door.api, requests_a_minute=1, model_requests_a_minute=1):
        for _ in range(3):
            admin = await door.api.ask("GET", "/v1/models")
            assert (admin.status, told(admin)) == (200, {})
            paid = await door.chat("hello", key=door.api.key, headers={"x-cairn-developer": door.developer})
            assert (paid.status, told(paid)) == (200, {})
            for key in ("cairn_nobody", None, ""):
                wrong = await door.api.ask("GET", "/v1/models", key=key)
                assert (wrong.status, wrong.error["code"], told(wrong)) == (401, "not_authenticated", {})


async def test_two_keys_of_a_developer_have_a_limit_each(door: Door) -> None:
    made = await door.api.ask("POST", f"/v1/developers/{door.developer}/keys")
    with limited(door.api, model_requests_a_minute=1):
        statuses = [(await door.chat("hello", key=key)).status for key in (door.key, made.json["key"], door.key, made.json["key"])]
    assert statuses == [200, 200, 429, 429]


async def test_a_large_body_of_who_is_over_the_limit_is_not_parsed(door: Door) -> None:
    with limited(door.api, model_requests_a_minute=1, requests_a_minute=1):
        for path in ("/v1/chat/completions", "/v1/knowledge/query"):
            broken = [await door.api.ask("POST", path, key=door.key, data=b"{" * 100_000) for _ in range(2)]
            assert [each.status for each in broken] == [422, 429]


async def test_of_many_at_once_exactly_the_limit_gets_through(door: Door) -> None:
    with limited(door.api, model_requests_a_minute=20):
        replies = await asyncio.gather(*(door.chat(f"hello {number}") for number in range(60)))
    assert sorted(each.status for each in replies) == [200] * 20 + [429] * 40
    left = sorted(int(each.headers["x-ratelimit-remaining-requests"]) for each in replies if each.status == 200)
    assert left == list(range(20))


async def test_openais_client_reads_the_refusal_as_its_own(door: Door) -> None:
    client = openai.AsyncOpenAI(base_url=f"{door.api.url}/v1", api_key=door.key, max_retries=0)
    asked = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
    with limited(door.api, model_requests_a_minute=1):
        first = await client.chat.completions.with_raw_response.create(**asked)  # type: ignore[call-overload]
        assert first.headers["x-ratelimit-remaining-requests"] == "0"
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(**asked)  # type: ignore[call-overload]
    assert refused.value.code == "rate_limit_exceeded"
    await client.close()


async def test_a_refusal_is_counted_each_time_and_said_once(door: Door) -> None:
    with limited(door.api, model_requests_a_minute=1), capture_logs() as logs:
        for _ in range(4):
            await door.chat("hello")
    assert 'cairn_rate_limited_total{limit="model_requests"}' in (await door.api.ask("GET", "/metrics")).text
    said = [each for each in logs if each["event"] == "limits.refused"]
    assert [each["developer"] for each in said] == [door.developer]
    assert door.key not in str(logs)


async def test_where_nobody_can_tell_whose_key_it_is_the_answer_is_503(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("The database doesn't answer.")

    monkeypatch.setattr(door.api.services.accounts, "authenticate", away)
    with limited(door.api, requests_a_minute=1):
        assert (await door.api.ask("GET", "/v1/models", key=door.key)).error["code"] == "database_unavailable"
