"""The semantic tier through the door: another wording is answered, anything else is asked; and nobody gets what isn't theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.settings import SemanticCacheSettings
from tests.fakes.embedder import WordsEmbedder
from tests.integration.api.conftest import Api, Reply
from tests.integration.api.door import Door, open_door
from tests.waiting import patience

ASKED, AGAIN = "How do I restart the worker at night?", "how can I restart the worker at night"
ON = SemanticCacheSettings(enabled=True, threshold=0.9, timeout_seconds=1)


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    """Texts of mostly the same words have a cosine of nearly one: only the guards are between them."""
    async with open_door(
        api, cached=True, semantic=ON.model_copy(update={"threshold": 0.6, "timeout_seconds": 30}), embedder=WordsEmbedder()
    ) as made:
        yield made


def tier(reply: Reply) -> str:
    return str(reply.headers["x-cairn-cache"])


async def remembered(door: Door, count: int) -> None:
    import asyncio

    async with patience():
        while len(door.front.by_meaning) < count:  # type: ignore[union-attr, arg-type]
            await asyncio.sleep(0.005)


async def test_another_wording_gets_the_answer_and_is_told_so(door: Door) -> None:
    first = await door.chat(ASKED)
    await remembered(door, 1)
    second = await door.chat(AGAIN)
    assert (tier(first), tier(second)) == ("miss", "semantic")
    assert 0.6 <= float(second.headers["x-cairn-similarity"]) <= 1
    assert float(second.headers["x-cairn-cost-usd"]) == 0
    assert second.headers["x-cairn-saved-usd"] == first.headers["x-cairn-cost-usd"]
    assert second.json == first.json
    assert (await door.asked())["one"] == 1
    assert tier(await door.chat(AGAIN)) == "semantic"  # another prompt's answer never becomes its own
    shown = next(each for each in (await door.api.ask("GET", "/v1/caches")).json["caches"] if each["name"] == "completions")
    (found,) = [each for each in shown["tiers"] if each["tier"] == "semantic"]
    assert (found["hits"], found["entries"], found["errors"]) == (2, 1, 0)
    await door.api.services.budget.requests.close()
    query = text("select r.cache from request_log r join developers d on d.id = r.developer_id where d.name = :name order by r.id")
    async with door.api.services.database.begin() as connection:
        assert list((await connection.execute(query, {"name": door.developer})).scalars()) == ["miss", "semantic", "semantic"]


async def test_it_streams_where_a_stream_is_asked_for(door: Door) -> None:
    whole = (await door.chat(ASKED)).json["choices"][0]["message"]["content"]
    await remembered(door, 1)
    reply, events = await door.events(AGAIN, stream_options={"include_usage": True})
    assert tier(reply) == "semantic"
    assert "x-cairn-similarity" in reply.headers
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in events[:-2]) == whole
    assert (events[-2]["usage"]["cost_usd"], events[-1]) == (0, "[DONE]")


@pytest.mark.parametrize(
    "near_miss",
    [
        "How do I restart the worker 2 at night?",
        "How do I not restart the worker at night?",
        "How do I restart the worker at day?",
        "How do I start the worker at night?",
        "How do I restart the server at night?",
        "How do I restart the worker at night in Rust?",
        "How do I restart --force the worker at night?",
        "Why do I restart the worker at night?",
    ],
)
async def test_a_near_miss_is_asked(door: Door, near_miss: str) -> None:
    await door.chat(ASKED)
    await remembered(door, 1)
    assert tier(await door.chat(near_miss)) == "miss"
    assert (await door.asked())["one"] == 2


async def test_everything_but_the_last_message_must_be_the_same(door: Door) -> None:
    await door.chat(ASKED, seed=1)
    await remembered(door, 1)
    system = [{"role": "system", "content": "Be rude."}, {"role": "user", "content": AGAIN}]
    for different in ({"seed": 2}, {"seed": 1, "max_tokens": 7}, {"seed": 1, "messages": system}, {"seed": 1, "model": "two-model"}):
        assert tier(await door.chat(AGAIN, **different)) == "miss"  # type: ignore[arg-type]
    stranger = await door.api.developer(f"team-{uuid4().hex[:8]}")
    assert tier(await door.chat(AGAIN, key=stranger, seed=1)) == "miss"


async def test_what_is_not_to_be_stored_or_to_be_new_is_neither_remembered_nor_given(door: Door) -> None:
    await door.chat(ASKED, headers={"cache-control": "no-store"})
    assert len(door.front.by_meaning) == 0  # type: ignore[union-attr, arg-type]
    await door.chat(ASKED)
    await remembered(door, 1)
    for control in ("no-store", "no-cache"):
        assert tier(await door.chat(AGAIN, headers={"cache-control": control})) == "miss"
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    await door.chat(f"Is {secret} a key?")  # the fake repeats it
    assert tier(await door.chat(f"is {secret} the key")) == "miss"


async def test_with_the_cache_it_is_emptied(door: Door) -> None:
    await door.chat(ASKED)
    await remembered(door, 1)
    await door.api.ask("DELETE", "/v1/caches/completions")
    assert tier(await door.chat(AGAIN)) == "miss"


async def test_with_cairns_own_model_at_the_shipped_threshold(api: Api) -> None:
    patient = SemanticCacheSettings(enabled=True).model_copy(update={"timeout_seconds": 30})  # a busy machine is no other wording
    async with open_door(api, cached=True, semantic=patient) as door:
        await door.chat("How do I remove a tick on a dog?")
        await remembered(door, 1)
        replies: list[Any] = [await door.chat(each) for each in ("How to remove a tick on a dog?", "How do I remove a flea on a dog?")]
        assert [tier(each) for each in replies] == ["semantic", "miss"]


async def test_it_is_off_unless_it_is_turned_on(api: Api) -> None:
    assert api.services.inference.engine.by_meaning is None
    async with open_door(api, cached=True) as door:
        await door.chat(ASKED)
        assert tier(await door.chat(AGAIN)) == "miss"
