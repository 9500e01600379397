"""What two servers of a team know of each other: how much a key has asked for, which key was revoked, which cache was emptied."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.team import Server, Team, deployed
from tests.waiting import patience

pytestmark = pytest.mark.slow

CALLS, OTHERS = 30, 50
LIMITS = f"""
[limits]
model_requests_a_minute = {CALLS}
requests_a_minute = {OTHERS}
timeout_seconds = 2
"""
"""Four processes start on this machine at once: what is late here is not away."""


@pytest.fixture(scope="module")
async def team(postgres_url: str, short_folder: Path) -> AsyncIterator[Team]:
    admin = await asyncpg.connect(postgres_url.replace("postgresql+asyncpg", "postgresql"))
    await admin.execute("create database team_limits")
    try:
        async with deployed(short_folder / "limits", postgres_url.replace("/postgres?", "/team_limits?"), more=LIMITS) as made:
            yield made
    finally:
        await admin.execute("drop database team_limits with (force)")
        await admin.close()


async def ask(team: Team, server: Server, key: str, path: str, body: object = None) -> tuple[int, dict[str, str]]:
    headers = {"authorization": f"Bearer {key}"}
    async with team.http.request("GET" if body is None else "POST", server.url + path, json=body, headers=headers) as reply:
        await reply.read()
        return reply.status, {name.lower(): value for name, value in reply.headers.items()}


async def chat(team: Team, server: Server, key: str, prompt: str) -> tuple[int, dict[str, str]]:
    body = {"model": "auto", "max_tokens": 1, "messages": [{"role": "user", "content": prompt}]}
    return await ask(team, server, key, "/v1/chat/completions", body)


async def until(what: str, *, seconds: float = 60, team: Team, server: int, key: str, status: int) -> None:
    """Asked until it answers so."""
    async with patience(seconds):
        while (await ask(team, team.servers[server], key, what))[0] != status:
            await asyncio.sleep(0.02)


async def models(team: Team, server: int, key: str, times: int) -> Counter[int]:
    found = await asyncio.gather(*(ask(team, team.servers[server], key, "/v1/models") for _ in range(times)))
    return Counter(status for status, _ in found)


async def test_of_many_at_once_at_two_servers_exactly_the_limit_is_let_through(team: Team) -> None:
    key = await team.developer("ada")
    asked = [chat(team, team.servers[number % 2], key, f"call {number}") for number in range(4 * CALLS)]
    asked += [ask(team, team.servers[number % 2], key, "/v1/models") for number in range(4 * OTHERS)]
    found = await asyncio.gather(*asked)
    of_models, of_others = found[: 4 * CALLS], found[4 * CALLS :]
    for replies, limit in ((of_models, CALLS), (of_others, OTHERS)):
        assert Counter(status for status, _ in replies) == {200: limit, 429: 3 * limit}
        let_through = [int(headers["x-ratelimit-remaining-requests"]) for status, headers in replies if status == 200]
        assert sorted(let_through) == list(range(limit))
        assert {headers["x-ratelimit-limit-requests"] for _, headers in replies} == {str(limit)}
        assert all(1 <= int(headers["retry-after"]) <= 61 for status, headers in replies if status == 429)
    assert len(team.provider.asked) == CALLS
    assert await team.get("/v1/budget/verify", server=1) == {"differences": []}


async def test_redis_killed_each_server_counts_for_itself_and_then_they_count_together_again(team: Team) -> None:
    key = await team.developer("grace")
    assert (await models(team, 0, key, 10), await models(team, 1, key, 10)) == ({200: 10}, {200: 10})
    await asyncio.to_thread(team.redis.kill)
    found = [await models(team, server, key, 60) for server in (0, 1)]
    assert found == [{200: OTHERS - 10, 429: 20}] * 2  # each knows what it let through itself
    assert (await chat(team, team.servers[0], key, "is anybody there?"))[0] == 200
    await asyncio.to_thread(team.redis.start)
    async with patience():
        while not all("limits.shared_again" in each.log() for each in team.servers):
            await asyncio.sleep(0.05)
    other = await team.developer("hedy")
    together = await asyncio.gather(*(models(team, server, other, 60) for server in (0, 1)))
    assert together[0] + together[1] == {200: OTHERS, 429: 120 - OTHERS}
    for server in team.servers:
        assert (server.log().count("limits.not_shared"), server.log().count("limits.shared_again")) == (1, 1)


async def revoke(team: Team, name: str) -> str:
    """A key that both servers know, revoked at the first. Returns it."""
    await team.put("POST", "/v1/developers", {"name": name})
    made = await team.put("POST", f"/v1/developers/{name}/keys", {})
    for server in (0, 1):
        assert (await ask(team, team.servers[server], made["key"], "/v1/models"))[0] == 200
    async with team.http.delete(f"{team.servers[0].url}/v1/keys/{made['id']}") as reply:
        assert reply.status == 204
    return str(made["key"])


async def test_a_key_revoked_at_one_server_is_refused_by_the_other_within_moments(team: Team) -> None:
    key = await revoke(team, "barbara")
    assert (await ask(team, team.servers[0], key, "/v1/models"))[0] == 401
    await until("/v1/models", team=team, server=1, key=key, status=401)


async def test_a_server_that_was_cut_off_misses_no_revocation(team: Team) -> None:
    connection = await asyncpg.connect(team.database_url.replace("postgresql+asyncpg", "postgresql"))
    cut = await connection.fetch(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cairn invalidations' and datname = current_database()"
    )
    assert len(cut) == 4
    await connection.close()
    key = await revoke(team, "katherine")
    await until("/v1/models", team=team, server=1, key=key, status=401)


async def test_a_cache_emptied_at_one_server_is_empty_at_the_other(team: Team) -> None:
    key = await team.developer("radia")
    one, two = team.servers
    tiers = []
    for server in (one, two):
        tiers.append((await chat(team, server, key, "what is a spanning tree?"))[1]["x-cairn-cache"])
    async with patience():
        while not await _held(team, 1):
            await asyncio.sleep(0.02)
    tiers.append((await chat(team, two, key, "what is a spanning tree?"))[1]["x-cairn-cache"])
    assert (tiers[0], tiers[2]) == ("miss", "memory")
    async with team.http.delete(f"{one.url}/v1/caches/completions") as reply:
        assert reply.status == 200
    async with patience():
        while await _held(team, 1):
            await asyncio.sleep(0.02)
    assert (await chat(team, two, key, "what is a spanning tree?"))[1]["x-cairn-cache"] == "miss"


async def _held(team: Team, server: int) -> int:
    """Entries of the server's memory."""
    cache = next(each for each in (await team.get("/v1/caches", server))["caches"] if each["name"] == "completions")
    return int(next(tier["entries"] for tier in cache["tiers"] if tier["tier"] == "memory"))
