"""A real server that stops, or is killed, while it streams: callers are drained, and every hold comes to its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from tests.fakes.provider import FakeProvider
from tests.running import Running, start
from tests.waiting import patience

pytestmark = pytest.mark.long

CONFIG = """
[providers.one]
kind = "openai"
model = "one-model"
api_base = "{url}/v1"
api_key_env = "FAKE_KEY"
input_usd_per_mtok = 1.0
output_usd_per_mtok = 2.0

[inference]
chain = ["one"]
"""


@pytest.fixture
def servers() -> Iterator[list[Running]]:
    made: list[Running] = []
    yield made
    for each in made:
        each.stop()


def started(folder: Path, fake: FakeProvider, servers: list[Running], **env: str) -> Running:
    config = folder.parent / f"{folder.name}.toml"
    config.write_text(CONFIG.format(url=fake.url))
    server = start(folder, {"CAIRN_CONFIG": str(config), "FAKE_KEY": "sk-fake", **env})
    servers.append(server)
    return server


async def stream(server: Running, key: str, words: int) -> tuple[int, bytes]:
    """Its status and all that came of it."""
    prompt = f"{uuid4().hex}: say {words} words"  # not the same twice: that would be one call for all
    body = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    got = b""
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession() as http, http.post(f"{server.url}/v1/chat/completions", json=body, headers=headers) as reply:
        with contextlib.suppress(aiohttp.ClientError):
            async for piece in reply.content.iter_any():
                got += piece
        return reply.status, got


def developer(server: Running) -> str:
    server.post("/v1/developers", {"name": "ada"})
    return str(server.post("/v1/developers/ada/keys", {})["key"])


async def asked(fake: FakeProvider, count: int) -> None:
    async with patience():
        while sum(each.tokens_sent > 3 for each in fake.asked) < count:
            await asyncio.sleep(0.02)


async def test_a_server_that_is_stopped_lets_its_streams_come_to_their_end(short_folder: Path, servers: list[Running]) -> None:
    async with FakeProvider(per_token_ms=20) as fake:
        server = await asyncio.to_thread(started, short_folder / "stops", fake, servers)
        key = await asyncio.to_thread(developer, server)
        streams = [asyncio.create_task(stream(server, key, 60)) for _ in range(5)]
        await asked(fake, 5)
        server.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*streams)
        assert [status for status, _ in answers] == [200] * 5
        assert all(got.endswith(b"data: [DONE]\n\n") for _, got in answers)
        assert await asyncio.to_thread(server.stop) == 0
        again = await asyncio.to_thread(started, short_folder / "stops", fake, servers)
        budget = await asyncio.to_thread(again.get, "/v1/budgets/ada")
        assert (budget["held_usd"], budget["unreconciled_usd"]) == (0, 0)
        assert budget["spent_usd"] == pytest.approx(sum(each.tokens_sent for each in fake.asked) * 2e-6, rel=0.2)


async def test_streams_that_outlast_the_stop_are_cut_and_settled_for_what_they_brought(short_folder: Path, servers: list[Running]) -> None:
    async with FakeProvider(per_token_ms=50) as fake:
        server = await asyncio.to_thread(started, short_folder / "cut", fake, servers, CAIRN_SERVER__SHUTDOWN_SECONDS="1")
        key = await asyncio.to_thread(developer, server)
        streams = [asyncio.create_task(stream(server, key, 900)) for _ in range(3)]
        await asked(fake, 3)
        server.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*streams)
        assert not any(got.endswith(b"data: [DONE]\n\n") for _, got in answers)
        await asyncio.to_thread(server.stop)
        again = await asyncio.to_thread(started, short_folder / "cut", fake, servers)
        budget = await asyncio.to_thread(again.get, "/v1/budgets/ada")
        assert (budget["held_usd"], budget["unreconciled_usd"]) == (0, 0)
        assert budget["spent_usd"] > 0  # type: ignore[operator]


async def test_of_a_server_that_was_killed_the_open_calls_stay_charged(short_folder: Path, servers: list[Running]) -> None:
    async with FakeProvider(per_token_ms=50) as fake:
        server = await asyncio.to_thread(started, short_folder / "killed", fake, servers)
        key = await asyncio.to_thread(developer, server)
        streams = [asyncio.create_task(stream(server, key, 900)) for _ in range(3)]
        await asked(fake, 3)
        server.process.kill()
        await asyncio.gather(*streams, return_exceptions=True)
        again = await asyncio.to_thread(started, short_folder / "killed", fake, servers, CAIRN_BUDGET__PROCESS_SILENT_SECONDS="1")
        async with patience():
            while (budget := await asyncio.to_thread(again.get, "/v1/budgets/ada"))["held_usd"] != 0:
                await asyncio.sleep(0.1)
        assert budget["unreconciled_usd"] == budget["spent_usd"] > 0  # type: ignore[operator]
