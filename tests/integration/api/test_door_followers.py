"""Many who ask the same at once: who reads along, who waits, who leaves, what breaks; and that it is one call and one charge."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import msgspec
import pytest
from sqlalchemy import text

from app.inference.fanout import MAX_AHEAD_BYTES
from app.settings import BudgetSettings, TimeoutSettings
from tests.fakes.hostile import HostileProvider, Lie
from tests.fakes.provider import full
from tests.integration.api.conftest import Api
from tests.integration.api.door import QUICK, Door, open_door
from tests.waiting import patience

pytestmark = pytest.mark.long

USAGE = {"include_usage": True}


class Reader:
    """A caller that reads its stream event by event."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self.headers = reply.headers
        self._reply = reply

    async def next(self) -> Any:
        while not (line := await self._reply.content.readline()).startswith(b"data: "):
            assert line, "the stream ended without [DONE]"
        data = line.removeprefix(b"data: ").strip()
        return "[DONE]" if data == b"[DONE]" else json.loads(data)

    async def rest(self) -> list[Any]:
        """To its end, or to the error that ends it."""
        found = [await self.next()]
        while found[-1] != "[DONE]" and "error" not in found[-1]:
            found.append(await self.next())
        return found


@asynccontextmanager
async def reading(door: Door, prompt: str, *, key: str | None = None, **fields: Any) -> AsyncIterator[Reader]:
    """Leaving the context in the middle is hanging up."""
    body = {"model": "auto", "messages": [{"role": "user", "content": prompt}], "stream": True, "stream_options": USAGE, **fields}
    headers = {"authorization": f"Bearer {key or door.key}"}
    async with (
        aiohttp.ClientSession(read_bufsize=2**22) as http,
        http.post(f"{door.api.url}/v1/chat/completions", json=body, headers=headers) as reply,
    ):
        assert reply.status == 200, await reply.text()
        yield Reader(reply)


def said(events: list[Any]) -> str:
    return "".join(each["choices"][0]["delta"].get("content") or "" for each in events if isinstance(each, dict) and each.get("choices"))


async def until(true: Callable[[], bool]) -> None:
    async with patience():
        while not true():
            await asyncio.sleep(0.005)


async def waiting(door: Door, count: int) -> None:
    """Until so many are there for the one answer that is under way."""
    flights = door.front._in_flight  # type: ignore[union-attr]
    await until(lambda: sum(each._members for each in flights.values()) == count)


async def log_of(door: Door) -> list[tuple[str, int, int]]:
    await door.api.services.budget.requests.close()
    query = text(
        "select r.cache, r.status, r.saved_nanousd from request_log r join developers d on d.id = r.developer_id where d.name = :name order by r.id"
    )
    async with door.api.services.database.begin() as connection:
        return [tuple(row) for row in await connection.execute(query, {"name": door.developer})]  # type: ignore[misc]


@pytest.mark.parametrize("first", ["streamed", "whole"])
async def test_a_hundred_at_once_streamed_and_whole_are_one_call_and_one_charge(api: Api, first: str) -> None:
    words = "".join(full("say 30 words"))
    async with open_door(api, cached=True, fakes={"first_token_ms": 100, "per_token_ms": 10}) as door:
        asked = []
        for number in range(100):
            if (number % 2 == 0) == (first == "streamed"):
                asked.append(asyncio.create_task(door.events("say 30 words", stream_options=USAGE)))
            else:
                asked.append(asyncio.create_task(door.chat("say 30 words")))  # type: ignore[arg-type]
            if number == 0:
                await until(lambda: bool(door.fakes["one"].asked))
        replies = await asyncio.gather(*asked)
        streams = [each for each in replies if isinstance(each, tuple)]
        wholes = [each for each in replies if not isinstance(each, tuple)]
        assert {said(events) for _, events in streams} == {words}
        assert {each.json["choices"][0]["message"]["content"] for each in wholes} == {words}
        told = [*(reply for reply, _ in streams), *wholes]
        assert sorted(each.headers["x-cairn-cache"] for each in told) == ["memory"] * 99 + ["miss"]
        assert await door.asked() == {"one": 1, "two": 0}
        assert await door.holds() == [("one", "settled", "usage")]
        cost = (await door.money())["spent_usd"]
        followed = [events[-2]["usage"] for reply, events in streams if reply.headers["x-cairn-cache"] == "memory"]
        assert {(each["cost_usd"], each["saved_usd"]) for each in followed} == {(0, cost)}
        assert {float(each.headers["x-cairn-cost-usd"]) for each in told if each.headers["x-cairn-cache"] == "memory"} == {0}
        rows = await log_of(door)
        assert sorted((cache, status, saved > 0) for cache, status, saved in rows) == [("memory", 200, True)] * 99 + [("miss", 200, False)]
        shown = next(each for each in (await door.api.ask("GET", "/v1/caches")).json["caches"] if each["name"] == "completions")
        assert shown["saved_usd"] == pytest.approx(99 * cost)


async def test_a_follower_gets_what_was_said_and_then_each_chunk_as_it_comes(api: Api) -> None:
    async with open_door(api, cached=True, fakes={"per_token_ms": 60}) as door:
        async with reading(door, "say 60 words") as leader:
            before = [await leader.next() for _ in range(20)]
            async with reading(door, "say 60 words") as follower:
                assert follower.headers["x-cairn-cache"] == "memory"
                assert "x-cairn-saved-usd" not in follower.headers  # nobody knows yet
                first = await follower.next()
                assert not door.fakes["one"].asked[0].finished
                mine, theirs = [*before, *await leader.rest()], [first, *await follower.rest()]
        assert said(mine) == said(theirs) == "".join(full("say 60 words"))
        assert len(theirs) > 20
        assert [each["id"] for each in theirs[:-1]] == [mine[0]["id"]] * (len(theirs) - 1)
        assert [each["choices"][0]["finish_reason"] for each in theirs[:-2]][-1] == "stop"
        assert (mine[-1], theirs[-1]) == ("[DONE]", "[DONE]")


async def test_another_developer_of_the_team_pays_nothing_and_another_team_asks_itself(api: Api) -> None:
    async with open_door(api, cached=True, fakes={"per_token_ms": 10}) as door:
        mate, stranger = await api.developer(), await api.developer(f"team-{uuid4().hex[:8]}")
        async with reading(door, "say 30 words") as leader:
            await leader.next()
            (_, theirs), (reply, _) = await asyncio.gather(
                door.events("say 30 words", key=mate, stream_options=USAGE), door.events("say 30 words", key=stranger)
            )
            await leader.rest()
        assert said(theirs) == "".join(full("say 30 words"))
        assert reply.headers["x-cairn-cache"] == "miss"
        assert await door.asked() == {"one": 2, "two": 0}
        assert (await api.ask("GET", "/v1/budget", key=mate)).json["spent_usd"] == 0
        assert (await api.ask("GET", "/v1/budget", key=stranger)).json["spent_usd"] > 0
        assert len(await door.holds()) == 1


@pytest.mark.parametrize("fault", ["stall", "cut", "eof", "error_in_stream", "malformed"])
async def test_when_the_stream_breaks_readers_hear_it_and_those_who_waited_ask_once_for_all(api: Api, fault: str) -> None:
    timeouts = TimeoutSettings(connect=5, first_token=20, idle=5, answer=120, total=300)
    async with open_door(api, "one", cached=True, timeouts=timeouts, fakes={"per_token_ms": 400}) as door:
        door.fakes["one"].will(fault, after_tokens=10)  # type: ignore[arg-type]
        async with reading(door, "say 20 words") as leader, reading(door, "say 20 words") as follower:
            whole = [asyncio.create_task(door.chat("say 20 words")) for _ in range(20)]
            await waiting(door, 22)
            mine, theirs = await leader.rest(), await follower.rest()
            replies = await asyncio.gather(*whole)
        assert said(mine) == said(theirs) == "".join(full("say 20 words")[:10])
        assert [each[-1]["error"]["code"] for each in (mine, theirs)] == ["stream_broken"] * 2
        assert {each.json["choices"][0]["message"]["content"] for each in replies} == {"".join(full("say 20 words"))}
        assert await door.asked() == {"one": 2}
        assert [state for _, state, _ in await door.holds()] == ["settled", "settled"]
        assert (await door.money())["held_usd"] == 0
        assert sorted(each.headers["x-cairn-cache"] for each in replies) == ["memory"] * 19 + ["miss"]


async def test_a_stream_that_breaks_again_and_again_makes_no_storm(api: Api) -> None:
    async with open_door(api, "one", cached=True, fakes={"per_token_ms": 1000}, retries=0) as door:
        door.fakes["one"].will("cut", times=1, after_tokens=5)
        async with reading(door, "say 20 words") as leader:
            await leader.next()
            whole = [asyncio.create_task(door.chat("say 20 words")) for _ in range(30)]
            await waiting(door, 31)
            door.fakes["one"].will("503", times=None)
            await leader.rest()
            assert {each.status for each in await asyncio.gather(*whole)} == {502}
        assert (await door.asked())["one"] == 2


@pytest.mark.parametrize("prefill", [True, False])
async def test_a_rescued_stream_is_one_answer_for_all_who_read_along(api: Api, prefill: bool) -> None:
    async with open_door(api, cached=True, provider={"prefill": prefill}, fakes={"per_token_ms": 20}) as door:
        door.fakes["one"].will("cut", after_tokens=8)
        async with reading(door, "say 20 words") as leader, reading(door, "say 20 words") as follower:
            waits = asyncio.create_task(door.chat("say 20 words"))
            mine, theirs, whole = await leader.rest(), await follower.rest(), await waits
        words = "".join(full("say 20 words"))
        assert (said(mine), said(theirs), whole.json["choices"][0]["message"]["content"]) == (words, words, words)
        assert await door.asked() == {"one": 1, "two": 1}
        assert theirs[-2]["usage"]["provider"] == "two"
        assert len(await door.holds()) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_what_fails_before_it_begins_fails_for_all_who_wait(api: Api, stream: bool) -> None:
    async with open_door(api, cached=True, timeouts=QUICK, fakes={"first_token_ms": 100}) as door:
        for fake in door.fakes.values():
            fake.will("slow_headers", times=None)
        replies = await asyncio.gather(*(door.chat("the same", stream=stream) for _ in range(50)))
        assert {reply.status for reply in replies} == {502}
        assert sum((await door.asked()).values()) <= 4
        assert {status for _, status, _ in await log_of(door)} == {502}


@pytest.mark.parametrize("stream", [False, True])
async def test_when_the_first_one_leaves_before_an_answer_it_goes_on_for_the_others_and_is_paid_once(api: Api, stream: bool) -> None:
    async with open_door(api, cached=True, fakes={"first_token_ms": 5000}) as door:
        mate = await api.developer()
        leaving = asyncio.create_task(door.chat("say 9 words", stream=stream))
        await until(lambda: bool(door.fakes["one"].asked))
        staying = [
            asyncio.create_task(door.chat("say 9 words", key=mate)),
            asyncio.create_task(door.chat("say 9 words", key=mate, stream=True)),
        ]
        await waiting(door, 3)
        leaving.cancel()
        await waiting(door, 2)
        replies = await asyncio.gather(*staying)
        assert [(each.status, each.headers["x-cairn-cache"]) for each in replies] == [(200, "memory")] * 2
        assert await door.asked() == {"one": 1, "two": 0}
        assert await door.holds() == [("one", "settled", "usage")]
        assert (await api.ask("GET", "/v1/budget", key=mate)).json["spent_usd"] == 0


async def test_when_the_first_one_leaves_in_mid_stream_those_who_read_along_get_all_of_it(api: Api) -> None:
    async with open_door(api, cached=True, fakes={"per_token_ms": 120}) as door:
        async with reading(door, "say 40 words") as follower_of_nobody:
            await follower_of_nobody.next()
            async with reading(door, "say 40 words") as follower:
                begun = await follower.next()
                await waiting(door, 2)
                follower_of_nobody._reply.close()
                await waiting(door, 1)
                late = asyncio.create_task(door.events("say 40 words"))  # one may still join
                theirs = [begun, *await follower.rest()]
        assert said(theirs) == said((await late)[1]) == "".join(full("say 40 words"))
        assert theirs[-1] == "[DONE]"
        assert await door.asked() == {"one": 1, "two": 0}
        assert await door.holds() == [("one", "settled", "usage")]
        assert (await door.chat("say 40 words")).headers["x-cairn-cache"] == "memory"


async def test_when_all_have_left_the_provider_is_stopped_and_what_it_said_is_paid_once(api: Api) -> None:
    async with open_door(api, cached=True, fakes={"per_token_ms": 20}) as door:
        async with reading(door, "say 400 words") as leader, reading(door, "say 400 words") as follower:
            await leader.next()
            leader._reply.close()
            await waiting(door, 1)
            await follower.next()
        await until(lambda: door.fakes["one"].asked[0].disconnected)
        assert door.fakes["one"].asked[0].tokens_sent < 400
        assert await door.holds() == [("one", "settled", "partial")]
        assert not door.front._in_flight  # type: ignore[union-attr]
        door.fakes["one"].per_token_ms = 0
        assert (await door.chat("say 400 words")).headers["x-cairn-cache"] == "miss"


async def test_a_follower_that_leaves_disturbs_nobody(api: Api) -> None:
    async with open_door(api, cached=True, fakes={"per_token_ms": 120}) as door:
        async with reading(door, "say 40 words") as leader:
            await leader.next()
            async with reading(door, "say 40 words") as follower:
                await follower.next()
            gone = asyncio.create_task(door.chat("say 40 words"))
            await until(lambda: sum(each._members for each in door.front._in_flight.values()) >= 2)  # type: ignore[union-attr]
            gone.cancel()
            mine = await leader.rest()
        assert mine[-1] == "[DONE]"
        assert await door.holds() == [("one", "settled", "usage")]
        assert [(cache, status) for cache, status, _ in await log_of(door)].count(("miss", 200)) == 1
        assert ("memory", 499, 0) in await log_of(door)


async def test_a_follower_that_reads_late_holds_nobody_up_and_gets_the_same(api: Api) -> None:
    words = 6000
    async with open_door(api, cached=True) as door:
        door.fakes["one"].per_token_ms = 0.05
        async with (
            reading(door, f"say {words} words", max_tokens=words) as leader,
            reading(door, f"say {words} words", max_tokens=words) as late,
        ):
            mine = await leader.rest()
            theirs = await late.rest()
        assert said(mine) == said(theirs)
        assert (mine[-1], theirs[-1], len(said(mine).split())) == ("[DONE]", "[DONE]", words)
        assert (await door.asked())["one"] == 1


async def test_an_empty_budget_of_the_first_one_is_not_that_of_the_others(api: Api) -> None:
    async with open_door(api, cached=True, limit_usd=0.0001, fakes={"first_token_ms": 100}) as door:
        mate = await api.developer()
        replies = await asyncio.gather(*(door.chat("the same", key=key, max_tokens=1000) for key in [door.key] * 5 + [mate] * 5))
        assert {each.status for each in replies[5:]} == {200}
        # Who can't pay may still be given what a mate paid for, once the cache has it.
        assert {(each.status, each.headers.get("x-cairn-cache")) for each in replies[:5]} <= {(402, None), (200, "memory")}
        assert await door.asked() == {"one": 1, "two": 0}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_made_smaller_for_the_first_ones_budget_is_for_nobody_else(api: Api, stream: bool) -> None:
    budget = BudgetSettings(shrink=True, shrink_min_tokens=4)
    async with open_door(api, cached=True, limit_usd=0.00007, budget=budget, fakes={"first_token_ms": 5000}) as door:
        mate = await api.developer()
        poor = asyncio.create_task(door.chat("say 60 words", max_tokens=500, stream=stream))
        await until(lambda: bool(door.fakes["one"].asked))
        rich = [asyncio.create_task(door.chat("say 60 words", key=mate, max_tokens=500, stream=each)) for each in (True, False)]
        await waiting(door, 3)
        assert int((await poor).headers["x-cairn-shrunk-max-tokens"]) < 60
        streamed, whole = await asyncio.gather(*rich)
        assert whole.json["choices"][0]["message"]["content"] == "".join(full("say 60 words"))
        assert whole.json["choices"][0]["finish_reason"] == "stop"
        assert '"finish_reason":"length"' not in streamed.text.replace(" ", "")
        again = await door.chat("say 60 words", key=mate, max_tokens=500)
        assert (again.headers["x-cairn-cache"], again.json["choices"][0]["finish_reason"]) == ("memory", "stop")


async def test_what_is_under_way_when_the_server_stops_is_settled(api: Api) -> None:
    async with open_door(api, cached=True, fakes={"per_token_ms": 20}) as door:
        async with reading(door, "say 400 words") as leader, reading(door, "say 400 words") as follower:
            await leader.next()
            await door.front.close()
            assert (await leader.rest())[-1]["error"]["code"] == (await follower.rest())[-1]["error"]["code"] == "stream_broken"
        assert await door.holds() == [("one", "settled", "partial")]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kept", [True, False])
async def test_who_has_nothing_left_gets_only_what_the_cache_would_give(api: Api, stream: bool, kept: bool) -> None:
    words = " word" if kept else " ghp_" + "Zx81kQ0vT7" * 4
    liar = HostileProvider(Lie(piece=words, pieces=12, pause=0.03, usage=(5, 12)))
    async with liar, open_door(api, hostile={"liar": liar}, cached=True) as door:
        poor = await other_key(door, limit_usd=0)
        leading = asyncio.create_task(door.chat("the same", stream=True))
        await waiting(door, 1)
        theirs = await door.chat("the same", key=poor, stream=stream)
        assert (await leading).status == 200
        assert len(liar.asked) == 1
        if kept:
            assert (theirs.status, theirs.headers["x-cairn-cache"], theirs.headers["x-cairn-cost-usd"]) == (200, "memory", "0")
            assert "word word" in theirs.text or theirs.text.count(" word") == 12
        else:
            assert (theirs.status, theirs.error["code"]) == (402, "budget_exceeded")
            assert "ghp_" not in theirs.text


async def test_while_nobody_reads_the_provider_is_not_read_on(api: Api) -> None:
    liar = HostileProvider(Lie(piece=" word" * 400, pieces=4_000))
    async with liar, open_door(api, hostile={"liar": liar}, cached=True, limit_usd=100) as door:
        async with unread(door, "a long one", max_tokens=1_000_000):
            await waiting(door, 1)
            flight = next(iter(door.front._in_flight.values()))  # type: ignore[union-attr]
            await until(lambda: flight.fanout is not None and flight.fanout._ahead() > MAX_AHEAD_BYTES)
            assert liar.sent < 4_000
        ((name, state, mark),) = await held(door)
        assert (name, state, mark) == ("liar", "settled", "partial")
        assert liar.sent < 4_000
        assert (await door.money())["spent_usd"] < 2  # a million words would be $2


async def test_a_caller_who_leaves_pays_for_what_had_come(api: Api) -> None:
    liar = HostileProvider(Lie(pieces=5_000, pause=0.01))
    async with liar, open_door(api, hostile={"liar": liar}, cached=True) as door:
        async with reading(door, "leave early", max_tokens=2_000) as reader:
            for _ in range(30):
                await reader.next()
        ((_, _, mark),) = await held(door)
        assert mark == "partial"
        spent = (await door.money())["spent_usd"]
        assert 30 * 2e-6 <= spent <= 80 * 2e-6  # $2 a million; a busy machine notices late that the caller has left


async def held(door: Door) -> list[tuple[str, str, str | None]]:
    """The holds, once each has ended."""
    async with patience():
        while True:
            found = await door.holds()
            if found and not any(state == "held" for _, state, _ in found):
                return found
            await asyncio.sleep(0.01)


async def other_key(door: Door, *, limit_usd: float) -> str:
    """A key of another developer of the same team."""
    name = f"dev-{uuid4().hex[:12]}"
    made = await door.api.ask("POST", "/v1/developers", json={"name": name, "monthly_limit_usd": limit_usd})
    assert made.status == 201, made.text
    return str((await door.api.ask("POST", f"/v1/developers/{name}/keys")).json["key"])


@asynccontextmanager
async def unread(door: Door, prompt: str, **fields: Any) -> AsyncIterator[None]:
    """A caller who asks for a stream and reads nothing of it, with little room in its socket."""
    body = msgspec.json.encode({"model": "auto", "messages": [{"role": "user", "content": prompt}], "stream": True, **fields})
    address = urlsplit(door.api.url)
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(caller, (address.hostname, address.port))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {door.key}\r\ncontent-type: application/json\r\n"
        await loop.sock_sendall(caller, f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        yield


async def test_who_leaves_a_model_that_thinks_unseen_leaves_its_hold_charged(api: Api) -> None:
    liar = HostileProvider(Lie(pieces=5_000, pause=0.01))
    async with liar, open_door(api, hostile={"liar": liar}, provider={"reasoning": True}) as door:
        async with reading(door, "think first", max_tokens=2_000) as reader:
            await reader.next()
        assert await held(door) == [("liar", "unreconciled", None)]
        found = await door.money()
        assert found["spent_usd"] == found["unreconciled_usd"] >= 2_000 * 2e-6


@pytest.mark.parametrize("stream", [True, False])
async def test_who_has_nothing_left_keeps_no_call_going_that_its_payer_left(api: Api, stream: bool) -> None:
    liar = HostileProvider(Lie(pieces=5_000, pause=0.01))
    async with liar, open_door(api, hostile={"liar": liar}, cached=True) as door:
        poor = await other_key(door, limit_usd=0)
        async with reading(door, "the same", max_tokens=2_000) as reader:
            await reader.next()
            waiting_poor = asyncio.create_task(door.chat("the same", key=poor, stream=stream, max_tokens=2_000))
            await reader.next()
        theirs = await waiting_poor
        assert (theirs.status, theirs.error["code"]) == (402, "budget_exceeded")
        ((_, state, mark),) = await held(door)
        assert (state, mark) == ("settled", "partial")
        assert liar.sent < 4_000
