"""Repeated prompts: what is given again, to whom, at what cost; and what is never kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.cache.shared import DatabaseTier
from tests.fakes.provider import full
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api, cached=True) as made:
        yield made


def told(reply: Any) -> tuple[str, float]:
    return reply.headers["x-cairn-cache"], float(reply.headers["x-cairn-cost-usd"])


async def test_the_second_time_it_costs_nothing_and_says_what_it_saved(door: Door) -> None:
    first, second = await door.chat("why?"), await door.chat("why?")
    assert told(first)[0] == "miss"
    assert told(second) == ("memory", 0)
    assert float(second.headers["x-cairn-saved-usd"]) == told(first)[1] > 0
    assert second.json == first.json
    assert await door.asked() == {"one": 1, "two": 0}
    await door.api.services.budget.requests.close()
    async with door.api.services.database.begin() as connection:
        query = text(
            "select r.cache, r.nanousd > 0, r.saved_nanousd > 0 from request_log r join developers d on d.id = r.developer_id where d.name = :name order by r.id"
        )
        rows = (await connection.execute(query, {"name": door.developer})).all()
    assert [tuple(row) for row in rows] == [("miss", True, False), ("memory", False, True)]


async def test_a_stored_answer_streams_where_a_stream_is_asked_for_and_the_other_way_round(door: Door) -> None:
    await door.chat("say 30 words")
    reply, events = await door.events("say 30 words", stream_options={"include_usage": True})
    assert reply.headers["x-cairn-cache"] == "memory"
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in events[:-2]) == "".join(full("say 30 words"))
    assert events[-3]["choices"][0]["finish_reason"] == "stop"
    assert events[-2]["usage"]["cost_usd"] == 0
    assert events[-1] == "[DONE]"
    _, streamed = await door.events("say 9 words")
    assert all("usage" not in each or not each["usage"] for each in streamed[:-1])
    whole = await door.chat("say 9 words")
    assert (whole.headers["x-cairn-cache"], whole.json["choices"][0]["message"]["content"]) == ("memory", "".join(full("say 9 words")))
    assert whole.json["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hundred_who_ask_the_same_at_once_are_one_call_and_one_charge(api: Api, stream: bool) -> None:
    async with open_door(api, cached=True, fakes={"first_token_ms": 100}) as door:
        replies = await asyncio.gather(*(door.chat("the same", stream=stream) for _ in range(100)))
        assert {reply.status for reply in replies} == {200}
        assert await door.asked() == {"one": 1, "two": 0}
        assert sorted(reply.headers["x-cairn-cache"] for reply in replies) == ["memory"] * 99 + ["miss"]
        assert len(await door.holds()) == 1


async def test_when_it_fails_for_one_it_fails_for_all_who_wait_and_makes_no_storm(api: Api) -> None:
    async with open_door(api, cached=True, fakes={"first_token_ms": 50}) as door:
        for fake in door.fakes.values():
            fake.will("503", times=None)
        replies = await asyncio.gather(*(door.chat("the same") for _ in range(50)))
        assert {reply.status for reply in replies} == {502}
        assert sum((await door.asked()).values()) <= 4


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.7},
        {"n": 2},
        {"cache": False},
        {"tools": [{"type": "function", "function": {"name": "look"}}]},
        {"functions": [{"name": "look"}]},
        {"logprobs": True},
    ],
)
async def test_what_is_creative_or_calls_tools_or_is_not_to_be_kept_is_asked_again(door: Door, fields: dict[str, Any]) -> None:
    for _ in range(2):
        assert told(await door.chat("again", **fields))[0] == "miss"
    assert (await door.asked())["one"] == 2


async def test_a_creative_answer_is_kept_where_it_is_asked_for(door: Door) -> None:
    await door.chat("a poem", temperature=0.9, cache=True)
    assert told(await door.chat("a poem", temperature=0.9, cache=True))[0] == "memory"
    assert "cache" not in door.fakes["one"].asked[0].body


@pytest.mark.parametrize(("control", "tiers"), [("no-store", ["miss", "miss", "miss"]), ("no-cache", ["miss", "miss", "memory"])])
async def test_cache_control_is_obeyed(door: Door, control: str, tiers: list[str]) -> None:
    found = [told(await door.chat("again", headers={"cache-control": control}))[0] for _ in range(2)]
    assert [*found, told(await door.chat("again"))[0]] == tiers


@pytest.mark.parametrize("fault", ["content_filter", "no_usage", "wrong_model"])
async def test_only_what_the_model_said_to_its_end_is_kept(door: Door, fault: str) -> None:
    door.fakes["one"].will(fault, after_tokens=2)  # type: ignore[arg-type]
    await door.chat("again")
    assert told(await door.chat("again"))[0] == ("miss" if fault == "content_filter" else "memory")


async def test_a_stream_that_broke_is_not_kept(api: Api) -> None:
    async with open_door(api, "one", cached=True) as door:
        door.fakes["one"].will("cut", after_tokens=3)
        _, events = await door.events("say 9 words")
        assert "error" in events[-1]
        assert told(await door.chat("say 9 words"))[0] == "miss"


async def test_an_answer_with_a_secret_is_not_kept(door: Door) -> None:
    prompt = "use " + "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    await door.chat(prompt)
    again = await door.chat(prompt)
    assert "ghp_A1b2" in again.text  # the fake repeats what it was asked
    assert told(again)[0] == "miss"


async def test_nothing_crosses_teams_and_every_parameter_counts(door: Door) -> None:
    await door.chat("again", seed=1)
    for different in (
        {"seed": 2},
        {"seed": 1, "max_tokens": 5},
        {"seed": 1, "response_format": {"type": "json_object"}},
        {"seed": 1, "model": "two-model"},
    ):
        assert told(await door.chat("again", **different))[0] == "miss"
    team = f"team-{uuid4().hex[:8]}"
    key = await door.api.developer(team)
    assert told(await door.chat("again", key=key, seed=1))[0] == "miss"
    assert told(await door.chat("again", key=key, seed=1))[0] == "memory"
    assert told(await door.chat("again", seed=1, user="somebody"))[0] == "memory"


async def test_what_another_server_kept_in_postgresql_is_found(api: Api) -> None:
    prompt = uuid4().hex
    async with open_door(api, cached=True, lower=[DatabaseTier(api.services.database, "test")]) as door:
        await door.chat(prompt)
        chain = [each.model for each in door.catalog.candidates("auto")]
        await door.api.app.state.services.caches["completions"].close()
    async with open_door(api, cached=True, lower=[DatabaseTier(api.services.database, "test")]) as door:
        assert [each.model for each in door.catalog.candidates("auto")] == chain
        assert told(await door.chat(prompt))[0] == "database"
        assert told(await door.chat(prompt))[0] == "memory"
        assert await door.asked() == {"one": 0, "two": 0}


async def test_the_admin_sees_and_empties_a_cache(door: Door) -> None:
    await door.chat("again")
    await door.chat("again")
    (shown,) = (each for each in (await door.api.ask("GET", "/v1/caches")).json["caches"] if each["name"] == "completions")
    memory = shown["tiers"][0]
    assert (shown["name"], memory["tier"], memory["hits"], memory["entries"]) == ("completions", "memory", 1, 1)
    assert shown["saved_usd"] > 0
    assert shown["saved_seconds"] > 0
    page = (await door.api.ask("GET", "/metrics")).text
    assert 'cairn_cache_saved_usd_total{cache="completions",tier="memory"}' in page
    assert 'cairn_cache_saved_seconds_total{cache="completions",tier="memory"}' in page
    assert memory["bytes"] > 0
    assert (await door.api.ask("DELETE", "/v1/caches/completions")).json == {"entries": 1}
    assert told(await door.chat("again"))[0] == "miss"
    assert (await door.api.ask("DELETE", "/v1/caches/nothing")).status == 404
    assert (await door.api.ask("GET", "/v1/caches", key=door.key)).status == 403
