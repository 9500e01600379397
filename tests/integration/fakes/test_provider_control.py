"""How the fake is told what to do, from its own process and from another, and what it remembers."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from tests.fakes.provider import FakeProvider
from tests.integration.fakes.speaking import ask

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider(models=("a", "b")) as served:
        yield served


async def statuses(fake: FakeProvider, *models: str) -> list[int]:
    return [(await ask(fake, "openai", model=model)).status for model in models]


async def test_faults_are_taken_one_a_request_in_their_order(fake: FakeProvider) -> None:
    fake.will("500", times=2)
    fake.will("429")
    assert await statuses(fake, *"aaaa") == [500, 500, 429, 200]


async def test_a_fault_may_wait_for_its_model(fake: FakeProvider) -> None:
    fake.will("503", times=None, match="b")
    fake.will("401", match="a")
    assert await statuses(fake, *"babab") == [503, 401, 503, 200, 503]


async def test_clear_forgets_faults_and_requests(fake: FakeProvider) -> None:
    fake.will("500", times=None)
    assert await statuses(fake, "a") == [500]
    fake.clear()
    assert await statuses(fake, "a") == [200]
    assert [asked.fault for asked in fake.asked] == [None]


async def test_an_unknown_fault_is_refused(fake: FakeProvider) -> None:
    with pytest.raises(ValueError, match="no fault is called"):
        fake.will("gremlins")  # type: ignore[arg-type]


async def test_a_request_is_remembered(fake: FakeProvider) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as session:
        await ask(fake, "gemini", model="b", session=session)
        fake.will("429")
        await ask(fake, "openai", model="a", session=session)
    first, second = fake.asked
    assert (first.path, first.model, first.headers["authorization"]) == ("/v1beta/models/b:generateContent", "b", "Bearer k")
    assert (first.tokens_sent, first.finished, first.disconnected, first.fault) == (6, True, False, None)
    assert (second.body["model"], second.fault, second.tokens_sent, second.finished) == ("a", "429", 0, True)
    assert first.peer == second.peer
    assert first.when <= second.when


async def test_only_the_last_requests_are_remembered() -> None:
    async with FakeProvider(remember=2) as fake:
        await statuses(fake, "a", "b", "c")
        assert [asked.model for asked in fake.asked] == ["b", "c"]


async def test_a_client_that_leaves_within_a_stream_is_seen() -> None:
    async with FakeProvider(per_token_ms=10) as fake, aiohttp.ClientSession() as session:
        body = {"model": "a", "stream": True, "messages": [{"role": "user", "content": "say 1000 words"}]}
        async with session.post(fake.api_base("openai") + "/chat/completions", json=body) as reply:
            await reply.content.readline()
            reply.close()
        await fake.idle()
        asked = fake.asked[0]
        assert (asked.disconnected, asked.finished) == (True, False)
        assert asked.tokens_sent < 1000


async def test_a_large_request_is_read(fake: FakeProvider) -> None:
    body = json.dumps({"model": "a", "messages": [{"role": "user", "content": "long " * 500_000}]}).encode()
    async with aiohttp.ClientSession() as session, session.post(fake.api_base("openai") + "/chat/completions", data=BytesIO(body)) as reply:
        assert (await reply.json())["usage"]["prompt_tokens"] == 500_000


async def test_another_process_controls_it_over_http(fake: FakeProvider) -> None:
    async with aiohttp.ClientSession() as session:
        planned = [{"fault": "429", "retry_after": 3, "times": 2}, {"fault": "stall", "after_tokens": 1, "seconds": 0.01, "match": "a"}]
        for each in (planned, {"fault": "500"}):
            async with session.post(fake.url + "/_control/faults", json=each) as reply:
                assert reply.status == 200
        assert await statuses(fake, *"aaaa") == [429, 429, 200, 500]
        async with session.get(fake.url + "/_control/asked") as reply:
            told = await reply.json()
        assert [(each["fault"], each["model"], each["headers"]["content-type"]) for each in told] == [
            (name, "a", "application/json") for name in ("429", "429", "stall", "500")
        ]
        async with session.delete(fake.url + "/_control") as reply:
            assert reply.status == 200
        assert fake.asked == []


@pytest.mark.parametrize("given", [b'{"fault":"gremlins"}', b"{", b'{"fault":"500","times":"x"}'])
async def test_a_plan_that_is_none_is_refused_over_http(fake: FakeProvider, given: bytes) -> None:
    async with aiohttp.ClientSession() as session, session.post(fake.url + "/_control/faults", data=given) as reply:
        assert reply.status == 400


async def test_it_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.provider", "--prefill", "restart", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    async with aiohttp.ClientSession() as session:
        body = {"model": "a", "messages": [{"role": "user", "content": "say 3 words"}]}
        async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
            assert len((await reply.json())["choices"][0]["message"]["content"].split()) == 3
        async with session.post(f"{url}/_control/faults", json={"fault": "silent"}) as reply:
            assert reply.status == 200
        async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 60) == 0
