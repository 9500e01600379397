"""Limits of two servers over a real Redis: exact together, each for itself while it is away, and together again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app import supervision
from app.rate_limits.limits import RateLimits
from app.rate_limits.local import LocalLimits
from app.rate_limits.scripts import TAKE, USE
from app.rate_limits.shared import MAX_CONCURRENT, SharedLimits
from app.settings import LimitsSettings
from app.settings import RedisSettings as RedisOptions
from app.storage.redis import open_redis
from tests.fakes.redis_server import RedisServer
from tests.waiting import patience

LIMIT = 40


@dataclass(slots=True)
class Server:
    """One of two."""

    limits: RateLimits
    shared: SharedLimits
    client: Redis

    async def ask(self, key: object, times: int) -> Counter[bool]:
        """Let through, or not; so many at once."""
        found = await asyncio.gather(*(self.limits.admit(key, model=True) for _ in range(times)))  # type: ignore[arg-type]
        return Counter(each is not None and each.refusal is None for each in found)


@pytest.fixture
async def servers(redis_server: RedisServer) -> AsyncIterator[tuple[Server, Server]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            options = RedisOptions(url=SecretStr(redis_server.url), connections=MAX_CONCURRENT, timeout_seconds=2)
            client = await stack.enter_async_context(open_redis(options))
            assert client is not None
            await client.flushall()
            shared = SharedLimits(client, timeout_seconds=10)
            stack.push_async_callback(shared.close)
            task = asyncio.create_task(supervision.run(*shared.loops()))
            stack.callback(task.cancel)
            made.append(
                Server(RateLimits(LimitsSettings(model_requests_a_minute=LIMIT, model_tokens_a_minute=1000), shared), shared, client)
            )
        yield made[0], made[1]


async def back(*servers: Server) -> None:
    async with patience():
        while any(each.shared.unavailable for each in servers):
            await asyncio.sleep(0.02)


async def test_of_many_at_once_at_two_servers_exactly_the_limit_is_let_through(servers: tuple[Server, Server]) -> None:
    key, other = uuid4(), uuid4()
    found = await asyncio.gather(*(each.ask(key, 100) for each in servers), servers[0].ask(other, 10))
    assert found[0] + found[1] == {True: LIMIT, False: 200 - LIMIT}
    assert found[2] == {True: 10}
    assert await servers[1].ask(key, 5) == {False: 5}


async def test_tokens_that_one_server_counted_the_other_refuses_for(servers: tuple[Server, Server]) -> None:
    one, two = servers
    key = uuid4()
    first = await one.limits.admit(key, model=True)
    assert first is not None
    first.used(1001)
    await one.shared.close()
    second = await two.limits.admit(key, model=True)
    assert second is not None
    assert second.refusal is not None
    assert "1,000 tokens of the last minute" in second.refusal.message
    assert 30 < second.refusal.retry_after <= 61


async def test_what_is_counted_is_gone_a_minute_after_it_was_last_used(servers: tuple[Server, Server]) -> None:
    one, _ = servers
    admission = await one.limits.admit(uuid4(), model=True)
    assert admission is not None
    admission.used(1)
    await one.shared.close()
    keys = await one.client.keys("*")
    assert len(keys) == 2
    for each in keys:
        assert 30 < await one.client.ttl(each) <= 62


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_redis_away_each_counts_for_itself_says_so_once_and_they_meet_again(
    servers: tuple[Server, Server], redis_server: RedisServer, how: str
) -> None:
    one, two = servers
    key = uuid4()
    assert await one.ask(key, 10) == {True: 10}
    with capture_logs() as logs:
        if how == "killed":
            await asyncio.to_thread(redis_server.kill)
        else:
            os.kill(redis_server.pid, signal.SIGSTOP)
        try:
            found = [await each.ask(key, 50) for each in servers]
            away = [each.shared.unavailable for each in servers]
            again = [await two.ask(key, 2) for _ in range(3)]
        finally:
            if how == "killed":
                await asyncio.to_thread(redis_server.start)
            else:
                os.kill(redis_server.pid, signal.SIGCONT)
        await back(*servers)
    assert found == [{True: LIMIT - 10, False: 20}, {True: LIMIT, False: 10}]  # each knows its own last minute
    assert (away, again) == ([True, True], [{False: 2}] * 3)
    said = Counter(each["event"] for each in logs if each["event"].startswith("limits."))
    assert said == {"limits.not_shared": 2, "limits.shared_again": 2}
    assert await one.ask(key, 5) == {False: 5}  # whatever Redis knows: through one server never more than the limit
    other = uuid4()
    found = await asyncio.gather(*(each.ask(other, 100) for each in servers))
    assert found[0] + found[1] == {True: LIMIT, False: 200 - LIMIT}


async def test_a_redis_that_only_reads_is_away(servers: tuple[Server, Server]) -> None:
    one, two = servers
    key = uuid4()
    await one.client.config_set("maxmemory", "1")
    try:
        assert await one.ask(key, 50) == {True: LIMIT, False: 10}
        assert one.shared.unavailable
        await asyncio.sleep(1)  # to be tried again, in vain
        assert one.shared.unavailable
    finally:
        await two.client.config_set("maxmemory", "0")
    await back(one)


@pytest.fixture(scope="module")
def plain(redis_server: RedisServer) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_server.url)
    yield client
    client.close()


@given(
    limits=st.tuples(st.integers(1, 8), st.integers(1, 500)),
    start=st.integers(10**9, 2 * 10**9),
    steps=st.lists(st.tuples(st.floats(0, 40) | st.sampled_from([0.0, 0.25, 20.0, 30.0]), st.integers(0, 300)), max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_redis_counts_as_one_server_does(plain: redis.Redis, limits: tuple[int, int], start: int, steps: list[tuple[float, int]]) -> None:
    take, use = plain.register_script(TAKE), plain.register_script(USE)
    name, own, now = uuid4().hex, LocalLimits(), float(start)
    quota = {"requests": limits[0], "tokens": limits[1]}
    for pause, tokens in steps:
        now = round(now + pause, 3)
        ours = own.take("key", quota, now)  # type: ignore[arg-type]
        granted, *numbers = take(keys=[f"{name}:requests", f"{name}:tokens"], args=[now, limits[0], 1, limits[1], 0])
        assert bool(granted) == ours.granted
        for place, unit in enumerate(quota):
            used, wait, reset = numbers[3 * place : 3 * place + 3]
            state = ours.states[unit]  # type: ignore[index]
            assert max(0, quota[unit] - used) == state.left
            assert wait / 1000 == pytest.approx(state.wait_seconds, abs=0.002)
            assert reset / 1000 == pytest.approx(state.reset_seconds, abs=0.002)
        if granted and tokens:
            own.use("key", "tokens", tokens, now)
            use(keys=[f"{name}:tokens"], args=[now, tokens])


def test_a_clock_that_was_set_back_locks_nobody_out(plain: redis.Redis) -> None:
    take, name = plain.register_script(TAKE), uuid4().hex
    assert take(keys=[name], args=[2_000_000_000, 1, 1])[0] == 1
    assert take(keys=[name], args=[2_000_000_000 - 30, 1, 1])[0] == 0
    assert take(keys=[name], args=[2_000_000_000 - 3600, 1, 1])[0] == 1


@pytest.mark.parametrize("kind", ["a string", "fields that are no numbers"])
async def test_what_cannot_be_read_is_counted_anew_and_redis_stays_in_use(servers: tuple[Server, Server], kind: str) -> None:
    one, two = servers
    key = uuid4()
    first = await one.limits.admit(key, model=True)
    assert first is not None
    first.used(5)
    await one.shared.close()
    names = await one.client.keys("cairn:limits:*")
    assert len(names) == 2
    for name in names:
        if kind == "a string":
            await one.client.set(name, "noise")
        else:
            await one.client.hset(name, mapping={"yesterday": "many", str(2**40): "x"})
    again = await two.limits.admit(key, model=True)
    assert again is not None
    assert again.refusal is None
    again.used(5)
    await two.shared.close()
    assert not two.shared.unavailable
