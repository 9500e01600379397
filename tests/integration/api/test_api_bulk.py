"""Batches of one developer beside questions of another: who is answered, who is refused, and that nothing works for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import aiohttp
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from app.embeddings import BulkAdmission
from app.embeddings.bulk import BulkLane, TwoLanes
from tests.integration.api.conftest import Api, Reply, lesson
from tests.waiting import patience

MODEL = "all-MiniLM-L6-v2"


class Blocked:
    """In place of the process that embeds: answers each slice once `gate` is open."""

    model = MODEL

    def __init__(self) -> None:
        self.slices: list[list[str]] = []
        self.gate = asyncio.Event()

    async def start(self) -> None:
        return

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.slices.append(list(texts))
        await self.gate.wait()
        return np.full((len(texts), 384), 384**-0.5, dtype=np.float32)


def lane_of(api: Api) -> BulkLane:
    lanes = api.services.bulk.embedder.inner
    assert isinstance(lanes, TwoLanes)
    return lanes._bulk


@pytest.fixture
async def blocked(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Blocked]:
    made = Blocked()
    monkeypatch.setattr(lane_of(api), "_inner", made)
    monkeypatch.setattr(lane_of(api), "seconds_per_cost", 0.0)  # else who is admitted depends on how busy the machine was before
    yield made
    made.gate.set()
    await until(lambda: not lane_of(api)._queues)


async def until(held: Any) -> None:
    async with patience():
        while not held():
            await asyncio.sleep(0.01)


def batch(name: str, count: int) -> list[str]:
    """Texts that no other test embeds."""
    return [f"{name} {number} {'and so on ' * 20}" for number in range(count)]


def sent(api: Api, key: str, texts: list[str]) -> asyncio.Task[Reply]:
    return asyncio.create_task(api.ask("POST", "/v1/embeddings", key=key, json={"model": MODEL, "input": texts}))


async def test_a_batch_comes_back_whole_and_in_order(api: Api) -> None:
    key = await api.developer()
    texts = batch("whole", 40)
    reply = await sent(api, key, texts)
    assert reply.status == 200, reply.text
    assert set(reply.json) == {"object", "model", "usage", "data"}
    assert [row["index"] for row in reply.json["data"]] == list(range(40))
    found = np.asarray([row["embedding"] for row in reply.json["data"]])
    alone = await api.services.embedder.embed([f"{each} " for each in texts])  # not from the cache: with a space more
    assert float((found * alone).sum(axis=1).min()) > 0.999


async def test_a_question_beside_a_batch_that_is_stuck_is_answered_whole(api: Api, blocked: Blocked) -> None:
    await api.ingest(lesson("heron"), project="bulk")
    key = await api.developer()
    stuck = [sent(api, key, batch(f"stuck {number}", 200)) for number in range(3)]
    await until(lambda: blocked.slices)
    reply = await api.ask("POST", "/v1/knowledge/query", json={"query": "why does heron drop connections at night?", "project": "bulk"})
    assert reply.status == 200
    assert reply.json["degraded"] == []
    assert "heron" in reply.json["results"][0]["text"]
    small = await sent(api, key, ["a text as short as a question"])
    assert small.status == 200
    assert not any(each.done() for each in stuck)
    blocked.gate.set()
    assert [each.status for each in await asyncio.gather(*stuck)] == [200, 200, 200]


async def test_who_has_too_much_waiting_is_refused_before_any_money_is_held(
    api: Api, blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.services.bulk.admission, "_max_texts_a_caller", 50)
    key, other = await api.developer(), await api.developer()
    first = sent(api, key, batch("first", 40))
    await until(lambda: blocked.slices)
    before = await holds(api)
    refused = await sent(api, key, batch("more", 11))
    assert refused.status == 429
    assert "40 of your texts wait to be embedded; 11 more would exceed the limit" in refused.error["message"]
    assert int(refused.headers["retry-after"]) >= 1
    assert await holds(api) == before
    neighbour = sent(api, other, batch("neighbour", 45))
    blocked.gate.set()
    assert [(await each).status for each in (first, neighbour)] == [200, 200]
    assert (await sent(api, key, batch("later", 45))).status == 200


async def test_when_all_together_have_too_much_waiting_the_next_one_is_told_to_come_back(
    api: Api, blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.services.bulk.admission, "_max_texts", 60)
    first = sent(api, await api.developer(), batch("all", 40))
    await until(lambda: blocked.slices)
    refused = await sent(api, await api.developer(), batch("too many", 21))
    assert (refused.status, refused.error["code"]) == (503, "embeddings_busy")
    assert "retry-after" in refused.headers
    blocked.gate.set()
    assert (await first).status == 200


async def test_a_caller_who_hangs_up_has_no_more_slices_embedded(api: Api, blocked: Blocked) -> None:
    key = await api.developer()
    async with aiohttp.ClientSession() as http:
        body = {"model": MODEL, "input": batch("gone", 200)}
        headers = {"authorization": f"Bearer {key}"}
        task = asyncio.create_task(http.request("POST", f"{api.url}/v1/embeddings", json=body, headers=headers)._coro)
        await until(lambda: blocked.slices)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    admission = api.services.bulk.admission
    assert isinstance(admission, BulkAdmission)
    await until(lambda: not admission._waiting)
    blocked.gate.set()
    await until(lambda: not lane_of(api)._queues)
    assert len(blocked.slices) == 1


async def holds(api: Api) -> int:
    async with api.services.database.begin() as connection:
        return int((await connection.execute(text("select count(*) from budget_holds"))).scalar_one())
