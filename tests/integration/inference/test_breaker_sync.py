"""Breakers of two servers over a real Redis: opened by one, closed for both by one probe; alone while Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from app import supervision
from app.errors import ConfigurationError
from app.inference import breaker_sync as sharing_room
from app.inference.breaker import CircuitBreaker, CircuitOpen, Ticket
from app.inference.breaker_sync import BreakerSync
from app.inference.provider_errors import ProviderError
from app.settings import BreakerSettings as Options
from app.settings import RedisSettings as RedisOptions
from app.storage.redis import open_redis
from tests.fakes.redis_server import RedisServer
from tests.waiting import patience

FAULT = ProviderError("server_error", "it answered 503", 503)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Server:
    """One of two."""

    breaker: CircuitBreaker
    sharing: BreakerSync

    def fail(self, times: int = 5, fault: ProviderError = FAULT) -> None:
        for _ in range(times):
            ticket = self.breaker.admit()
            assert isinstance(ticket, Ticket)
            ticket.failed(fault)

    async def exchange(self) -> None:
        await self.sharing.exchange({"groq": self.breaker})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def servers(redis_server: RedisServer, clock: Clock) -> AsyncIterator[tuple[Server, Server]]:
    async with open_redis(RedisOptions(url=SecretStr(redis_server.url), timeout_seconds=30)) as client:
        assert client is not None
        await client.flushall()
        made = []
        for _ in range(2):
            sharing = BreakerSync(client)
            made.append(Server(CircuitBreaker("groq", Options(), now=clock, changed=sharing.changed), sharing))
        yield made[0], made[1]


async def test_what_one_opens_is_open_for_both(servers: tuple[Server, Server]) -> None:
    one, two = servers
    one.fail()
    await one.exchange()
    await two.exchange()
    assert two.breaker.state == "open"
    assert two.breaker.seconds_left == pytest.approx(60, abs=15)


async def test_one_server_probes_and_its_success_closes_for_both(servers: tuple[Server, Server], clock: Clock) -> None:
    one, two = servers
    one.fail()
    await one.exchange()
    await two.exchange()
    clock.now += 59.5
    await one.exchange()
    await two.exchange()  # one has the right to probe
    clock.now += 1
    assert isinstance(two.breaker.admit(), CircuitOpen)
    probe = one.breaker.admit()
    assert isinstance(probe, Ticket)
    probe.passed()
    await one.exchange()
    await two.exchange()
    assert (one.breaker.state, two.breaker.state) == ("closed", "closed")


async def test_a_failed_probe_keeps_it_open_for_both(servers: tuple[Server, Server], clock: Clock) -> None:
    one, two = servers
    one.fail()
    await one.exchange()
    await two.exchange()
    clock.now += 59.5
    await one.exchange()
    clock.now += 1
    one.fail(1)
    await one.exchange()
    await two.exchange()
    assert (one.breaker.state, two.breaker.state) == ("open", "open")


async def test_a_providers_own_wait_holds_for_both(servers: tuple[Server, Server]) -> None:
    one, two = servers
    one.fail(1, ProviderError("rate_limited", "429", 429, retry_after=30))
    await one.exchange()
    await two.exchange()
    refusal = two.breaker.admit()
    assert isinstance(refusal, CircuitOpen)
    assert refusal.limited
    assert refusal.seconds == pytest.approx(30, abs=15)


async def test_the_other_hears_why_a_provider_wants_to_be_left_alone(servers: tuple[Server, Server]) -> None:
    one, two = servers
    one.fail(1, ProviderError("server_error", "503", 503, retry_after=30))
    await one.exchange()
    await two.exchange()
    refusal = two.breaker.admit()
    assert isinstance(refusal, CircuitOpen)
    assert not refusal.limited


async def test_without_redis_each_goes_on_alone_and_they_meet_again(
    servers: tuple[Server, Server], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing_room, "PERIOD_SECONDS", 0.01)
    one, two = servers
    tasks = [asyncio.create_task(supervision.run(*each.sharing.loops({"groq": each.breaker}))) for each in servers]
    await asyncio.to_thread(redis_server.stop)
    one.fail()
    assert (one.breaker.state, two.breaker.state) == ("open", "closed")
    await asyncio.to_thread(redis_server.start)
    async with patience():
        while two.breaker.state != "open":
            await asyncio.sleep(0.01)
    assert one.breaker.state == "open"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_it_ends_when_it_is_told_to_whatever_it_is_doing(servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing_room, "PERIOD_SECONDS", 0.0002)
    for number in range(60):
        tasks = [asyncio.create_task(supervision.run(*each.sharing.loops({"groq": each.breaker}))) for each in servers]
        await asyncio.sleep(number % 20 / 2000)
        for task in tasks:
            task.cancel()
        ended, _ = await asyncio.wait(tasks, timeout=60)
        assert len(ended) == 2


async def test_a_url_that_is_none_says_so() -> None:
    with pytest.raises(ConfigurationError, match="CAIRN_REDIS__URL"):
        async with open_redis(RedisOptions(url=SecretStr("what is this"))):
            pass


@pytest.mark.parametrize("kind", ["a list", "noise", "a word of a newer version"])
@pytest.mark.parametrize("key", ["state", "limited"])
async def test_what_cannot_be_read_of_one_breaker_keeps_nothing_from_the_others(
    servers: tuple[Server, Server], redis_server: RedisServer, key: str, kind: str
) -> None:
    one, two = servers
    async with open_redis(RedisOptions(url=SecretStr(redis_server.url), timeout_seconds=30)) as client:
        assert client is not None
        name = f"cairn:breaker:{key}:anthropic"
        if kind == "a list":
            await client.rpush(name, "x")
        else:
            await client.set(name, b"\xff\xfe" if kind == "noise" else "slow-start:7", px=60_000)
    other = CircuitBreaker("anthropic", Options(), now=Clock())
    one.fail()
    await one.exchange()
    await two.sharing.exchange({"anthropic": other, "groq": two.breaker})
    assert (other.state, two.breaker.state) == ("closed", "open")
