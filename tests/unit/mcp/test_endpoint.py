"""The MCP server's place-holder: nothing before the first request, one start for all that wait,
and a start that fails is told and tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.mcp import server
from app.mcp.endpoint import Endpoint, open_endpoint

SCOPE: Scope = {"type": "http"}


class Manager:
    """The SDK's manager of requests, as the endpoint uses it."""

    def __init__(self) -> None:
        self.running = False
        self.asked = 0
        self.broken = asyncio.Event()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        self.running = True
        try:
            async with asyncio.TaskGroup() as group:
                failing = group.create_task(self._fail())
                yield
                failing.cancel()
        finally:
            self.running = False

    async def _fail(self) -> None:
        await self.broken.wait()
        raise RuntimeError("the task group broke")

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.running
        self.asked += 1


async def receive() -> Message:
    return {}


async def send(message: Message) -> None:
    del message


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Manager]:
    """The managers that were made, in order."""
    managers: list[Manager] = []

    def make(*, max_body_bytes: int) -> Manager:
        assert max_body_bytes == 99
        managers.append(Manager())
        return managers[-1]

    monkeypatch.setattr(server, "make_endpoint", make)
    return managers


async def test_a_server_that_no_agent_asks_starts_nothing(made: list[Manager]) -> None:
    async with open_endpoint(max_body_bytes=99):
        await asyncio.sleep(0)
    assert made == []


async def test_requests_that_come_at_once_wait_for_one_start_which_ends_with_the_endpoint(made: list[Manager]) -> None:
    async with open_endpoint(max_body_bytes=99) as endpoint:
        await asyncio.gather(*(endpoint.handle_request(SCOPE, receive, send) for _ in range(3)))
        await endpoint.handle_request(SCOPE, receive, send)
        assert [(each.asked, each.running) for each in made] == [(4, True)]
    assert not made[0].running


async def test_a_request_that_is_given_up_while_the_server_starts_takes_nothing_from_the_others(made: list[Manager]) -> None:
    endpoint = Endpoint(max_body_bytes=99)
    given_up, waiting = (asyncio.create_task(endpoint.handle_request(SCOPE, receive, send)) for _ in range(2))
    await asyncio.sleep(0)
    given_up.cancel()
    running = asyncio.create_task(endpoint.run())
    await waiting
    assert (given_up.cancelled(), made[0].asked) == (True, 1)
    running.cancel()
    await asyncio.wait([running])


async def test_each_request_is_told_why_the_server_can_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*, max_body_bytes: int) -> Manager:
        raise ImportError(f"no mcp for {max_body_bytes}")

    monkeypatch.setattr(server, "make_endpoint", fail)
    async with open_endpoint(max_body_bytes=99) as endpoint:
        for _ in range(2):
            with pytest.raises(ImportError, match="no mcp for 99"):
                await endpoint.handle_request(SCOPE, receive, send)


async def test_a_start_that_failed_is_tried_again_at_the_next_request(made: list[Manager], monkeypatch: pytest.MonkeyPatch) -> None:
    working, failures = server.make_endpoint, [ImportError("half installed"), OSError("too many open files")]

    def fail_at_first(*, max_body_bytes: int) -> object:
        if failures:
            raise failures.pop(0)
        return working(max_body_bytes=max_body_bytes)

    monkeypatch.setattr(server, "make_endpoint", fail_at_first)
    async with open_endpoint(max_body_bytes=99) as endpoint:
        at_once = (endpoint.handle_request(SCOPE, receive, send) for _ in range(2))
        told = await asyncio.gather(*at_once, return_exceptions=True)
        assert [str(each) for each in told] == ["half installed", "half installed"]
        with pytest.raises(OSError, match="too many open files"):
            await endpoint.handle_request(SCOPE, receive, send)
        await endpoint.handle_request(SCOPE, receive, send)
    assert [each.asked for each in made] == [1]


async def test_a_server_that_ended_by_an_error_is_started_again_at_the_next_request(made: list[Manager]) -> None:
    async with open_endpoint(max_body_bytes=99) as endpoint:
        await endpoint.handle_request(SCOPE, receive, send)
        made[0].broken.set()
        while made[0].running:
            await asyncio.sleep(0)
        await endpoint.handle_request(SCOPE, receive, send)
        assert [(each.asked, each.running) for each in made] == [(1, False), (1, True)]


async def test_who_waits_for_a_start_when_the_application_ends_is_cancelled() -> None:
    endpoint = Endpoint(max_body_bytes=99)
    running = asyncio.create_task(endpoint.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    waiting = asyncio.create_task(endpoint.handle_request(SCOPE, receive, send))
    await asyncio.wait([waiting])
    assert waiting.cancelled()
