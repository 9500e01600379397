"""Messages over HTTP: as a developer's agents put and receive them, in their team and no other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.integration.api.conftest import Api, Reply
from tests.waiting import patience

GROUP = {"group": "g", "consumer": "a"}


class Channel:
    """A channel of the test's own, as one developer's agents see it."""

    def __init__(self, api: Api, key: str, name: str | None = None) -> None:
        self.api = api
        self.key = key
        self.name = name or f"c{uuid4().hex}"

    def ask(self, method: str, what: str, **options: Any) -> Any:
        return self.api.ask(method, f"/v1/channels/{self.name}/{what}", key=self.key, **options)

    async def put(self, payload: object, **fields: object) -> Reply:
        return await self.ask("POST", "messages", json={"type": "task", "payload": payload, **fields})  # type: ignore[no-any-return]

    async def take(self, **params: object) -> list[dict[str, Any]]:
        found = await self.ask("GET", "messages", params={**GROUP, **params})
        assert found.status == 200, found.text
        return found.json["messages"]  # type: ignore[no-any-return]

    async def waiting(self, anybody: bool) -> None:
        """Until somebody, or nobody, waits at the server for a message of this channel: a client that leaves is noticed a little later."""
        async with patience():
            while any(each.name == self.name for each in self.api.services.messages._waiters._groups) != anybody:
                await asyncio.sleep(0.01)


@pytest.fixture
async def channel(api: Api) -> Channel:
    return Channel(api, await api.developer())


async def test_a_message_goes_round(channel: Channel) -> None:
    put = await channel.put({"branch": "main", "n": [1, 2.5, None]}, to="g")
    assert put.status == 201
    assert put.json["redactions"] == {}
    (found,) = await channel.take()
    assert found.pop("at").endswith("Z")
    sender = found.pop("sender")
    assert sender.startswith("dev-")
    assert found == {
        "id": put.json["id"],
        "channel": channel.name,
        "type": "task",
        "to": "g",
        "payload": {"branch": "main", "n": [1, 2.5, None]},
        "deliveries": 1,
    }
    assert await channel.take() == []
    done = await channel.ask("POST", "acknowledgements", json={"group": "g", "ids": [put.json["id"]]})
    assert (done.status, done.json) == (200, {"acknowledged": 1})
    dead = await channel.ask("GET", "dead-letters")
    assert (dead.status, dead.json) == (200, {"dead_letters": [], "next_cursor": None})


async def test_a_secret_is_taken_out_and_said(channel: Channel) -> None:
    put = await channel.put({"password": "correcthorsebattery9"})
    assert put.json["redactions"] == {"password": 1}
    assert (await channel.take())[0]["payload"] == {"password": "[REDACTED:password]"}


async def test_a_long_poll_is_answered_when_a_message_comes(channel: Channel) -> None:
    waiting = asyncio.create_task(channel.take(wait_seconds=30))
    await asyncio.sleep(0.2)
    await channel.put("now")
    async with asyncio.timeout(60):
        assert [each["payload"] for each in await waiting] == ["now"]
    assert await channel.take(wait_seconds=0.1) == []


async def test_a_caller_that_leaves_takes_no_message_with_it(channel: Channel) -> None:
    leaving = asyncio.create_task(channel.take(wait_seconds=50))
    await channel.waiting(True)
    leaving.cancel()
    await channel.waiting(False)
    await channel.put("stays")
    assert [each["payload"] for each in await channel.take()] == ["stays"]


@asynccontextmanager
async def listening(channel: Channel, **params: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    url = f"{channel.api.url}/v1/channels/{channel.name}/stream"
    async with channel.api.http.get(url, params={**GROUP, **params}, headers={"authorization": f"Bearer {channel.key}"}) as reply:
        assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")

        async def events() -> AsyncIterator[dict[str, Any]]:
            last = ""
            async for line in reply.content:
                if line.startswith(b"id: "):
                    last = line[4:].decode().strip()
                elif line.startswith(b"data: "):
                    found = json.loads(line[6:])
                    assert found["id"] == last
                    yield found

        yield events()


async def test_a_stream_tells_each_message_once_to_one_member(channel: Channel) -> None:
    await channel.put("before\nand after")
    async with patience(), listening(channel) as events:
        assert (await anext(events))["payload"] == "before\nand after"
        async with listening(channel, consumer="b") as others:
            for number in range(20):
                await channel.put(number)
            got: list[object] = []

            async def collect(stream: AsyncIterator[dict[str, Any]]) -> None:
                async for each in stream:
                    got.append(each["payload"])

            tasks = [asyncio.create_task(collect(stream)) for stream in (events, others)]
            while len(got) < 20:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(got) == list(range(20))  # type: ignore[type-var]
    await channel.waiting(False)
    await channel.put("after the stream")
    assert [each["payload"] for each in await channel.take()] == ["after the stream"]


async def test_many_agents_wait_at_once_and_each_is_woken(channel: Channel) -> None:
    await channel.put("first")
    agents = [f"agent-{number}" for number in range(200)]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        crowd = Channel(Api(channel.api.url, channel.api.key, channel.api.services, http, channel.api.app), channel.key, channel.name)
        for word in ("first", "go"):
            waiting = [asyncio.create_task(crowd.take(group=agent, wait_seconds=50)) for agent in agents]
            if word == "go":
                await asyncio.sleep(0.5)
                await channel.put("go")
            async with patience():
                assert [[each["payload"] for each in found] for found in await asyncio.gather(*waiting)] == [[word]] * len(agents)


async def test_nothing_crosses_teams(api: Api, channel: Channel) -> None:
    other = Channel(api, await api.developer(f"team-{uuid4().hex[:8]}"), channel.name)
    await channel.put("ours")
    assert await other.take() == []
    (ours,) = await channel.take()
    refused = await other.ask("POST", "acknowledgements", json={"group": "g", "ids": [ours["id"]]})
    assert (refused.status, refused.error["code"]) == (404, "not_found")
    assert (await other.ask("GET", "messages", params=GROUP, headers={"x-cairn-team": "default"})).status == 403


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"payload": 1}, 422, "type"),
        ({"type": "a b", "payload": 1}, 422, "type"),
        ({"type": "a\n", "payload": 1}, 422, "type"),
        ({"type": "t"}, 422, "payload"),
        ({"type": "t", "payload": 1, "sender": "eve"}, 422, "sender"),
        ({"type": "t", "payload": 1, "to": ""}, 422, "to"),
        ({"type": "t", "payload": "x" * 65_536}, 413, "payload"),
        ({"type": "t", "payload": json.loads("[" * 150 + "]" * 150)}, 422, "payload"),
    ],
)
async def test_a_message_that_can_not_be_put_names_its_field(channel: Channel, body: dict[str, Any], status: int, param: str) -> None:
    refused = await channel.ask("POST", "messages", json=body)
    assert (refused.status, refused.error["param"]) == (status, param), refused.text


async def test_odd_json_does_no_harm(channel: Channel) -> None:
    sent = {"content-type": "application/json"}
    for payload, status in (
        ("NaN", 422),
        ("1e999", 422),
        ('"\\ud800"', 201),
        ('"\\u0000"', 201),
        ("1" * 400, 201),
        ("[" * 5000 + "]" * 5000, 422),
    ):
        reply = await channel.ask("POST", "messages", data=f'{{"type": "t", "payload": {payload}}}', headers=sent)
        assert reply.status in {status, 400 if status == 422 else status}, (payload[:20], reply.text)
        if reply.status >= 400:
            assert reply.error["message"]
    assert [each["payload"] for each in await channel.take() if not isinstance(each["payload"], int | float)] == ["\ufffd", ""]


@pytest.mark.parametrize(
    ("method", "what", "options", "param"),
    [
        ("GET", "messages", {"params": {"group": "g"}}, "consumer"),
        ("GET", "messages", {"params": {**GROUP, "limit": 0}}, "limit"),
        ("GET", "messages", {"params": {**GROUP, "limit": 101}}, "limit"),
        ("GET", "messages", {"params": {**GROUP, "wait_seconds": 61}}, "wait_seconds"),
        ("GET", "messages", {"params": {**GROUP, "group": "a b"}}, "group"),
        ("GET", "stream", {"params": {**GROUP, "consumer": ""}}, "consumer"),
        ("GET", "dead-letters", {"params": {"limit": 1001}}, "limit"),
        ("POST", "acknowledgements", {"json": {"group": "g", "ids": []}}, "ids"),
        ("POST", "acknowledgements", {"json": {"ids": ["1"]}}, "group"),
    ],
)
async def test_what_is_asked_wrongly_names_its_field(channel: Channel, method: str, what: str, options: dict[str, Any], param: str) -> None:
    refused = await channel.ask(method, what, **options)
    assert (refused.status, refused.error["param"]) == (422, param), refused.text


async def test_a_wrong_channel_and_a_missing_key_are_said(api: Api, channel: Channel) -> None:
    wrong = await api.ask("GET", "/v1/channels/Not%20A%20Name/messages", key=channel.key, params=GROUP)
    assert (wrong.status, wrong.error["param"]) == (422, "channel")
    for what in ("messages", "stream"):
        assert (await api.ask("GET", f"/v1/channels/{channel.name}/{what}", key=None, params=GROUP)).status == 401
    unknown = await channel.ask("POST", "acknowledgements", json={"group": "nobody", "ids": ["1"]})
    assert (unknown.status, unknown.error["code"]) == (404, "not_found")
