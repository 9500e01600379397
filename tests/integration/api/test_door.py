"""The door to models: completions of fake providers over real sockets, whole and streamed, with what they cost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.provider import full
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


async def test_a_completion_names_who_answered_and_what_it_cost(door: Door) -> None:
    reply = await door.chat("say 5 words")
    assert reply.status == 200, reply.text
    assert reply.json["choices"][0]["message"]["content"] == "".join(full("say 5 words"))
    usage = reply.json["usage"]
    cost = (usage["prompt_tokens"] * 1.0 + usage["completion_tokens"] * 2.0) / 1e6
    headers = reply.headers
    assert float(headers["x-cairn-cost-usd"]) == pytest.approx(cost, abs=1e-12)
    assert float(headers["x-cairn-budget-remaining-usd"]) == pytest.approx(8.33 - cost, abs=1e-9)
    named = {name: headers[f"x-cairn-{name}"] for name in ("provider", "model", "attempts", "cache")}
    assert named == {"provider": "one", "model": "one-model", "attempts": "1", "cache": "miss"}
    assert float(headers["x-cairn-overhead-ms"]) >= 0
    budget = await door.money()
    assert (budget["spent_usd"], budget["held_usd"]) == (pytest.approx(cost, abs=1e-12), 0)


async def test_a_stream_passes_on_each_token_and_tells_the_cost_at_its_end(door: Door) -> None:
    reply, events = await door.events("say 5 words", stream_options={"include_usage": True})
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert events[-1] == "[DONE]"
    words = "".join(each["choices"][0]["delta"].get("content") or "" for each in events[:-2])
    assert words == "".join(full("say 5 words"))
    usage = events[-2]["usage"]
    assert events[-2]["choices"] == []
    assert usage["cost_usd"] == pytest.approx((usage["prompt_tokens"] + 2 * usage["completion_tokens"]) / 1e6, abs=1e-12)
    assert (await door.money())["spent_usd"] == pytest.approx(usage["cost_usd"], abs=1e-12)
    assert await door.holds() == [("one", "settled", "usage")]


async def test_one_call_after_another_fits_where_only_one_fits_at_a_time(api: Api) -> None:
    """The hold of a call that was answered is in nobody's way, however soon the next one comes."""
    most_usd = 0.0021  # of 1,024 tokens that may be produced, and the prompt
    async with open_door(api, limit_usd=1.2 * most_usd) as door:
        replies = [await door.chat(f"say 3 words {number}") for number in range(30)]
        assert {reply.status for reply in replies} == {200}
        left = [float(reply.headers["x-cairn-budget-remaining-usd"]) for reply in replies]
        assert left == sorted(left, reverse=True)
        assert (await door.money())["remaining_usd"] == pytest.approx(left[-1], abs=1e-12)
