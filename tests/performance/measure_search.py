"""Queries over HTTP against 100,000 items: latency one by one, throughput of 32 at once, recall, memory, the start.

python tests/performance/measure_search.py [--items=100000] [--iterations=1000]

Every question is new and filters on a project, a tenth of the items. Recall: which of the ten items that rank first when every item
of the project is ranked came back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from app.knowledge.neighbours import item_text
from app.knowledge.relevance import QuestionTerms
from app.storage.vectors import lexical
from tests.fakes.models import uncached_embedder
from tests.performance.callers import Connection, Reply, closed_loop, connected
from tests.performance.corpus import varied_lessons, varied_questions
from tests.performance.filled import A_SESSION, PROJECTS, SEED, filled, project, vectors_of
from tests.performance.measure import Figure, latencies, machine, percentile, resident_mb, show
from tests.running import Running, running

ITEMS = 100_000
AT_ONCE = 32
RECALLED = 100
K = 10
ITEMS_ALONE = ["item"]
NEAR = 1e-3
"""Scores are told with four digits."""


async def search_at_size(iterations: int, scratch: Path, items: int = ITEMS) -> list[Figure]:
    """All figures of one filled folder."""
    folder = scratch / "filled"
    await filled(items, folder)
    name = f"{items:,} items"
    with running(folder) as server:
        headers = {"authorization": f"Bearer {server.key}"}
        asked = varied_questions(4 * iterations + RECALLED + 500, seed=int(time.time()))
        async with connected(server.url, AT_ONCE, headers) as connections:
            await closed_loop(connections, 300, asking(asked[:300], kinds=ITEMS_ALONE))
            del asked[:300]
            began = time.perf_counter()
            many = await closed_loop(connections, 2 * iterations, asking(asked[iterations:], kinds=ITEMS_ALONE))
            rate = len(many) / (time.perf_counter() - began)
            alone = await closed_loop(connections[:1], iterations, asking(asked, kinds=ITEMS_ALONE))
        checked([*alone, *many])
        async with connected(server.url, 1, headers) as connections:
            told = await closed_loop(connections, RECALLED, asking(asked[-RECALLED:], min_score=0, kinds=ITEMS_ALONE))
        found = await _recall(asked[-RECALLED:], told, items)
        return [
            Figure("search", f"start to /readyz, {name} stored", "s", server.seconds_to_ready, 3),
            *latencies("search", f"query over HTTP, {name}, a project", [reply.seconds * 1000 for reply in alone], p95_target=12),
            Figure("search", f"distinct queries, {AT_ONCE} at once", "/s", rate, 400, at_least=True),
            Figure("search", f"the same, p95 at {AT_ONCE} at once", "ms", percentile([reply.seconds * 1000 for reply in many], 0.95)),
            Figure("search", f"recall@{K} of a query over HTTP", "", found, 0.98, at_least=True),
            *memory(server),
        ]


def memory(server: Running, *, most_mb: int | None = 700) -> list[Figure]:
    engines = [each for each in server.family() if "app.storage.vectors.engine" in each.cmdline()]
    ours = [each for each in server.family() if each not in engines]
    return [
        Figure("search", "memory: server and worker", "MB", resident_mb(ours), most_mb),
        Figure("search", "memory: vector engine", "MB", resident_mb(engines), 600),
    ]


def checked(replies: Sequence[Reply]) -> None:
    """Nothing failed, nothing was narrowed."""
    for reply in replies:
        if reply.status != 200 or json.loads(reply.body)["degraded"]:
            raise RuntimeError(f"{reply.status} {reply.body[:500]!r}")


def asking(questions: Sequence[str], *, projects: int = PROJECTS, **fields: object) -> Callable[[Connection], Awaitable[Reply]]:
    left = iter(questions)
    places = cycle(range(projects))

    async def ask(connection: Connection) -> Reply:
        body = {"query": next(left), "limit": K, "project": project(next(places)), **fields}
        return await connection.post("/v1/knowledge/query", json.dumps(body).encode())

    return ask


async def _recall(questions: Sequence[str], replies: Sequence[Reply], items: int) -> float:
    """Over all questions, in one project each."""
    pairs = list(varied_lessons(items, seed=SEED))
    shares = []
    async with uncached_embedder() as embedder:
        vectors = await vectors_of(embedder, [item_text(*pair) for pair in pairs])
        asked = await embedder.embed(questions)
    mine = {place: [n for n in range(items) if n // A_SESSION % PROJECTS == place] for place in range(PROJECTS)}
    words = {place: [lexical.distinct(item_text(*pairs[n])) for n in mine[place]] for place in mine}
    for number, (question, reply) in enumerate(zip(questions, replies, strict=True)):
        place = number % PROJECTS
        cosines = vectors[mine[place]] @ asked[number]
        terms = QuestionTerms(lexical.terms(question), lexical.codes(question))
        scores = [terms.relevance(float(cosine), found).score for cosine, found in zip(cosines, words[place], strict=True)]
        told = json.loads(reply.body)["results"]
        by_text = {pairs[n][1]: scores[at] for at, n in enumerate(mine[place])}
        least = float(np.sort(scores)[-K])
        shares.append(sum(by_text[each["text"]] >= least - NEAR for each in told) / K)
    return sum(shares) / len(shares)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--iterations", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cairn-search-", dir="/tmp") as scratch:
        figures = asyncio.run(search_at_size(options.iterations, Path(scratch), options.items))
    show(figures)
    print(machine())
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
