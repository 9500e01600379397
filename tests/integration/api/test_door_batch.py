"""Many at once: batches of completions, and embedding requests that share a call. Each with a hold of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from app.errors import BudgetExceeded, CairnError, ContentRejected, NotFound
from app.inference.batch import infer_batch
from app.inference.request import CallContext, ChatRequest, CompletionAnswer
from tests.fakes.provider import FakeProvider, full
from tests.fakes.provider.answers import count, vector
from tests.integration.api.conftest import Api, Reply
from tests.integration.api.door import Door, open_door
from tests.waiting import patience

VECTORS = {"embedding_model": "vectors", "embedding_usd_per_mtok": 1.0}
LONG = 60_000.0
"""Milliseconds that no test waits: a call goes when enough wait for it."""


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api, batch_concurrency=3) as made:
        yield made


@dataclass(slots=True)
class Gate:
    """Holds back what comes to a fake until so many are there at once. `busy`: how many there were, at each arrival."""

    until: int
    busy: list[int] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def at(self, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Gate:
        provide = fake._provide

        async def held_back(request: Any) -> Any:
            self.busy.append(len(fake._busy))
            if len(self.busy) >= self.until:
                self.opened.set()
            await self.opened.wait()
            return await provide(request)

        monkeypatch.setattr(fake, "_provide", held_back)
        return self

    async def arrived(self, calls: int) -> None:
        await so_far(lambda: len(self.busy) >= calls)


async def so_far(done: Callable[[], bool]) -> None:
    async with patience():
        while not done():
            await asyncio.sleep(0.002)


def asked(prompt: str, model: str = "auto", max_tokens: int | None = None) -> ChatRequest:
    return ChatRequest(model, [{"role": "user", "content": prompt}], max_tokens=max_tokens)


async def askers(door: Door) -> Callable[[int], CallContext]:
    """Items of one batch: one payer, a request id each."""
    payer, batch = await door.api.services.accounts.find_developer(door.developer), uuid4().hex
    return lambda place: CallContext(payer.id, payer.team_id, f"{batch}-{place}", "batch")


async def infer(door: Door, requests: Sequence[ChatRequest]) -> list[CompletionAnswer | CairnError]:
    return await infer_batch(door.front, door.catalog, requests, await askers(door))


def said(found: CompletionAnswer | CairnError) -> str:
    assert isinstance(found, CompletionAnswer), found
    return str(json.loads(found.body)["choices"][0]["message"]["content"])


async def test_answers_come_in_the_order_of_the_requests_each_with_its_own_hold(door: Door) -> None:
    prompts = [f"question {n} say {3 + n % 7} words" for n in range(20)]
    found = await infer(door, [asked(prompt) for prompt in prompts])
    assert [said(each) for each in found] == ["".join(full(prompt)) for prompt in prompts]
    assert await door.holds() == [("one", "settled", "usage")] * 20
    spent = sum(each.receipt.nanousd for each in found if isinstance(each, CompletionAnswer))
    assert (await door.money())["spent_usd"] == pytest.approx(spent / 1e9, abs=1e-12)


async def test_nothing_asked_is_nothing_answered(door: Door) -> None:
    assert await infer(door, []) == []
    assert await door.asked() == {"one": 0, "two": 0}


async def test_an_item_that_fails_is_its_error_and_the_others_are_answered(api: Api) -> None:
    async with open_door(api, limit_usd=0.01) as door:
        door.fakes["two"].will("bad_request", times=None)
        requests = [asked("first"), asked("second", "gpt-9"), asked("third", "two"), asked("fourth", max_tokens=10**6), asked("fifth")]
        found = await infer(door, requests)
        assert [type(each) for each in found] == [CompletionAnswer, NotFound, ContentRejected, BudgetExceeded, CompletionAnswer]
        assert [said(found[place]) for place in (0, 4)] == ["".join(full(prompt)) for prompt in ("first", "fifth")]
        assert sorted((name, state) for name, state, _ in await door.holds()) == [("one", "settled")] * 2 + [("two", "released")]


async def test_an_item_falls_back_like_any_other_request(door: Door) -> None:
    door.fakes["one"].will("503", times=1)
    found = await infer(door, [asked(f"question {n}") for n in range(4)])
    assert sorted(each.receipt.provider for each in found if isinstance(each, CompletionAnswer)) == ["one", "one", "one", "two"]


async def test_of_each_first_provider_so_many_are_asked_at_a_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gate opens once three are there: one group doesn't wait for the other."""
    gates = [Gate(3).at(fake, monkeypatch) for fake in door.fakes.values()]
    found = await infer(door, [asked(f"question {n}", "one" if n % 2 else "two") for n in range(24)])
    assert [type(each) for each in found] == [CompletionAnswer] * 24
    assert [(max(gate.busy), len(gate.busy)) for gate in gates] == [(3, 12), (3, 12)]


async def test_a_batch_that_is_given_up_leaves_no_hold_open(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(1000).at(door.fakes["one"], monkeypatch)
    task = asyncio.create_task(infer(door, [asked(f"question {n}") for n in range(9)]))
    await gate.arrived(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [state for _, state, _ in await door.holds()] == ["unreconciled"] * 3
    assert (await door.money())["held_usd"] == 0
    assert len(gate.busy) == 3


async def embed(door: Door, given: str | list[str], model: str = "auto", **fields: Any) -> Reply:
    return await door.api.ask("POST", "/v1/embeddings", key=door.key, json={"model": model, "input": given, **fields})


def vectors_of(reply: Reply) -> list[Any]:
    assert reply.status == 200, reply.text
    assert [row["index"] for row in reply.json["data"]] == list(range(len(reply.json["data"])))
    return [row["embedding"] for row in reply.json["data"]]


def expected(*texts: str, dimensions: int = 8) -> list[Any]:
    return [pytest.approx(vector(text, dimensions)) for text in texts]


@dataclass(slots=True)
class Busy:
    """A provider with an embedding call under way, which others wait behind; `most` of them make the next call."""

    door: Door
    gate: Gate
    first: asyncio.Task[Reply]

    async def shared(self, *requests: list[str]) -> list[asyncio.Task[Reply]]:
        """Asked at once, and together under way."""
        tasks = [asyncio.create_task(embed(self.door, texts)) for texts in requests]
        await self.gate.arrived(2)
        return tasks

    def inputs(self) -> list[list[str]]:
        return [each.body["input"] for each in self.door.fakes["one"].asked]


@pytest.fixture
async def busy(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Busy]:
    options: dict[str, Any] = {"embeddings_requests": 4, "embeddings_milliseconds": LONG, "retries": 0}
    async with open_door(api, provider=VECTORS, **options) as door:
        gate = Gate(1000).at(door.fakes["one"], monkeypatch)
        first = asyncio.create_task(embed(door, ["the first"]))
        await gate.arrived(1)
        yield Busy(door, gate, first)
        gate.opened.set()
        await asyncio.gather(first, return_exceptions=True)


TEXTS = [["a short one"], ["another text", "and a third of many more words than the others"], ["x"], ["the last of them"]]


async def test_embeddings_asked_at_once_share_a_call_and_each_pays_its_share(busy: Busy) -> None:
    tasks = await busy.shared(*TEXTS)
    busy.gate.opened.set()
    replies = await asyncio.gather(*tasks)
    assert [vectors_of(reply) for reply in replies] == [expected(*texts) for texts in TEXTS]
    assert [len(each) for each in busy.inputs()] == [1, 5]
    assert vectors_of(await busy.first) == expected("the first")
    total = sum(count(text) for texts in TEXTS for text in texts)
    parts = [reply.json["usage"]["prompt_tokens"] for reply in replies]
    assert sum(parts) == total
    assert min(parts[1], total) > max(parts[0], parts[2], parts[3])  # the longest one's share is the largest
    assert [float(reply.headers["x-cairn-cost-usd"]) for reply in replies] == [pytest.approx(part / 1e6) for part in parts]
    assert [state for _, state, _ in await busy.door.holds()] == ["settled"] * 5
    assert (await busy.door.money())["spent_usd"] == pytest.approx((total + 2) / 1e6, abs=1e-12)


async def test_no_share_is_above_what_was_held_for_it(busy: Busy) -> None:
    tasks = await busy.shared(["abcde"], ["ab cd"], ["ab cd"], ["ab cd"])  # as long as each other: seven tokens for four
    busy.gate.opened.set()
    await asyncio.gather(*tasks, busy.first)
    assert [mark for _, _, mark in await busy.door.holds()] == ["usage"] * 5


async def test_a_shared_call_that_fails_is_everybodys_failure_but_counts_once(busy: Busy) -> None:
    tasks = await busy.shared(*TEXTS)
    busy.door.fakes["one"].will("503", times=None)
    busy.gate.opened.set()
    replies = await asyncio.gather(*tasks, busy.first)
    assert [reply.status for reply in replies] == [502] * 5
    assert {reply.error["code"] for reply in replies} == {"all_providers_failed"}
    assert busy.door.breaker("one")._machine.fail_counter == 2  # two calls, not five
    assert [state for _, state, _ in await busy.door.holds()] == ["released"] * 5
    assert await busy.door.asked() == {"one": 2, "two": 0}  # no other model's vectors stand in


async def test_who_is_refused_for_its_own_text_is_refused_alone(busy: Busy) -> None:
    """The provider refuses the call that is under way, the shared one, and whichever of the four it is then asked for first."""
    tasks = await busy.shared(*TEXTS)
    busy.door.fakes["one"].will("bad_request", times=3)
    busy.gate.opened.set()
    replies = await asyncio.gather(*tasks, busy.first)
    assert sorted(reply.status for reply in replies) == [200, 200, 200, 400, 400]
    assert busy.door.breaker("one")._machine.fail_counter == 0
    assert sorted(state for _, state, _ in await busy.door.holds()) == ["released"] * 2 + ["settled"] * 3


async def test_many_texts_are_asked_for_in_parts_and_paid_together(api: Api) -> None:
    async with open_door(api, "one", provider=VECTORS) as door:
        texts = [f"text {n}" for n in range(600)]
        reply = await embed(door, texts)
        assert vectors_of(reply) == expected(*texts)
        assert max(len(each.body["input"]) for each in door.fakes["one"].asked) < 600
        assert reply.json["usage"]["prompt_tokens"] == 1200
        assert await door.holds() == [("one", "settled", "usage")]


async def test_what_the_first_parts_cost_is_paid_though_a_later_one_fails(api: Api) -> None:
    async with open_door(api, "one", provider=VECTORS, retries=0) as door:
        door.fakes["one"].will("wrong_model", times=1)  # the first part is answered
        door.fakes["one"].will("503", times=None)
        assert (await embed(door, [f"text {n}" for n in range(600)])).status == 502
        assert len(door.fakes["one"].asked) == 2
        assert [state for _, state, _ in await door.holds()] != ["released"]


async def leaves(task: asyncio.Task[Reply]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def ended(door: Door, states: list[str]) -> None:
    """Whoever leaves is noticed a little later."""
    async with patience():
        while sorted(state for _, state, _ in await door.holds()) != states:
            await asyncio.sleep(0.01)


async def test_one_who_leaves_does_not_hurt_those_who_share_its_call(busy: Busy) -> None:
    tasks = await busy.shared(*TEXTS)
    await leaves(tasks[1])
    await ended(busy.door, ["held"] * 4 + ["unreconciled"])
    busy.gate.opened.set()
    replies = await asyncio.gather(tasks[0], *tasks[2:])
    assert [vectors_of(reply) for reply in replies] == [expected(*texts) for texts in (TEXTS[0], *TEXTS[2:])]
    await busy.first
    await ended(busy.door, ["settled"] * 4 + ["unreconciled"])
    assert busy.door.breaker("one")._machine.fail_counter == 0


async def test_when_all_have_left_the_provider_is_hung_up_on(busy: Busy) -> None:
    tasks = await busy.shared(*TEXTS)
    for task in (*tasks, busy.first):
        await leaves(task)
    await ended(busy.door, ["unreconciled"] * 5)
    await busy.door.fakes["one"].idle()
    assert busy.door.engine._embeddings.batchers["vectors", None]._calls == set()


async def test_one_who_leaves_before_its_text_was_sent_pays_nothing(busy: Busy) -> None:
    waiting = asyncio.create_task(embed(busy.door, ["never sent"]))
    await so_far(lambda: bool(busy.door.engine._embeddings.batchers["vectors", None]._waiting))
    await leaves(waiting)
    await so_far(busy.door.engine._embeddings.batchers["vectors", None]._waiting[0].future.done)
    busy.gate.opened.set()
    await busy.first
    assert busy.inputs() == [["the first"]]
    assert [state for _, state, _ in await busy.door.holds()] == ["settled", "released"]


async def test_other_dimensions_are_another_call(busy: Busy) -> None:
    small = asyncio.create_task(embed(busy.door, ["the second"], dimensions=4))
    await busy.gate.arrived(2)
    busy.gate.opened.set()
    assert vectors_of(await small) == expected("the second", dimensions=4)
    assert vectors_of(await busy.first) == expected("the first")
    assert [each.body.get("dimensions") for each in busy.door.fakes["one"].asked] == [None, 4]


async def test_what_waits_goes_after_its_time_though_few_have_come(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door(api, "one", provider=VECTORS, embeddings_milliseconds=1) as door:
        gate = Gate(2).at(door.fakes["one"], monkeypatch)
        replies = await asyncio.gather(embed(door, ["one"]), embed(door, ["two"]))
        assert [vectors_of(reply) for reply in replies] == [expected("one"), expected("two")]
        assert len(gate.busy) == 2


async def test_a_hundred_at_once_take_few_calls_and_mix_nothing_up(api: Api) -> None:
    async with open_door(api, "one", provider=VECTORS, fakes={"first_token_ms": 20}) as door:
        texts = [[f"text {n}", f"and {n} again"] for n in range(100)]
        replies = await asyncio.gather(*(embed(door, each) for each in texts))
        assert [vectors_of(reply) for reply in replies] == [expected(*each) for each in texts]
        assert len(door.fakes["one"].asked) < 100
        assert {len(each.body["input"]) <= 20 for each in door.fakes["one"].asked} == {True}
        assert [state for _, state, _ in await door.holds()] == ["settled"] * 100
        assert (await door.money())["held_usd"] == 0


async def test_vectors_that_cannot_be_afforded_are_not_asked_for(api: Api) -> None:
    async with open_door(api, "one", provider=VECTORS, limit_usd=0.000_005) as door:
        assert (await embed(door, "a few words")).status == 200
        assert (await embed(door, "many words " * 100)).status == 402
        assert await door.asked() == {"one": 1}


async def test_cairns_own_model_is_free_and_always_there(door: Door) -> None:
    texts = ["Why does the checkout charge twice?", "", "Why does the checkout charge twice?"]
    own = (await door.api.services.embedder.embed(texts)).tolist()
    for model in ("all-MiniLM-L6-v2", "cairn/all-MiniLM-L6-v2", "auto"):  # of no provider here "auto" could be
        reply = await embed(door, texts, model)
        assert vectors_of(reply) == [pytest.approx(each, abs=1e-6) for each in own]
        assert (reply.json["model"], reply.headers["x-cairn-provider"]) == ("all-MiniLM-L6-v2", "cairn")
        assert float(reply.headers["x-cairn-cost-usd"]) == 0
        assert reply.json["usage"]["prompt_tokens"] > 0
    assert await door.holds() == [("cairn", "settled", "counted")] * 3
    assert ((await door.money())["spent_usd"], await door.asked()) == (0, {"one": 0, "two": 0})


async def test_cairns_own_model_serves_an_empty_budget(api: Api) -> None:
    async with open_door(api, "one", limit_usd=0) as door:
        assert (await door.chat()).status == 402
        assert (await embed(door, "x")).status == 200


async def test_cairns_own_model_has_384_dimensions_and_does_not_chat(door: Door) -> None:
    reply = await embed(door, "x", "all-MiniLM-L6-v2", dimensions=5)
    assert (reply.status, reply.error["param"]) == (400, "dimensions")
    assert len(vectors_of(await embed(door, "x", dimensions=384))[0]) == 384
    assert (await door.chat(model="all-MiniLM-L6-v2")).status == 404
    assert door.breaker("cairn")._machine.fail_counter == 0


async def test_no_provider_stands_in_for_the_vectors_of_one_that_fails(api: Api) -> None:
    async with open_door(api, provider=VECTORS, retries=1) as door:
        door.fakes["one"].will("500", times=1)
        assert (await embed(door, "x")).headers["x-cairn-attempts"] == "2"
        door.fakes["one"].will("malformed", times=1)
        assert (await embed(door, "x")).status == 502
        assert await door.asked() == {"one": 3, "two": 0}
        assert [state for _, state, _ in await door.holds()] == ["released", "settled", "unreconciled"]


async def test_an_asker_that_hangs_up_frees_the_provider(api: Api) -> None:
    async with open_door(api, "one", provider=VECTORS, fakes={"first_token_ms": 60_000}) as door:
        headers = {"authorization": f"Bearer {door.key}"}
        async with aiohttp.ClientSession() as http:
            body = {"model": "auto", "input": "x"}
            task = asyncio.create_task(http.request("POST", f"{api.url}/v1/embeddings", json=body, headers=headers)._coro)
            await so_far(lambda: bool(door.fakes["one"].asked))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await so_far(lambda: door.fakes["one"].asked[0].disconnected)
        await ended(door, ["unreconciled"])
