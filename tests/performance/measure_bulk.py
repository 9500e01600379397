"""Queries beside bulk work: p95 of new questions, idle and beside each load in turn, in one run. Target: at most three times idle.

python tests/performance/measure_bulk.py [--items=10000] [--seconds=20] [--loads=one,six,again,ingest,rebuild,pages,export]

Who loads is a process of its own, so that what it does with its answers isn't measured. Idle is measured anew before each load: a shared
machine's speed varies within minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from subprocess import PIPE

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import asyncpg
import psutil

from tests.performance.callers import Connection, Reply, connected
from tests.performance.corpus import varied_lessons, varied_questions
from tests.performance.filled import filled, project
from tests.performance.measure import Figure, latencies, machine, percentile, resident_mb, show
from tests.performance.measure_reindex import transcripts
from tests.performance.measure_search import asking
from tests.performance.past_calls import past_calls
from tests.running import Running, running
from tests.signing_in import cookie_header

ITEMS, SECONDS = 10_000, 20.0
TEXTS, CHARS = 500, 2_000
AGAIN_TEXTS = 100
"""They have to be embedded once before they come from the cache."""
PAUSE_SECONDS = 0.02
"""Between an answer and the next question: a developer's agent, not a benchmark."""
IDLE_SECONDS = 8.0
MAX_TIMES_IDLE = 3.0
WARM_UP = 100
START_SECONDS = 2.0
"""Of a load that isn't measured: its first calls are on their way, processes have started."""
OWN_MODEL = "all-MiniLM-L6-v2"
UPLOADS, PROMPTS = 20, 400
PAST_CALLS, PAYERS = 200_000, 20


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of bulk work, and how many do it at once."""

    title: str
    callers: int


LOADS = {
    "one": Load(f"one caller of /v1/embeddings, {TEXTS} texts of {CHARS:,} characters", 1),
    "six": Load("six callers of the same at once", 6),
    "again": Load(f"two callers who send the same {AGAIN_TEXTS} texts again and again", 2),
    "ingest": Load(f"ingest of {UPLOADS * PROMPTS:,} items", 1),
    "rebuild": Load("the index rebuilt", 1),
    "pages": Load("six who load the team's page, its CSV and a developer's page", 6),
    "export": Load(f"six who export a developer's {PAST_CALLS // PAYERS:,} movements", 6),
}


async def bulk(scratch: Path, items: int = ITEMS, seconds: float = SECONDS, names: list[str] | None = None) -> list[Figure]:
    """Each load's figures, idle before it."""
    folder = scratch / "filled"
    await filled(items, folder)
    figures: list[Figure] = []
    with running(folder, env={"CAIRN_LOG__LEVEL": "warning"}) as server:
        if {"pages", "export"} & set(names or LOADS):
            await _past(server)
        for number in range(max(load.callers for load in LOADS.values())):
            await asyncio.to_thread(server.post, "/v1/developers", {"name": f"d{number}", "monthly_limit_usd": 10})
        questions = iter(varied_questions(100_000, seed=int(time.time())))
        async with connected(server.url, 1, {"authorization": f"Bearer {server.key}"}) as (connection,):
            await _ask(connection, questions, seconds=1e9, most=WARM_UP)
            if {"one", "six", "again"} & set(names or LOADS):  # what any first call loads is no part of what is measured
                async with connected(server.url, 1, {"authorization": f"Bearer {server.key}", "x-cairn-developer": "d0"}) as (first,):
                    await first.post("/v1/embeddings", json.dumps({"model": OWN_MODEL, "input": "x"}).encode())
            for name in names or list(LOADS):
                idle = await _ask(connection, questions, seconds=IDLE_SECONDS)
                memory = resident_mb(_ours(server))
                async with _loaded(server, name, scratch) as report:
                    beside = await _ask(connection, questions, seconds=seconds)
                    peak = resident_mb(_ours(server))
                print(f"measured: beside {name}", file=sys.stderr, flush=True)
                figures += _figures(name, idle, beside, report(), memory, peak)
    return figures


async def _ask(connection: Connection, questions: Iterator[str], *, seconds: float, most: int = 10**9) -> list[Reply]:
    ask: Callable[[Connection], Awaitable[Reply]] = asking(questions)  # type: ignore[arg-type] # it only iterates
    until, replies = time.monotonic() + seconds, list[Reply]()
    while time.monotonic() < until and len(replies) < most:
        replies.append(await ask(connection))
        if replies[-1].status != 200:
            raise RuntimeError(f"{replies[-1].status} {replies[-1].body[:500]!r}")
        await asyncio.sleep(PAUSE_SECONDS)
    return replies


def _figures(name: str, idle: list[Reply], beside: list[Reply], report: dict[str, float], before_mb: float, peak_mb: float) -> list[Figure]:
    quiet, busy = ([reply.seconds * 1000 for reply in replies] for replies in (idle, beside))
    title = LOADS[name].title
    return [
        *latencies("bulk", f"idle, before {name}: query", quiet)[:2],
        *latencies("bulk", f"beside {title}: query", busy)[:2],
        Figure("bulk", f"the slowest, {name}", "ms", max(busy)),
        Figure("bulk", f"p95 beside {name} ÷ idle", "×", percentile(busy, 0.95) / percentile(quiet, 0.95), MAX_TIMES_IDLE),
        Figure("bulk", f"queries asked meanwhile, {name}", "", len(busy)),
        Figure("bulk", f"of these degraded, {name}", "", sum(bool(json.loads(reply.body)["degraded"]) for reply in beside), 0),
        *(Figure("bulk", f"{what}, {name}", "", value) for what, value in report.items()),
        Figure("bulk", f"memory of server and worker before · {name}", "MB", before_mb),
        Figure("bulk", f"memory of server and worker meanwhile · {name}", "MB", peak_mb),
    ]


def _ours(server: Running) -> list[psutil.Process]:
    return [each for each in server.family() if "app.storage.vectors.engine" not in " ".join(each.cmdline())]


@asynccontextmanager
async def _loaded(server: Running, name: str, scratch: Path) -> AsyncIterator[Callable[[], dict[str, float]]]:
    """The load, from a process of its own, for the length of the context; afterwards what it did."""
    told: dict[str, float] = {}
    command = [sys.executable, __file__, "--load", name, "--url", server.url, "--key", server.key, "--scratch", str(scratch)]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    await process.stdout.readline()  # it has begun
    try:
        yield lambda: told
    finally:
        out, _ = await process.communicate(b"")  # the end of its input tells it to stop
        told.update(json.loads(out.splitlines()[-1]) if out.strip() else {})


async def _load(name: str, url: str, key: str, scratch: Path) -> None:
    """In the loading process: until standard input ends."""
    done: dict[str, float] = {}
    began = time.monotonic()
    async with connected(url, LOADS[name].callers, {"authorization": f"Bearer {key}"}) as connections:
        tasks = [asyncio.create_task(_caller(name, number, url, key, each, scratch, done)) for number, each in enumerate(connections)]
        if name == "again":
            warm = asyncio.create_task(_until(lambda: done.get("texts a second", 0) >= AGAIN_TEXTS * len(tasks)))
            await asyncio.wait([warm, *tasks], return_when=asyncio.FIRST_COMPLETED)
            done.clear()
            began = time.monotonic()
        await asyncio.sleep(START_SECONDS)
        print("begun", flush=True)
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([ended])
        seconds = time.monotonic() - began
        for task in tasks:
            task.cancel()
        failed = [each for each in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(each, Exception)]
    for each in failed:
        print(repr(each), file=sys.stderr)
    print(json.dumps({what: value / seconds if what.endswith("a second") else value for what, value in done.items()}))


async def _caller(name: str, number: int, url: str, key: str, connection: Connection, scratch: Path, done: dict[str, float]) -> None:
    headers = {"authorization": f"Bearer {key}", "x-cairn-developer": f"d{number}"}
    server = Running(url, key, scratch, None, 0)  # type: ignore[arg-type]
    match name:
        case "one" | "six" | "again":
            async with connected(url, 1, headers) as (own,):
                await _embeddings(own, number, again=name == "again", done=done)
        case "ingest":
            await _ingest(server, scratch, done)
        case "rebuild":
            while True:
                await connection.post("/v1/index/rebuild", b"")
                done["rebuilds"] = done.get("rebuilds", 0) + 1
        case "pages":
            async with connected(url, 1, {"cookie": await cookie_header(server, key)}) as (own,):
                paths = ("/dashboard/team?team=big", "/dashboard/team.csv?team=big", "/dashboard/developers/developer007?team=big")
                await _get(own, paths, done)
        case "export":
            await _get(connection, (f"/v1/budgets/developer{number:03}/movements.csv",), done)


async def _past(server: Running) -> None:
    """A ledger with calls in it."""
    connection = await asyncpg.connect(server.database_url().replace("+asyncpg", ""))
    try:
        for statement in past_calls(PAST_CALLS, developers=PAYERS):
            await connection.execute(statement, timeout=300)
        await connection.execute("vacuum analyze", timeout=300)
    finally:
        await connection.close()


async def _until(held: Callable[[], bool]) -> None:
    while not held():
        await asyncio.sleep(0.1)


async def _get(connection: Connection, paths: Sequence[str], done: dict[str, float]) -> None:
    for path in cycle(paths):
        reply = await connection.get(path)
        if reply.status != 200:
            raise RuntimeError(f"{path}: {reply.status} {reply.body[:300]!r}")
        done["answers a second"] = done.get("answers a second", 0) + 1
        done["megabytes a second"] = done.get("megabytes a second", 0) + len(reply.body) / 1e6


async def _embeddings(connection: Connection, number: int, *, again: bool, done: dict[str, float]) -> None:
    chosen = random.Random(0 if again else number)
    made = _texts(chosen, AGAIN_TEXTS if again else TEXTS)
    while True:
        if not again:
            made = _texts(chosen, TEXTS)
        reply = await connection.post("/v1/embeddings", json.dumps({"model": OWN_MODEL, "input": made}).encode())
        if reply.status == 200:
            done["texts a second"] = done.get("texts a second", 0) + len(made)
        else:
            done[f"answered {reply.status}"] = done.get(f"answered {reply.status}", 0) + 1
            await asyncio.sleep(float(reply.headers.get("retry-after", 1)))


def _texts(chosen: random.Random, count: int) -> list[str]:
    bodies = [body for _, body in varied_lessons(100, seed=chosen.randrange(10**9))]
    return [" ".join(chosen.choices(bodies, k=CHARS // 100))[:CHARS] for _ in range(count)]


async def _ingest(server: Running, scratch: Path, done: dict[str, float]) -> None:
    files = transcripts(scratch, UPLOADS, PROMPTS)
    jobs = [await asyncio.to_thread(server.upload, each, project(n % 3)) for n, each in enumerate(files)]
    for job in jobs:
        await asyncio.to_thread(server.finished, job, seconds=600)
        done["transcripts ingested"] = done.get("transcripts ingested", 0) + 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--loads", default=",".join(LOADS))
    parser.add_argument("--load", help=argparse.SUPPRESS)
    for hidden in ("--url", "--key", "--scratch"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        asyncio.run(_load(options.load, options.url, options.key, Path(options.scratch)))
        return 0
    with tempfile.TemporaryDirectory(prefix="cairn-bulk-", dir="/tmp") as scratch:
        figures = asyncio.run(bulk(Path(scratch), options.items, options.seconds, options.loads.split(",")))
    show(figures)
    print(machine())
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
