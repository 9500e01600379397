"""Every component against its target: p50, p95, p99, after a warm-up that isn't counted.

python tests/performance/benchmarks.py --component=all|database|budget|inference|cache|embedding|search|pipeline|reindex|hnsw|bulk --iterations=N [--calls N] [--json FILE] [--compare FILE]

Exit 1 when a target is missed, or a figure is more than 10 % worse than in the file compared with.
`all` leaves out `reindex`, `hnsw` and `bulk`, which take minutes. Everything runs on loopback, against servers that the script starts in a scratch folder and stops again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import aiohttp
from sqlalchemy import text

from app import settings as settings_module
from app.knowledge.item import ItemCandidate
from app.knowledge.neighbours import item_text
from app.knowledge.reconciliation import EmbeddedCandidate, Source
from app.services import Services, open_services
from app.sessions.event import SessionHeader
from tests.performance.corpus import lessons, questions
from tests.performance.measure import Figure, latencies, machine, percentile, resident_mb, show, timed
from tests.performance.measure_budget import budget
from tests.performance.measure_bulk import bulk
from tests.performance.measure_cache import policies
from tests.performance.measure_hits import hits
from tests.performance.measure_hnsw import FULL_GRAPH, engine_alone
from tests.performance.measure_inference import CALLS, inference
from tests.performance.measure_live import SECONDS as LIVE_SECONDS
from tests.performance.measure_live import live
from tests.performance.measure_reindex import reindex
from tests.performance.measure_search import ITEMS as MANY_ITEMS
from tests.performance.measure_search import search_at_size
from tests.performance.measure_torch import against_torch
from tests.running import running

ITEMS = 10_000
ITEMS_A_SESSION = 100
WORSE = 1.10
Component = Callable[[int, Path], Awaitable[list[Figure]]]


async def database(iterations: int, scratch: Path) -> list[Figure]:
    """A round trip through the pool: checkout with pre-ping, one statement, commit."""
    async with open_services(settings_module.load(data_dir=scratch / "database"), role="serve") as services:

        async def round_trip() -> None:
            async with services.database.begin() as connection:
                await connection.execute(text("select 1"))

        return latencies("database", "round trip", await timed(round_trip, iterations=iterations, warm_up=20), p95_target=5)


async def cache(iterations: int, scratch: Path) -> list[Figure]:
    """Policies on traces, the cost of a hit in memory and over HTTP, the memory of a full cache."""
    return [*await asyncio.to_thread(policies), *await hits(iterations, scratch)]


async def embedding(iterations: int, scratch: Path) -> list[Figure]:
    """One short question; and a mixed batch, as ingest sends it. No text twice, so no cache answers."""
    async with open_services(settings_module.load(data_dir=scratch / "embedding"), role="serve") as services:
        asked = iter(questions(iterations + 20))
        figures = latencies(
            "embedding",
            "one question",
            await timed(lambda: services.embedder.embed([next(asked)]), iterations=iterations, warm_up=20),
        )
        texts = [item_text(title, body) for title, body in lessons(500, seed=3)]
        began = time.perf_counter()
        await services.embedder.embed(texts)
        figures.append(Figure("embedding", "500 items", "texts/s", len(texts) / (time.perf_counter() - began)))
    return figures + (await against_torch(iterations) or [])


async def search(iterations: int, scratch: Path) -> list[Figure]:
    """A query over HTTP against 10,000 items: embedding, engine, PostgreSQL, JSON; every question is new."""
    folder = scratch / "search"
    async with open_services(settings_module.load(data_dir=folder), role="serve") as services:
        await _fill(services, ITEMS)
        await services.knowledge.index.rebuild()
    with running(folder) as server:
        headers = {"authorization": f"Bearer {server.key}"}
        asked = iter(questions(iterations + 50))
        async with aiohttp.ClientSession(server.url, headers=headers) as client:

            async def ask() -> None:
                async with client.post("/v1/knowledge/query", json={"query": next(asked), "limit": 10}) as reply:
                    assert reply.status == 200, await reply.text()
                    assert not (await reply.json())["degraded"]

            figures = latencies(
                "search", f"query over HTTP, {ITEMS:,} items", await timed(ask, iterations=iterations, warm_up=50), p95_target=15
            )
        figures.append(Figure("search", "memory, server and children", "MB", resident_mb(server.family())))
    return [*figures, *await search_at_size(iterations, scratch)]


async def pipeline(iterations: int, scratch: Path) -> list[Figure]:
    """All real transcripts through HTTP into knowledge; then a second start. Skipped where the data is absent."""
    data = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "transcripts"
    if not data.is_dir():
        print(f"pipeline: skipped, {data} is absent", file=sys.stderr)
        return []
    folder = scratch / "pipeline"
    (folder / "models").mkdir(parents=True)  # empty: the first start exports the model
    files = sorted(path for path in data.rglob("*") if path.suffix in {".jsonl", ".md"} and not path.name.startswith(("README", "LICENSE")))
    with running(folder) as server:
        first_start = server.seconds_to_ready
        began, peak = time.perf_counter(), 0.0
        jobs = []
        for file in files:
            try:
                jobs.append(await asyncio.to_thread(server.upload, file))
            except Exception as error:
                print(f"pipeline: {file.name}: {error}", file=sys.stderr)
        for job in jobs:
            while (await asyncio.to_thread(server.get, f"/v1/jobs/{job}"))["state"] not in {"done", "failed"}:
                peak = max(peak, resident_mb(server.family()))
                await asyncio.sleep(0.2)
        seconds = time.perf_counter() - began
    with running(folder) as again:
        second_start = again.seconds_to_ready
    return [
        Figure("pipeline", f"ingest of {len(jobs)} real transcripts", "s", seconds, 120),
        Figure("pipeline", "memory at most, server and children", "MB", peak, 900),
        Figure("pipeline", "first start to /readyz (model export included)", "s", first_start),
        Figure("pipeline", "second start to /readyz", "s", second_start, 3),
        Figure("pipeline", "cairn --help", "s", await _help_seconds(), 0.5),
        *await live(LIVE_SECONDS, scratch),
    ]


async def reindexing(iterations: int, scratch: Path) -> list[Figure]:
    """Queries while 50,000 items come in beside 100,000."""
    del iterations
    return await reindex(scratch)


async def hnsw(iterations: int, scratch: Path) -> list[Figure]:
    """The engine alone: searches, recall, and what a graph costs."""
    del iterations
    return await engine_alone(scratch, MANY_ITEMS, [FULL_GRAPH], two_pass=True)


async def beside_bulk(iterations: int, scratch: Path) -> list[Figure]:
    """Queries beside batches of embeddings, ingest, a re-index, pages and exports; idle before each."""
    del iterations
    return await bulk(scratch)


COMPONENTS: dict[str, Component] = {
    "database": database,
    "budget": budget,
    "inference": inference,
    "cache": cache,
    "embedding": embedding,
    "search": search,
    "pipeline": pipeline,
    "reindex": reindexing,
    "hnsw": hnsw,
    "bulk": beside_bulk,
}
MINUTES = {"reindex", "hnsw", "bulk"}


async def _fill(services: Services, count: int) -> None:
    """Store synthetic lessons the way intake does: embedded, looked up among their neighbours, indexed."""
    async with services.database.begin() as connection:
        team_id = (await connection.execute(text("select id from teams where name = 'default'"))).scalar_one()
        project_id = await services.accounts.project_id(connection, team_id, "synthetic")
    made = list(lessons(count))
    for start in range(0, count, ITEMS_A_SESSION):
        header = SessionHeader(provider="generic", external_id=str(uuid4()))
        async with services.database.begin() as connection:
            session_id = await services.journal.open(
                connection, team_id=team_id, project_id=project_id, developer_id=None, header=header, transcript="synthetic.jsonl"
            )
        part = made[start : start + ITEMS_A_SESSION]
        vectors = await services.embedder.embed([item_text(*pair) for pair in part])
        candidates = [
            ItemCandidate(f"{start + n}", "bug_solution", title, body, 0.7, f"{n}", f"L{n}", body) for n, (title, body) in enumerate(part)
        ]
        embedded = {
            each.key: EmbeddedCandidate(each, vector, services.embedder.model) for each, vector in zip(candidates, vectors, strict=True)
        }
        source = Source(session_id, team_id, project_id, None, "synthetic.jsonl", None)
        learnt = await services.knowledge.store.reconcile(source, candidates=candidates, embedded=embedded)
        await services.knowledge.index.drain_to(learnt.mark)


async def _help_seconds() -> float:
    """The median of five runs of `cairn --help` as a whole process."""
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "cairn"), "--help", stdout=asyncio.subprocess.DEVNULL
        )
        await process.wait()
        spent.append(time.perf_counter() - began)
    return percentile(spent, 0.5)


def _worse(figures: list[Figure], earlier: dict[str, float]) -> list[str]:
    """Names of the figures that are more than 10 % worse than before."""
    found = []
    for figure in figures:
        before = earlier.get(f"{figure.component}: {figure.name}")
        higher_is_better = figure.at_least or figure.unit.endswith("/s")
        if before and (figure.value < before / WORSE if higher_is_better else figure.value > before * WORSE):
            found.append(f"{figure.component}: {figure.name}: {before:.2f} → {figure.value:.2f} {figure.unit}")
    return found


async def measure(names: list[str], iterations: int, *, calls: int = CALLS) -> list[Figure]:
    components = COMPONENTS | {"inference": partial(inference, calls=calls)}
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as scratch:
        return [figure for name in names for figure in await components[name](iterations, Path(scratch))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--component", choices=["all", *COMPONENTS], default="all")
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--calls", type=int, default=CALLS, help="of models, over which the server's memory must not grow")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--compare", type=Path, help="figures of an earlier run")
    options = parser.parse_args()
    if options.iterations < 1:
        parser.error("--iterations must be at least 1")
    figures = asyncio.run(
        measure(
            [name for name in COMPONENTS if name not in MINUTES] if options.component == "all" else [options.component],
            options.iterations,
            calls=options.calls,
        )
    )
    show(figures)
    print(machine())
    values = {f"{figure.component}: {figure.name}": figure.value for figure in figures}
    if options.json:
        options.json.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    worse = _worse(figures, json.loads(options.compare.read_text())) if options.compare else []
    for line in worse:
        print(f"worse: {line}", file=sys.stderr)
    return int(bool(worse) or not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
