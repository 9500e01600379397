"""Queries over HTTP while 50,000 items come in beside 100,000, are indexed, and the index is built anew behind the live one.

python tests/performance/measure_reindex.py [--items=100000] [--more=50000]

The new items go through dedup, store and outbox as the worker's do, from a process of their own; their vectors are made up, so that the
model's time (about 350 items a second) doesn't decide how long it takes. Transcripts are uploaded beside them, and embedded for real.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from sqlalchemy import text

from app import settings as settings_module
from app.accounts.accounts import Accounts
from app.knowledge.item import ItemCandidate
from app.knowledge.points import SCHEMA
from app.knowledge.reconciliation import EmbeddedCandidate, Source
from app.knowledge.store import KnowledgeStore
from app.queue.jobs import Queue
from app.sessions.event import SessionHeader
from app.sessions.journal import Journal
from app.storage.database import Database
from app.storage.folder import DataFolder
from app.storage.vectors import open_store
from tests.fakes.models import models_folder
from tests.performance.callers import Connection, Reply, connected
from tests.performance.corpus import varied_lessons, varied_questions
from tests.performance.filled import PROJECTS, SEED, filled, project
from tests.performance.measure import Figure, latencies, machine, percentile, show
from tests.performance.measure_search import ITEMS, asking, checked
from tests.running import Running, running

MORE, A_SESSION, WRITERS = 50_000, 100, 2
ASKING, PAUSE_SECONDS = 4, 0.02
UPLOADS, PROMPTS = 5, 200
MAX_SECONDS = 1500


async def reindex(scratch: Path, items: int = ITEMS, more: int = MORE) -> list[Figure]:
    """Latencies while all of it goes on; how long it took; that the index holds all in the end."""
    folder = scratch / "filled"
    await filled(items, folder)
    with running(folder) as server:
        began = time.perf_counter()
        before = await generation(server)
        writer = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--write",
            str(folder),
            "--database",
            server.database_url(),
            "--items",
            str(items),
            "--more",
            str(more),
        )
        done = asyncio.create_task(_until_indexed(server, writer, items + more))
        jobs = [await asyncio.to_thread(server.upload, each, project(n)) for n, each in enumerate(transcripts(scratch))]
        queries, alive = await asyncio.gather(_queries(server, done), _alive(server, done))
        ingested, settled = done.result()
        ends = [await asyncio.to_thread(server.finished, job) for job in jobs]
        held = await _status(server)
        after = await generation(server)
    checked(queries)
    failed = [job for job in ends if job["state"] != "done"]
    name = f"while {more:,} items come in beside {items:,}"
    return [
        *latencies("reindex", f"query over HTTP {name}", [reply.seconds * 1000 for reply in queries], p95_target=60),
        Figure("reindex", "the slowest query", "ms", max(reply.seconds for reply in queries) * 1000),
        Figure("reindex", "queries asked meanwhile, none failed or degraded", "", len(queries)),
        Figure(
            "reindex", "the loop's lag at most (GET /healthz), p99", "ms", percentile([reply.seconds * 1000 for reply in alive], 0.99), 20
        ),
        Figure("reindex", "items a second stored and indexed", "/s", more / (ingested - began)),
        Figure("reindex", "until no more are searched by brute force than a re-index leaves", "s", settled - began),
        Figure("reindex", "times that a new engine took over", "", after - before, 1, at_least=True),
        Figure("reindex", "items missing from the index", "", max(0, items + more - held), 0),
        Figure("reindex", "transcripts that failed", "", len(failed), 0),
    ]


def transcripts(scratch: Path, count: int = UPLOADS, prompts: int = PROMPTS) -> list[Path]:
    """Prompts that lay something down: each becomes an item."""
    made = []
    bodies = [body for _, body in varied_lessons(count * prompts, seed=9)]
    for number in range(count):
        lines = [
            {"id": f"e{n}", "role": "user", "text": f"Remember that {body[0].lower()}{body[1:]}"}
            for n, body in enumerate(bodies[number * prompts : (number + 1) * prompts])
        ]
        made.append(scratch / f"session-{number}.jsonl")
        made[-1].write_text("".join(json.dumps(line) + "\n" for line in lines))
    return made


async def _queries(server: Running, done: asyncio.Task[tuple[float, float]]) -> list[Reply]:
    asked = asking(varied_questions(200_000, seed=int(time.time())))
    return await _until(done, server, ASKING, asked)


async def _alive(server: Running, done: asyncio.Task[tuple[float, float]]) -> list[Reply]:
    return await _until(done, server, 1, lambda connection: connection.get("/healthz"))


async def _until(
    done: asyncio.Task[tuple[float, float]], server: Running, count: int, call: Callable[[Connection], Awaitable[Reply]]
) -> list[Reply]:
    replies: list[Reply] = []

    async def one(connection: Connection) -> None:
        while not done.done():
            replies.append(await call(connection))
            await asyncio.sleep(PAUSE_SECONDS)

    async with connected(server.url, count, {"authorization": f"Bearer {server.key}"}) as connections, asyncio.TaskGroup() as tasks:
        for each in connections:
            tasks.create_task(one(each))
    return replies


async def _until_indexed(server: Running, writer: asyncio.subprocess.Process, wanted: int) -> tuple[float, float]:
    """When the last item could be found, and when the last re-index that it called for was over."""
    if await writer.wait():
        raise RuntimeError("The writer failed: its last words are above.")
    until, ingested = time.perf_counter() + MAX_SECONDS, 0.0
    while time.perf_counter() < until:
        figures = await _figures(server)
        if not ingested and not figures["cairn_index_pending"] and figures['cairn_vector_points{kind="all"}'] >= wanted:
            ingested = time.perf_counter()
        if ingested and figures['cairn_vector_points{kind="unindexed"}'] < 0.1 * wanted and not _building(server):
            return ingested, time.perf_counter()
        await asyncio.sleep(2)
    raise RuntimeError(f"Not indexed after {MAX_SECONDS} s: {figures}")


def _building(server: Running) -> bool:
    return sum("app.storage.vectors.engine" in each.cmdline() for each in server.family()) > 1


async def _figures(server: Running) -> dict[str, float]:
    page = await asyncio.to_thread(server.text, "/metrics")
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in page.splitlines() if line and not line.startswith("#")}


async def _status(server: Running) -> int:
    return int((await _figures(server))['cairn_vector_points{kind="all"}'])


async def generation(server: Running) -> int:
    return int(await asyncio.to_thread((server.folder / "vectors" / "current").read_text))


async def write(folder: Path, url: str, items: int, more: int) -> None:
    """In a process of its own: `more` items beside those that are there, looked up among their neighbours, stored, noted for the index."""
    settings = settings_module.load(data_dir=folder)
    vectors = np.load(models_folder() / f"corpus-{items}-{SEED}.npy", mmap_mode="r")
    chosen = np.random.default_rng(3)
    database = await Database.open(settings.database, url, name="writer", pool_size=WRITERS)
    async with open_store(settings, SCHEMA, folder=DataFolder.open(folder).vectors, owner=False) as index:
        accounts = Accounts(database, admin_key="-" * 40, secret_key="-" * 40, default_limit_nanousd=0)
        journal = Journal(database, settings.sessions, Queue(database, settings.worker))
        store = KnowledgeStore(database, index, journal, merge_threshold=settings.knowledge.merge_threshold)
        async with database.begin() as connection:
            team = (await connection.execute(text("select id from teams where name = 'default'"))).scalar_one()
            projects = [await accounts.project_id(connection, team, project(n)) for n in range(PROJECTS)]
        left = iter(range(0, more, A_SESSION))
        bodies = list(varied_lessons(more, seed=4))

        async def sessions() -> None:
            for start in left:
                part = bodies[start : start + A_SESSION]
                async with database.begin() as connection:
                    session = await journal.open(
                        connection,
                        team_id=team,
                        project_id=(at := projects[start // A_SESSION % PROJECTS]),
                        developer_id=None,
                        header=SessionHeader("generic", str(uuid4())),
                        transcript="more.jsonl",
                    )
                candidates = [
                    ItemCandidate(f"{start + n}", "bug_solution", title, body, 0.7, f"{n}", f"L{n}", body)
                    for n, (title, body) in enumerate(part)
                ]
                # Between two that are there: as near to others as real ones, and nobody's twin.
                pairs = chosen.integers(0, len(vectors), (2, len(part)))
                made = vectors[pairs[0]] + 0.6 * vectors[pairs[1]] + 0.02 * chosen.standard_normal((len(part), 384))
                made = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
                embedded = {each.key: EmbeddedCandidate(each, vector, "made up") for each, vector in zip(candidates, made, strict=True)}
                source = Source(session, team, at, None, "more.jsonl", None)
                await store.reconcile(source, candidates=candidates, embedded=embedded)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(WRITERS):
                tasks.create_task(sessions())
    await database.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--more", type=int, default=MORE)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--database", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        asyncio.run(write(options.write, options.database, options.items, options.more))
        return 0
    with tempfile.TemporaryDirectory(prefix="cairn-reindex-", dir="/tmp") as scratch:
        figures = asyncio.run(reindex(Path(scratch), options.items, options.more))
    show(figures)
    print(machine())
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
