"""The topology of docker-compose.yml as processes: two servers and two workers on one PostgreSQL, Redis and Qdrant (our shim).

What is proved here needs more than one of them: budgets, breakers and caches across servers, and that nothing acknowledged is lost
or charged or learnt twice when one of them is killed in the middle of its work.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from asyncio.subprocess import DEVNULL
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import yaml
from asyncpg import Connection

from app.settings import ROOT
from tests.fakes.provider import FakeProvider
from tests.team import Server, Team, deployed
from tests.waiting import patience

pytestmark = pytest.mark.slow

TOKENS = 10
PRICE = TOKENS * 100e-6
"""Of a call: its prompt is free, and its answer has exactly `max_tokens`, so that the most that it can cost is what it costs."""
CALLERS, UPLOADERS = 6, 3
STREAMS, LONG = 3, 400
"""Streams that are still going on when their server is killed, and their tokens."""
LARGE = range(5000, 5100)
"""What a session tells of that is still being learnt when its worker is killed."""


@pytest.fixture(scope="module")
async def team(postgres_url: str, short_folder: Path) -> AsyncIterator[Team]:
    plain = postgres_url.replace("postgresql+asyncpg", "postgresql")
    admin = await asyncpg.connect(plain)
    await admin.execute("create database topology")
    try:
        async with deployed(short_folder / "topology", postgres_url.replace("/postgres?", "/topology?")) as made:
            yield made
    finally:
        await admin.execute("drop database topology with (force)")
        await admin.close()


@pytest.fixture
async def database(team: Team) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(team.database_url.replace("postgresql+asyncpg", "postgresql"))
    yield connection
    await connection.close()


@pytest.fixture(autouse=True)
def quiet(team: Team) -> None:
    team.provider.clear()
    team.provider.per_token_ms = 0


@dataclass(frozen=True, slots=True)
class Route:
    """A route to a model. `prompt`: the field that holds it; `over_budget`: its status of a refused budget; `end`: how a whole stream ends."""

    path: str
    prompt: str
    limit: str
    over_budget: int
    end: bytes

    def body(self, prompt: str, *, stream: bool) -> dict[str, object]:
        said = prompt if self.prompt == "input" else [{"role": "user", "content": prompt}]
        return {"model": "auto", self.limit: TOKENS, self.prompt: said, "stream": stream}


ROUTES = (
    Route("/v1/chat/completions", "messages", "max_tokens", 402, b"data: [DONE]\n\n"),
    Route("/v1/messages", "messages", "max_tokens", 429, b'{"type":"message_stop"}\n\n'),
    Route("/v1/responses", "input", "max_output_tokens", 402, b"}\n\n"),
)


def chat(prompt: str, **more: object) -> dict[str, object]:
    return {"model": "auto", "max_tokens": TOKENS, "messages": [{"role": "user", "content": prompt}], **more}


async def ask(
    team: Team, server: Server, key: str, body: dict[str, object], *, path: str = ROUTES[0].path
) -> tuple[int, dict[str, str], bytes]:
    headers = {"authorization": f"Bearer {key}"}
    async with team.http.post(f"{server.url}{path}", json=body, headers=headers) as reply:
        return reply.status, {name.lower(): value for name, value in reply.headers.items()}, await reply.read()


async def verified(team: Team) -> None:
    """Every balance is what its movements and open holds make of it."""
    assert await team.get("/v1/budget/verify", server=1) == {"differences": []}


async def healthy(code: str) -> bool:
    """What Compose would make of a health check."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=DEVNULL, stderr=DEVNULL)
    return await process.wait() == 0


async def test_the_health_checks_of_compose_pass_for_who_lives_and_fail_for_who_does_not(team: Team, tmp_path: Path) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    of_server, of_worker = (services[name]["healthcheck"]["test"][-1] for name in ("server", "worker"))
    for server in team.servers:
        assert await healthy(of_server.replace(":8080", f":{server.port}"))
        ready = {"status": "ok", "database": "ok", "vectors": "ok", "embeddings": "ok", "redis": "ok", "disk": "ok"}
        assert await team.get("/readyz", team.servers.index(server)) == ready
    for worker in team.workers:
        assert await healthy(of_worker.replace("/var/lib/cairn", str(worker.folder)))
    assert not await healthy(of_server.replace(":8080", ":9"))
    assert not await healthy(of_worker.replace("/var/lib/cairn", str(tmp_path)))


async def test_what_one_server_or_a_worker_changed_no_server_answers_from_before(team: Team) -> None:
    async def asked(server: int) -> tuple[list[str], str]:
        body = {"query": "keepalive_quartz", "project": "quartz", "min_score": 0.3, "kinds": ["item"]}
        async with team.http.post(team.servers[server].url + "/v1/knowledge/query", json=body) as reply:
            return [result["id"] for result in (await reply.json())["results"]], reply.headers["x-cairn-cache"]

    async def learn(edition: int) -> str:
        """The session's id, once a worker has learnt from it."""
        said = f"Root cause: the quartz service dropped its connections because keepalive_quartz was unset in edition {edition}."
        talk = (("user", "Why does the quartz service drop its connections?"), ("assistant", said), ("user", "Great, that works."))
        lines = [{"id": f"quartz-{edition}-{place}", "role": role, "text": words} for place, (role, words) in enumerate(talk)]
        url = f"{team.servers[edition % 2].url}/v1/sessions?project=quartz"
        async with team.http.post(url, data="\n".join(map(json.dumps, lines)).encode()) as reply:
            job = (await reply.json())["job_id"]
        async with patience():
            while (found := await team.get(f"/v1/jobs/{job}"))["state"] not in {"done", "failed"}:
                await asyncio.sleep(0.02)
        assert found["state"] == "done", found
        return str(found["result"]["sessions"][0])

    sessions = []
    for edition in range(3):
        sessions.append(await learn(edition))
        for server in (0, 1):
            first, again = await asked(server), await asked(server)
            assert len(first[0]) == edition + 1, "what a worker learnt shows once its job is done"
            assert again == (first[0], "memory")
    doomed = (await asked(0))[0][0]
    async with team.http.delete(f"{team.servers[0].url}/v1/knowledge/{doomed}") as reply:
        assert reply.status == 204
    for server in (1, 0):
        found = (await asked(server))[0]
        assert (len(found), doomed in found) == (2, False)
    for place, session in enumerate(sessions):  # purged: the other tests count what is there
        async with team.http.delete(f"{team.servers[place % 2].url}/v1/sessions/{session}") as reply:
            assert reply.status in {200, 204}
        shown = [(await asked(server))[0] for server in (0, 1)]
        assert shown[0] == shown[1]
        assert len(shown[0]) <= 2 - place


async def test_of_a_budget_for_twenty_calls_exactly_twenty_succeed_through_all_routes_at_two_servers(team: Team) -> None:
    affordable, clients, each = 20, 50, 2
    key = await team.developer("grace", limit_usd=affordable * PRICE)

    async def client(number: int) -> list[str]:
        """Ask through one route and then the next, at one server, a stream and then a whole answer: the outcomes."""
        found = []
        for turn in range(each):
            route = ROUTES[(number + turn) % len(ROUTES)]
            body = route.body(f"call {number} {turn}: say {TOKENS} words", stream=bool((number // 2 + turn) % 2))
            status, _, got = await ask(team, team.servers[number % 2], key, body, path=route.path)
            found.append({200: "answered", route.over_budget: "over budget"}.get(status, f"{route.path}: {status} {got[:300]!r}"))
        return found

    outcomes = Counter(outcome for found in await asyncio.gather(*map(client, range(clients))) for outcome in found)
    assert outcomes == {"answered": affordable, "over budget": clients * each - affordable}
    assert len(team.provider.asked) == affordable
    budget = await team.settled_budget("grace")
    assert (budget["spent_usd"], budget["held_usd"], budget["remaining_usd"]) == (pytest.approx(affordable * PRICE), 0, 0)
    await verified(team)


async def test_a_breaker_opened_at_one_server_is_open_at_the_other(team: Team) -> None:
    key = await team.developer("edsger")
    team.provider.will("503", times=None, match="flaky-model")

    async def state(server: int) -> object:
        providers = (await team.get("/v1/providers", server))["providers"]
        return next(each["breaker"] for each in providers if each["name"] == "flaky")

    for number in range(10):
        await ask(team, team.servers[0], key, chat(f"will it? {number}", model="flaky-model"))
        if await state(0) == "open":
            break
    assert await state(0) == "open"
    opened = time.monotonic()
    async with patience():
        while await state(1) != "open":
            await asyncio.sleep(0.05)
    print(f"\nbreaker: open at the other server after {time.monotonic() - opened:.2f} s")
    before = len(team.provider.asked)
    status, _, _ = await ask(team, team.servers[1], key, chat("and here?", model="flaky-model"))
    assert (status, len(team.provider.asked)) == (502, before)


async def test_an_answer_that_one_server_paid_for_the_other_has_for_nothing(team: Team) -> None:
    key = await team.developer("barbara")
    one, two = team.servers
    before = await team.cached("completions")
    first = await ask(team, one, key, chat("what is an abstract type?"))
    await team.written("completions", before)
    second = await ask(team, two, key, chat("what is an abstract type?"))
    third = await ask(team, two, key, chat("what is an abstract type?"))
    assert [status for status, _, _ in (first, second, third)] == [200] * 3
    assert [headers["x-cairn-cache"] for _, headers, _ in (first, second, third)] == ["miss", "redis", "memory"]
    assert first[2] == second[2] == third[2]
    assert len(team.provider.asked) == 1
    assert (await team.settled_budget("barbara"))["spent_usd"] == pytest.approx(PRICE)


def transcript(*numbers: int) -> bytes:
    """A session of a problem and its solution for each number."""
    lines = []
    for number in numbers:
        name = f"zorilla{number:04d}"
        solved = (
            f"The root cause was that `keepalive_{name}` was unset because the template skips empty values. "
            f"I fixed this by setting `keepalive_{name} = {number + 30}` in `{name}/config.toml`."
        )
        lines.append({"id": f"{name}-q", "role": "user", "text": f"The {name} service drops connections, fix it"})
        lines.append({"id": f"{name}-a", "role": "assistant", "text": solved})
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


class Load:
    """Callers and uploaders at both servers. One whose server is gone turns to the other; an upload whose outcome is unknown is sent again."""

    def __init__(self, team: Team, key: str) -> None:
        self._team = team
        self._key = key
        self._numbers = count()
        self._ends = asyncio.Event()
        self.jobs: dict[int, str] = {}
        self.sent: set[int] = set()
        self.calls: Counter[int] = Counter()
        self.cut = 0

    async def __aenter__(self) -> Load:
        works = [self._calling(number) for number in range(CALLERS)] + [self._uploading(number) for number in range(UPLOADERS)]
        self._tasks = [asyncio.create_task(work) for work in works]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends.set()
        await asyncio.gather(*self._tasks)

    async def grown(self, calls: int = 10, jobs: int = 3) -> None:
        """Wait for more of both."""
        wanted, taken = self.calls[200] + calls, len(self.jobs) + jobs
        async with patience():
            while self.calls[200] < wanted or len(self.jobs) < taken:
                await asyncio.sleep(0.02)

    async def _calling(self, turn: int) -> None:
        while not self._ends.is_set():
            turn += 1
            stream, route = turn % 3 == 0, ROUTES[turn // 3 % len(ROUTES)]
            try:
                body = route.body(f"say {TOKENS} words about {next(self._numbers)}", stream=stream)
                status, _, got = await ask(self._team, self._team.servers[turn % 2], self._key, body, path=route.path)
            except aiohttp.ClientError:
                self.cut += 1
                await asyncio.sleep(0.05)
                continue
            if stream and status == 200 and not got.endswith(route.end):
                self.cut += 1
            else:
                self.calls[status] += 1

    async def _uploading(self, turn: int) -> None:
        while not self._ends.is_set():
            number = next(self._numbers)
            self.sent.add(number)
            while number not in self.jobs:
                turn += 1
                server = self._team.servers[turn % 2]
                with suppress(aiohttp.ClientError):
                    self.jobs[number] = await upload(self._team, server, number)
            await asyncio.sleep(0.15)


async def upload(team: Team, server: Server, *numbers: int) -> str:
    """The job's id, once the transcript is acknowledged."""
    async with team.http.post(f"{server.url}/v1/sessions?project=zoo-{numbers[0] % 7}", data=transcript(*numbers)) as reply:
        assert reply.status == 202, await reply.text()
        return str((await reply.json())["job_id"])


async def learnt(team: Team, jobs: list[str]) -> None:
    """Wait until all are done."""
    async with patience():
        for job in jobs:
            while (found := await team.get(f"/v1/jobs/{job}", server=1))["state"] != "done":
                assert found["state"] != "failed", found
                await asyncio.sleep(0.05)


async def test_whoever_is_killed_nothing_acknowledged_is_lost_charged_or_learnt_twice(team: Team, database: Connection) -> None:
    key = await team.developer("margaret")
    team.provider.per_token_ms = 20
    recovery: dict[str, float] = {}
    async with Load(team, key) as load:
        await load.grown()
        await _kill_a_server(team, key, recovery)
        await load.grown()
        await _kill_a_worker(team, database, recovery)
        await load.grown()
        await _kill_redis(team, key, load, recovery)
        await load.grown()
    assert set(load.calls) == {200}
    assert load.jobs.keys() == load.sent
    drained = time.monotonic()
    await learnt(team, list(load.jobs.values()))
    async with patience():  # also those whose acknowledgement was lost with the server
        while await database.fetchval("select count(*) from jobs where state in ('queued', 'running')"):
            await asyncio.sleep(0.05)
    recovery["all jobs that waited"] = time.monotonic() - drained
    print(f"\nkilled under load: {load.calls[200]} calls answered, {load.cut} cut; {len(load.jobs) + 1} transcripts acknowledged")
    print("seconds to recover: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in recovery.items()))
    await _learnt_once(team, database, load)
    await _charged_once(team, load)


async def _kill_a_server(team: Team, key: str, recovery: dict[str, float]) -> None:
    """In the middle of streams."""
    body = chat(f"the last words: say {LONG} words", stream=True, max_tokens=LONG, cache=False)
    streams = [asyncio.create_task(ask(team, team.servers[0], key, body)) for _ in range(STREAMS)]
    async with patience():
        while sum(each.tokens_sent > 3 and each.body["max_tokens"] == LONG for each in team.provider.asked) < STREAMS:
            await asyncio.sleep(0.02)
    await team.servers[0].kill()
    assert all(isinstance(each, aiohttp.ClientError) for each in await asyncio.gather(*streams, return_exceptions=True))
    recovery["server"] = await team.servers[0].start()


async def _kill_a_worker(team: Team, database: Connection, recovery: dict[str, float]) -> None:
    """In the middle of a job."""
    job = await upload(team, team.servers[1], *LARGE)
    async with patience():
        while (name := await database.fetchval("select worker from jobs where id = $1 and progress_done > 0", job)) is None:
            await asyncio.sleep(0.01)
    killed = time.monotonic()
    worker = next(each for each in team.workers if f":{each.pid}:" in name)
    await worker.kill()
    assert (await team.get(f"/v1/jobs/{job}", server=1))["state"] == "running"
    recovery["worker"] = await worker.start()
    await learnt(team, [job])
    recovery["the killed worker's job"] = time.monotonic() - killed


async def _kill_redis(team: Team, key: str, load: Load, recovery: dict[str, float]) -> None:
    """Meanwhile calls are answered, and PostgreSQL is what the servers share."""
    await asyncio.to_thread(team.redis.kill)
    await load.grown()
    assert (await team.get("/readyz"))["redis"] == "degraded"
    assert await _shared_through(team, key, "is it away?") == {"database"}
    restarted = time.monotonic()
    await asyncio.to_thread(team.redis.start)
    async with patience():
        while await _shared_through(team, key, "is it back?") != {"redis"}:
            await asyncio.sleep(0.2)
    recovery["Redis shared again"] = time.monotonic() - restarted
    assert {(await team.get("/readyz", server))["redis"] for server in (0, 1)} == {"ok"}


async def _shared_through(team: Team, key: str, prompt: str) -> set[str]:
    """The tier that brings one server's answer to the other. A cache is written behind the answer: who asks before that has a miss."""
    tiers: set[str] = set()
    async with patience():
        while not tiers:
            body = chat(f"{prompt} {time.monotonic()}", max_tokens=1)
            assert (await ask(team, team.servers[0], key, body))[0] == 200
            await asyncio.sleep(0.1)
            tiers = {(await ask(team, team.servers[1], key, body))[1]["x-cairn-cache"]} - {"miss"}
    return tiers


async def _learnt_once(team: Team, database: Connection, load: Load) -> None:
    """Each session has its events, tells of its numbers and taught something; no item is there twice, and the index has each once."""
    sessions = await database.fetch(
        "select event_count, (select count(*) from events e where e.session_id = s.id) as events,"
        " array(select p.text from passage_places l join passages p on p.id = l.passage_id where l.session_id = s.id) as texts,"
        " (select count(*) from knowledge_evidence v where v.session_id = s.id) as learnt from sessions s"
    )
    found = []
    for each in sessions:
        numbers = sorted({int(number) for text in each["texts"] for number in re.findall(r"zorilla(\d+)", text)})
        assert each["learnt"] > 0
        assert each["event_count"] == each["events"] == 2 * len(numbers)
        found.append(tuple(numbers))
    assert sorted(found) == [*((number,) for number in sorted(load.jobs)), tuple(LARGE)]
    assert not await database.fetch("select text from knowledge group by text having count(*) > 1")
    assert not await database.fetch(
        "select id from knowledge k where evidence_count <> (select count(*) from knowledge_evidence v where v.knowledge_id = k.id)"
    )
    assert await database.fetchval("select count(*) from uploads where state <> 'receiving'") == 0
    assert not await database.fetch("select id from passages p where not exists (select from passage_places where passage_id = p.id)")
    known = await database.fetchval("select (select count(*) from knowledge) + (select count(*) from passages)")
    async with patience():
        while await _points(team) != known:
            await asyncio.sleep(0.1)
    print(f"{len(found)} sessions, {known} items and passages, as many points in the index")
    last = f"zorilla{max(load.jobs):04d}"
    answer = await team.put("POST", "/v1/knowledge/query", {"query": f"{last} drops connections", "limit": 1})
    assert answer["degraded"] == []
    assert last in answer["results"][0]["text"]


async def _points(team: Team) -> int:
    async with aiohttp.ClientSession() as http, http.get(f"{team.qdrant_url}/aliases") as reply:
        (alias,) = (await reply.json())["result"]["aliases"]
    async with aiohttp.ClientSession() as http, http.get(f"{team.qdrant_url}/collections/{alias['collection_name']}") as reply:
        return int((await reply.json())["result"]["points_count"])


async def _charged_once(team: Team, load: Load) -> None:
    began = time.monotonic()
    budget = await team.settled_budget("margaret")
    rows = []
    before = ""
    while True:
        page = await team.get(f"/v1/budgets/margaret/movements?limit=1000{before}")
        rows += [each for each in page["movements"] if each["hold_id"] is not None]
        if page["next_cursor"] is None:
            break
        before = f"&cursor={page['next_cursor']}"
    kinds = Counter(each["kind"] for each in rows)
    assert len({each["hold_id"] for each in rows}) == len(rows)
    assert kinds.keys() <= {"settle", "unreconciled"}
    assert load.calls[200] <= kinds["settle"] <= len(team.provider.asked)
    unknown = kinds["unreconciled"] - STREAMS
    assert 0 <= unknown <= CALLERS
    assert budget["spent_usd"] == pytest.approx(sum(each["usd"] for each in rows))
    assert budget["unreconciled_usd"] == pytest.approx((STREAMS * LONG + unknown * TOKENS) * 100e-6)
    await verified(team)
    print(f"{dict(kinds)} of {len(team.provider.asked)} calls; nothing held {time.monotonic() - began:.1f} s after the end")


async def test_a_server_that_is_stopped_drains_its_streams_and_the_other_goes_on(team: Team) -> None:
    key = await team.developer("katherine")
    fake, (one, two) = team.provider, team.servers
    fake.per_token_ms = 20
    streams = [
        asyncio.create_task(ask(team, two, key, chat(f"{number}: say 400 words", stream=True, max_tokens=400))) for number in range(5)
    ]
    await streaming(fake, 5)
    began = time.monotonic()
    ending = asyncio.create_task(two.end(signal.SIGTERM))
    async with patience():
        while await two.ready():  # to the proxy: no
            await asyncio.sleep(0.05)
    assert not any(each.done() for each in streams)
    assert (await ask(team, one, key, chat("are you there?")))[0] == 200
    answers = await asyncio.gather(*streams)
    assert [status for status, _, _ in answers] == [200] * 5
    assert all(got.endswith(b"data: [DONE]\n\n") for _, _, got in answers)
    assert await ending == 0
    print(f"\nSIGTERM: five streams drained, ended after {time.monotonic() - began:.1f} s")
    await two.start()
    budget = await team.settled_budget("katherine", server=1)
    assert (budget["held_usd"], budget["unreconciled_usd"]) == (0, 0)
    assert budget["spent_usd"] == pytest.approx((5 * 400 + TOKENS) * 100e-6)
    await verified(team)


async def streaming(fake: FakeProvider, streams: int) -> None:
    async with patience():
        while sum(each.tokens_sent > 3 for each in fake.asked) < streams:
            await asyncio.sleep(0.02)


async def test_a_backfill_whose_workers_are_killed_goes_on_where_it_was(team: Team, database: Connection) -> None:
    """Every session is projected again, by itself, as after an upgrade; the result equals an undisturbed run."""
    said = "Root cause: the backfill service number {0} dropped its connections because backfill_limit_{0} was unset."
    for number in range(120):
        talk = (("user", "Why does it drop its connections?"), ("assistant", said.format(number)), ("user", "Great, that works."))
        lines = [{"id": f"{number}-{place}", "role": role, "text": words} for place, (role, words) in enumerate(talk)]
        async with team.http.post(
            f"{team.servers[0].url}/v1/sessions/backfill-{number}/events", data="\n".join(map(json.dumps, lines)).encode()
        ) as reply:
            assert reply.status == 202, await reply.text()

    async def behind() -> int:
        return sum(each["behind"] for each in (await team.get("/v1/projections", server=0))["projections"])

    async def caught_up() -> None:
        async with patience(600):
            while await behind():
                await asyncio.sleep(0.1)

    await caught_up()
    learnt_before = await database.fetch("select session_id, candidate_key, text from knowledge_evidence order by 1, 2")
    await database.execute("update projection_checkpoints set version = 'before'")
    sessions = await behind()
    assert sessions >= 120
    for worker in team.workers:  # as an upgrade does; and a worker plans a backfill when it starts
        await worker.end()
    for worker in team.workers:
        await worker.run()
    async with patience():
        while not 0 < await database.fetchval("select count(*) from projection_checkpoints where version = 'before'") < sessions:
            await asyncio.sleep(0.005)
    for worker in team.workers:
        await worker.kill()
    left = await database.fetchval("select count(*) from projection_checkpoints where version = 'before'")
    assert 0 < left < sessions
    for worker in team.workers:
        await worker.start()
    await caught_up()
    assert await database.fetch("select session_id, candidate_key, text from knowledge_evidence order by 1, 2") == learnt_before
    assert await database.fetchval("select count(*) from projection_checkpoints where parked is not null") == 0
    print(f"\nkilled with {left} of {sessions} sessions still to do")
