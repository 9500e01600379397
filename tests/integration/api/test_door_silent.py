"""Providers that take a request and say nothing: who asks is answered by the next one, and nobody queues behind the silent one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.inference.provider_errors import ProviderError
from app.inference.wires import compatible
from app.settings import BreakerSettings, TimeoutSettings
from tests.fakes.provider import full
from tests.integration.api.conftest import Api, Reply
from tests.integration.api.door import PATIENT, Door, open_door
from tests.waiting import patience

WORDS = "".join(full("hello"))
FIRST_TOKEN_ONLY = TimeoutSettings(connect=10, first_token=3, idle=3, answer=600, total=600)
"""A wait for any other of them would fail the test by its own time limit."""
CROWDED = TimeoutSettings(connect=30, first_token=12, idle=12, answer=600, total=600)
"""A hundred callers come to the next provider at once: it has time for all of them."""
CALLERS, CONNECTIONS = 100, 50


def said(reply: Reply) -> str:
    return str(reply.json["choices"][0]["message"]["content"])


@pytest.mark.parametrize("fault", ["silent", "slow_headers", "comments_only"])
async def test_silence_at_a_plain_request_is_noticed_after_the_time_of_a_first_token(api: Api, fault: Any) -> None:
    async with open_door(api, timeouts=FIRST_TOKEN_ONLY) as door:
        door.fakes["one"].will(fault, times=None)
        reply = await door.chat()
        assert (reply.status, said(reply), reply.headers["x-cairn-provider"]) == (200, WORDS, "two")
        assert [(name, state) for name, state, _ in await door.holds()] == [("one", "unreconciled"), ("two", "settled")]


@pytest.mark.parametrize("fault", ["stall", "cut", "error_in_stream"])
async def test_a_plain_answer_that_breaks_off_is_asked_for_elsewhere_and_what_came_is_charged(api: Api, fault: Any) -> None:
    async with open_door(api, timeouts=FIRST_TOKEN_ONLY) as door:
        door.fakes["one"].will(fault, after_tokens=2)
        reply = await door.chat()
        assert (reply.status, said(reply), reply.headers["x-cairn-provider"]) == (200, WORDS, "two")
        assert await door.holds() == [("one", "settled", "partial"), ("two", "settled", "usage")]
        assert door.breaker("one")._machine.fail_counter == 1


@pytest.mark.parametrize("fields", [{}, {"n": 2}, {"tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]}])
async def test_what_was_streamed_is_the_answer_that_would_have_come_whole(api: Api, fields: dict[str, Any]) -> None:
    replies = []
    for streams in (True, False):
        async with open_door(api, "one", provider={"streams": streams}) as door:
            replies.append(await door.chat(**fields))
            assert bool(door.fakes["one"].asked[0].body.get("stream")) is streams
            assert await door.holds() == [("one", "settled", "usage")]
    ours, theirs = (_comparable(reply.json) for reply in replies)
    assert ours == theirs
    assert replies[0].headers["x-cairn-cost-usd"] == replies[1].headers["x-cairn-cost-usd"] != "0"


def _comparable(answer: Any) -> Any:
    """Without what differs from call to call, and what is empty: the fake's streams, as OpenAI's, don't carry all of it."""
    for choice in answer["choices"]:
        choice["message"] = {name: value for name, value in choice["message"].items() if value not in (None, [])}
        for call in choice["message"].get("tool_calls") or ():
            call.pop("id")
    return {name: value for name, value in answer.items() if name not in {"id", "created"}}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("connections", [CONNECTIONS, 500])
async def test_a_hundred_at_once_are_answered_though_the_first_provider_is_silent(api: Api, connections: int, stream: bool) -> None:
    async with open_door(api, timeouts=CROWDED, provider={"connections": connections}) as door:
        door.fakes["one"].will("slow_headers", times=None)
        replies = await asyncio.gather(*(door.chat(f"hello {n}", stream=stream) for n in range(CALLERS)))
        assert {(reply.status, reply.headers["x-cairn-provider"]) for reply in replies} == {(200, "two")}
        assert door.breaker("one").state == "open"
        held = await door.holds()
        sent = (await door.asked())["one"]
        assert sent <= min(CALLERS, connections)
        assert [state for name, state, _ in held if name == "one"] == ["unreconciled"] * sent  # who only waited pays nothing
        assert [state for name, state, _ in held if name == "two"] == ["settled"] * CALLERS


async def test_under_load_a_few_plain_requests_listen_and_the_rest_are_asked_whole(api: Api) -> None:
    async with open_door(api, "one", fakes={"first_token_ms": 300}, breaker=BreakerSettings(failures=3)) as door:
        replies = await asyncio.gather(*(door.chat(f"hello {n}") for n in range(30)))
        assert {reply.status for reply in replies} == {200}
        assert 1 <= streamed(door) < 30


def streamed(door: Door) -> int:
    return sum(bool(each.body.get("stream")) for each in door.fakes["one"].asked)


async def test_a_provider_that_answers_some_is_not_left_by_those_who_wait(api: Api) -> None:
    """Whoever waits for a long answer isn't called off by others' failures of another kind."""
    async with open_door(api, timeouts=PATIENT, fakes={"first_token_ms": 1000}, retries=0) as door:
        waiting = [asyncio.create_task(door.chat(f"hello {n}")) for n in range(10)]
        async with patience():
            while (await door.asked())["one"] < 10:
                await asyncio.sleep(0.01)
        door.fakes["one"].will("503", times=None)
        others = await asyncio.gather(*(door.chat(f"other {n}") for n in range(10)))
        assert {reply.headers["x-cairn-provider"] for reply in others} == {"two"}
        assert {reply.headers["x-cairn-provider"] for reply in await asyncio.gather(*waiting)} == {"one"}


async def test_a_server_that_refuses_streams_is_asked_whole_from_then_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door(api, "one", kinds={"one": "local"}) as door:
        real = compatible.CompatibleWire.stream

        async def refused(self: Any, call: Any) -> Any:
            raise ProviderError("caller", "Unsupported value: 'stream' does not support true with this model.", 400, param="stream")
            yield  # an async generator, as the real one

        monkeypatch.setattr(compatible.CompatibleWire, "stream", refused)
        replies = [await door.chat(), await door.chat()]
        assert [(reply.status, said(reply), reply.headers["x-cairn-attempts"]) for reply in replies] == [
            (200, WORDS, "2"),
            (200, WORDS, "1"),
        ]
        assert [state for _, state, _ in await door.holds()] == ["released", "settled", "settled"]
        assert door.breaker("one")._machine.fail_counter == 0
        monkeypatch.setattr(compatible.CompatibleWire, "stream", real)


@pytest.mark.parametrize("fault", [None, "500", "slow_headers", "stall", "cut", "malformed"])
async def test_a_connection_is_given_back_however_a_call_ends(api: Api, fault: Any) -> None:
    """With one connection, whoever comes later would find none."""
    async with open_door(api, timeouts=FIRST_TOKEN_ONLY, provider={"connections": 1}, breaker=BreakerSettings(failures=100)) as door:
        for stream in (False, True):
            if fault is not None:
                door.fakes["one"].will(fault, times=1)
            await door.chat(stream=stream)
            reply = await door.chat(f"after {stream}", stream=stream)
            assert (reply.status, reply.headers["x-cairn-provider"]) == (200, "one")


async def test_a_connection_is_given_back_by_who_leaves(api: Api) -> None:
    async with open_door(api, "one", timeouts=PATIENT, provider={"connections": 1}, fakes={"first_token_ms": 500}) as door:
        for stream in (False, True):
            task = asyncio.create_task(door.chat(stream=stream))
            asked = len(door.fakes["one"].asked)
            async with patience():
                while len(door.fakes["one"].asked) == asked:
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await door.chat("after")).status == 200
