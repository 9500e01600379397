"""Two servers, a primary, and a real replica that stands still: nobody misses their own writes, whichever server answers."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from app.storage.postgres import embedded_postgres
from tests.fakes.standby import StandbyServer, caught_up
from tests.team import ADMIN, Team, deployed
from tests.waiting import patience

pytestmark = pytest.mark.slow

TOKENS, PRICE = 10, 10 * 100e-6
"""Of a call: its prompt is free, and its answer has exactly `max_tokens`."""


@pytest.fixture(scope="module")
async def primary(short_folder: Path) -> AsyncIterator[str]:
    (short_folder / "r").mkdir()
    async with embedded_postgres(short_folder / "r" / "primary", max_connections=150) as url:
        yield url


@pytest.fixture(scope="module")
async def standby(primary: str, short_folder: Path) -> AsyncIterator[StandbyServer]:
    made = StandbyServer(short_folder / "r" / "standby", primary)
    await asyncio.to_thread(made.make)
    yield made
    await asyncio.to_thread(made.stop)


@pytest.fixture(scope="module")
async def team(primary: str, standby: StandbyServer, short_folder: Path) -> AsyncIterator[Team]:
    async with deployed(short_folder / "r" / "team", primary, replica_urls=standby.url) as made:
        for server in (0, 1):
            await _until(lambda server=server: _at_the_replica(made, server))  # type: ignore[misc]
        yield made


@pytest.fixture(autouse=True)
def quiet(team: Team) -> None:
    team.provider.clear()


@asynccontextmanager
async def standing_still(team: Team, primary: str, standby: StandbyServer) -> AsyncIterator[None]:
    """Both servers read at the replica, which shows nothing new."""
    await caught_up(primary, standby)
    await standby.pause()
    try:
        yield
    finally:
        await standby.resume()
        await caught_up(primary, standby)


async def ask(
    team: Team,
    server: int,
    method: str,
    path: str,
    *,
    key: str = ADMIN,
    expect: int = 200,
    position: str | None = None,
    headers: Any = (),
    **options: Any,
) -> tuple[Any, str | None]:
    """The answer, and the position that it carries."""
    headers = {"authorization": f"Bearer {key}", **dict(headers)} | ({} if position is None else {"x-cairn-position": position})
    async with team.http.request(method, team.servers[server].url + path, headers=headers, **options) as reply:
        text = await reply.text()
        assert reply.status == expect, f"{method} {path}: {reply.status} {text}"
        return json.loads(text) if text else None, reply.headers.get("x-cairn-position")


async def sessions(team: Team, server: int, key: str, **more: Any) -> list[str]:
    """As they name themselves."""
    found, _ = await ask(team, server, "GET", "/v1/sessions?limit=200", key=key, **more)
    return [each["external_id"] for each in found["sessions"]]


async def begin_session(team: Team, server: int, key: str) -> tuple[str, str | None]:
    """A live session's name, and the position that the answer carries."""
    name = f"live-{uuid4().hex[:8]}"
    event = json.dumps({"id": "1", "role": "user", "text": "Why does the build fail?"}) + "\n"
    _, position = await ask(team, server, "POST", f"/v1/sessions/{name}/events", key=key, data=event.encode(), expect=202)
    return name, position


async def measured(team: Team, server: int, name: str) -> float:
    async with team.http.get(f"{team.servers[server].url}/metrics") as reply:
        page = await reply.text()
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name))


async def _at_the_replica(team: Team, server: int) -> bool:
    """Whether a read goes there by now."""
    before = await measured(team, server, 'cairn_database_reads_total{target="/')
    await ask(team, server, "GET", "/v1/sessions")
    return await measured(team, server, 'cairn_database_reads_total{target="/') > before


async def _until(true: Callable[[], Any]) -> None:
    async with patience():
        while not await true():
            await asyncio.sleep(0.1)


async def test_a_writer_finds_its_writes_at_every_server_while_others_may_not(team: Team, primary: str, standby: StandbyServer) -> None:
    ada, grace = await team.developer("ada"), await team.developer("grace")
    async with standing_still(team, primary, standby):
        assert [await sessions(team, server, grace) for server in (0, 1)] == [[], []]
        name, _ = await begin_session(team, 0, ada)
        assert name in await sessions(team, 1, ada)
        assert name in await sessions(team, 0, ada)
        other, _ = await begin_session(team, 1, ada)
        assert {name, other} <= set(await sessions(team, 0, ada))
        assert [await sessions(team, server, grace) for server in (0, 1)] == [[], []]
    assert {name, other} <= set(await sessions(team, 1, grace))


async def test_what_is_made_works_at_once_a_team_a_developer_a_key(team: Team, primary: str, standby: StandbyServer) -> None:
    async with standing_still(team, primary, standby):
        await ask(team, 0, "POST", "/v1/teams", json={"name": "sea"}, expect=201)
        await ask(team, 0, "POST", "/v1/developers", json={"name": "sylvia", "team": "sea"}, expect=201)
        made, _ = await ask(team, 1, "POST", "/v1/developers/sylvia/keys", expect=201)
        listed, _ = await ask(team, 0, "GET", "/v1/developers")
        assert [each["keys"] for each in listed["developers"] if each["name"] == "sylvia"] == [1]
        for server in (0, 1):
            assert (await ask(team, server, "GET", "/v1/budget", key=made["key"]))[0]["developer"] == "sylvia"
            assert "sea" in [each["name"] for each in (await ask(team, server, "GET", "/v1/teams"))[0]["teams"]]
        await ask(team, 0, "DELETE", f"/v1/keys/{made['id']}", expect=204)
        await ask(team, 0, "GET", "/v1/budget", key=made["key"], expect=401)


async def test_who_waited_for_a_job_finds_what_it_taught(team: Team, primary: str, standby: StandbyServer) -> None:
    ada, grace = await team.developer("ada-the-second"), await team.developer("grace-the-second")
    answer = (
        "The root cause was that `keepalive_quokka` was unset because the template skips empty values. "
        "I fixed this by setting `keepalive_quokka = 30` in `quokka/config.toml`."
    )
    lines = [
        {"id": "1", "role": "user", "text": "The quokka service drops connections, fix it"},
        {"id": "2", "role": "assistant", "text": answer},
    ]
    transcript = "".join(json.dumps(each) + "\n" for each in lines)
    asked, for_others = {"json": {"query": "quokka drops connections", "kinds": ["item"]}}, []
    async with standing_still(team, primary, standby):
        job, _ = await ask(team, 0, "POST", "/v1/sessions?project=zoo", key=ada, data=transcript.encode(), expect=202)

        async def done() -> bool:
            found, _ = await ask(team, 1, "GET", f"/v1/jobs/{job['job_id']}", key=ada)
            assert found["state"] != "failed", found
            return bool(found["state"] == "done")

        await _until(done)
        for server in (0, 1):
            found, _ = await ask(team, server, "POST", "/v1/knowledge/query", key=ada, **asked)
            assert "keepalive_quokka" in found["results"][0]["text"]
            assert found["results"][0]["project"] == "zoo"
            alone, _ = await ask(team, server, "POST", "/v1/knowledge/query", key=grace, headers={"cache-control": "no-store"}, **asked)
            assert alone["results"] == []  # read at the replica
            for_others.append((await ask(team, server, "POST", "/v1/knowledge/query", key=grace, **asked))[0])
        # What is kept for others, who may have written since, is read at the primary.
        assert {each["results"][0]["project"] for each in for_others} == {"zoo"}
        # An item whose id was passed on is found by anybody: what a replica lacks is looked for at the primary.
        item = found["results"][0]["id"]
        assert (await ask(team, 1, "GET", f"/v1/knowledge/{item}", key=grace))[0]["project"] == "zoo"
        await ask(team, 0, "DELETE", f"/v1/knowledge/{item}", key=ada, expect=204)
        await ask(team, 1, "GET", f"/v1/knowledge/{item}", key=ada, expect=404)


async def test_a_budget_is_never_asked_of_a_replica(team: Team, primary: str, standby: StandbyServer) -> None:
    affordable = 7
    key = await team.developer("margaret", limit_usd=PRICE * 1000)
    call = {"model": "auto", "max_tokens": TOKENS, "messages": [{"role": "user", "content": "hello"}], "cache": False}
    async with standing_still(team, primary, standby):
        await ask(team, 0, "PUT", "/v1/budgets/margaret", json={"monthly_limit_usd": PRICE * affordable})

        async def spend(number: int) -> int:
            body = {**call, "messages": [{"role": "user", "content": f"hello {number}"}]}
            headers = {"authorization": f"Bearer {key}"}
            async with team.http.post(f"{team.servers[number % 2].url}/v1/chat/completions", json=body, headers=headers) as reply:
                await reply.read()
                assert "x-cairn-position" not in reply.headers
                return reply.status

        answers = Counter(await asyncio.gather(*(spend(number) for number in range(20))))
        assert answers == {200: affordable, 402: 20 - affordable}
        for server in (0, 1):
            await team.settled_budget("margaret", server)
            budget, _ = await ask(team, server, "GET", "/v1/budget", key=key)
            assert (budget["spent_usd"], budget["held_usd"]) == (pytest.approx(PRICE * affordable), 0)
        await ask(team, 1, "POST", "/v1/budgets/margaret/top-ups", json={"amount_usd": PRICE, "note": "one more"}, expect=201)
        moved, _ = await ask(team, 0, "GET", "/v1/budgets/margaret/movements")
        assert "one more" in [each["note"] for each in moved["movements"]]
        assert await spend(0) == 200
        assert await spend(1) == 402


async def test_a_position_that_is_sent_back_is_kept_whoever_asks(team: Team, primary: str, standby: StandbyServer) -> None:
    ada, grace = await team.developer("ada-the-third"), await team.developer("grace-the-third")
    async with standing_still(team, primary, standby):
        name, position = await begin_session(team, 0, ada)
        assert position is not None
        assert name not in await sessions(team, 1, grace)
        assert name in await sessions(team, 1, grace, position=position)
    refused, _ = await ask(team, 0, "GET", "/v1/sessions", position="yesterday", expect=422)
    assert refused["error"]["param"] == "x-cairn-position"
    await sessions(team, 0, grace, position="FFFFFFFF/FFFFFFFF")


async def test_without_redis_writers_still_find_their_writes_and_the_replica_is_used_again_once_it_is_back(
    team: Team, primary: str, standby: StandbyServer
) -> None:
    ada = await team.developer("ada-the-fourth")
    async with standing_still(team, primary, standby):
        await asyncio.to_thread(team.redis.kill)
        name, _ = await begin_session(team, 0, ada)
        assert name in await sessions(team, 1, ada)
        await asyncio.to_thread(team.redis.start)
        assert name in await sessions(team, 1, ada)
    for server in (0, 1):
        await _until(lambda server=server: _at_the_replica(team, server))  # type: ignore[misc]


async def test_a_killed_replica_is_noticed_by_nobody_but_the_operator(team: Team, primary: str, standby: StandbyServer) -> None:
    key = await team.developer("edsger")
    name, _ = await begin_session(team, 0, key)
    statuses, ends = Counter[int](), asyncio.Event()

    async def listing(number: int) -> None:
        headers = {"authorization": f"Bearer {key if number % 2 else ADMIN}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            while not ends.is_set():
                async with http.get(f"{team.servers[number % 2].url}/v1/sessions") as reply:
                    assert name in await reply.text()
                    statuses[reply.status] += 1

    async def grown() -> None:
        wanted = statuses[200] + 100
        while statuses[200] < wanted:
            assert not any(each.done() for each in callers)
            await asyncio.sleep(0.01)

    async def told(state: str) -> bool:
        return all([(await team.get("/readyz", server))["replicas"] == state for server in (0, 1)])

    callers = [asyncio.create_task(listing(number)) for number in range(4)]
    await grown()
    await asyncio.to_thread(standby.kill)
    await grown()
    await _until(lambda: told("degraded"))
    assert (await team.get("/readyz"))["status"] == "degraded"
    await asyncio.to_thread(standby.start)
    await _until(lambda: told("ok"))
    await grown()
    ends.set()
    await asyncio.gather(*callers)
    assert set(statuses) == {200}
    assert await _at_the_replica(team, 0)
    assert await measured(team, 0, "cairn_replica_up{") == 1
    assert await measured(team, 0, 'cairn_up{dependency="replicas"}') == 1
