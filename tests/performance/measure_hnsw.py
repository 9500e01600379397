"""The engine alone, on real vectors: searches a second, recall against exact search, what a graph costs to build, by its parameters.

python tests/performance/measure_hnsw.py [--items=100000] [--graphs=16x200,16x100,8x100] [--two-pass]

In this process, as the engine's own does it; times are of the processor, so that others on the machine change them little.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray

from app.knowledge.neighbours import item_text
from app.knowledge.points import SCHEMA
from app.settings import VectorsSettings
from app.storage.vectors import lexical
from app.storage.vectors.frames import ShardOptions, SparseParts, VectorQuery, WirePoint
from app.storage.vectors.shard import Shard
from tests.fakes.models import uncached_embedder
from tests.performance.corpus import varied_lessons, varied_questions
from tests.performance.filled import A_SESSION, PROJECTS, SEED, project, vectors_of
from tests.performance.measure import Figure, machine, show

K, ASKED, RECALL = 10, 400, 0.99
BREADTHS = (16, 32, 48, 64, 96, 128, 192, 256)
FULL_GRAPH = (16, 200)
Floats = NDArray[np.float32]


class Measured:
    """One shard over the corpus, and the questions asked of it."""

    def __init__(self, folder: Path, items: int, vectors: Floats, questions: Floats, graph: tuple[int, int]) -> None:
        self.vectors, self.questions = vectors, questions
        self._options = ShardOptions(
            dims=dict(SCHEMA.vectors),
            keywords=list(SCHEMA.keywords),
            floats=list(SCHEMA.floats),
            datetimes=list(SCHEMA.datetimes),
            m=graph[0],
            ef_construct=graph[1],
            ef=0,
            oversampling=2.0,
        )
        shutil.rmtree(folder, ignore_errors=True)
        self.shard = Shard(folder, self._options)
        self.places = np.arange(items) // A_SESSION % PROJECTS
        for start in range(0, items, 256):
            self.shard.upsert([_point(n, vectors[n], int(self.places[n])) for n in range(start, min(items, start + 256))])
        began = time.process_time()
        self.shard.optimize()
        self.build_seconds = time.process_time() - began
        self.megabytes = sum(file.stat().st_size for file in folder.rglob("vector_index-dense_384/*")) / 1e6

    def found(self, question: int, where: int | None, *, ef: int | None = None, limit: int = K) -> list[tuple[int, float]]:
        filters = {} if where is None else {"project": [project(where)]}
        hits = self.shard.search(VectorQuery(self.questions[question].tobytes(), "dense_384", None, filters, limit, None, False, ef))
        return [(UUID(hit.id).int, hit.score) for hit in hits]

    def exact(self, question: int, where: int | None) -> set[int]:
        scores = self.vectors @ self.questions[question]
        if where is not None:
            scores = np.where(self.places == where, scores, -2)
        return set(map(int, np.argpartition(-scores, K)[:K]))

    def recall(self, search: Callable[[int, int | None], Sequence[tuple[int, float]]], *, filtered: bool) -> tuple[float, float]:
        """(recall@10, milliseconds of processor a search)."""
        wheres = [n % PROJECTS if filtered else None for n in range(len(self.questions))]
        began = time.process_time()
        told = [search(n, where) for n, where in enumerate(wheres)]
        spent = (time.process_time() - began) * 1000 / len(told)
        right = sum(len(self.exact(n, where) & {item for item, _ in told[n]}) for n, where in enumerate(wheres))
        return right / (K * len(told)), spent


async def engine_alone(scratch: Path, items: int, graphs: Sequence[tuple[int, int]], *, two_pass: bool) -> list[Figure]:
    vectors, questions = await _embedded(items)
    figures = []
    for graph in graphs:
        name = f"{items:,} × 384, m {graph[0]}, ef_construct {graph[1]}"
        figures += _of_graph(Measured(scratch / "shard", items, vectors, questions, graph), name, two_pass=two_pass)
    return figures


def _of_graph(measured: Measured, name: str, *, two_pass: bool) -> list[Figure]:
    figures = [
        Figure("hnsw", f"{name}: built", "s of CPU", measured.build_seconds),
        Figure("hnsw", f"{name}: the graph", "MB", measured.megabytes),
    ]
    for ef, filtered in product(BREADTHS, (False, True)):
        recall, spent = measured.recall(partial(measured.found, ef=ef), filtered=filtered)
        told = f"{name}, ef {ef}{', of a project' if filtered else ''}"
        figures.append(Figure("hnsw", f"{told}: {spent:.2f} ms of CPU, recall@{K}", "", recall))
    chosen = measured.shard.tune(VectorsSettings().recall)
    recall, spent = measured.recall(measured.found, filtered=False)
    figures += [
        Figure("hnsw", f"{name}: the breadth that its own measurement chose", "", chosen),
        Figure("hnsw", f"{name}: recall@{K} of real questions with it", "", recall, RECALL, at_least=True),
        Figure("hnsw", f"{name}: searches of a process with it, a second of CPU", "/s", 1000 / spent, 3000, at_least=True),
    ]
    return figures + (_two_passes(measured, name) if two_pass else [])


def _two_passes(measured: Measured, name: str) -> list[Figure]:
    """A narrow pass, and a wide one only where the tenth score is close to the eleventh: does it buy recall cheaper than one pass?"""
    figures = []
    for (narrow, wide), margin in product(((16, 128), (32, 128), (32, 256), (64, 256)), (0.001, 0.003, 0.01)):
        twice = Counter[bool]()

        def search(
            n: int, where: int | None, narrow: int = narrow, wide: int = wide, margin: float = margin, twice: Counter[bool] = twice
        ) -> Sequence[tuple[int, float]]:
            first = measured.found(n, where, ef=narrow, limit=K + 1)
            sure = len(first) > K and first[K - 1][1] - first[K][1] >= margin
            twice[not sure] += 1
            return first[:K] if sure else measured.found(n, where, ef=wide)

        recall, spent = measured.recall(search, filtered=False)
        told = f"{name}, ef {narrow}, then {wide} below a margin of {margin} ({twice[True] / twice.total():.0%} twice)"
        figures.append(Figure("hnsw", f"{told}: {spent:.2f} ms of CPU, recall@{K}", "", recall))
    return figures


async def _embedded(items: int) -> tuple[Floats, Floats]:
    async with uncached_embedder() as embedder:
        vectors = await vectors_of(embedder, [item_text(*pair) for pair in varied_lessons(items, seed=SEED)])
        return vectors, (await embedder.embed(varied_questions(ASKED))).astype(np.float32)


def _point(number: int, vector: Floats, place: int) -> WirePoint:
    words = lexical.document(str(number))
    payload: dict[str, str | float | list[str]] = {
        "team": "team",
        "project": project(place),
        "type": "bug_solution",
        "freshness": "fresh",
        "confidence": 0.7,
    }
    payload["created_at"] = "2026-11-21T00:00:00Z"
    return WirePoint(str(UUID(int=number)), {"dense_384": vector.tobytes()}, SparseParts(words.indices, words.values), payload)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--graphs", default="x".join(map(str, FULL_GRAPH)))
    parser.add_argument("--two-pass", action="store_true")
    options = parser.parse_args()
    graphs = [(int(m), int(ef)) for m, ef in (each.split("x") for each in options.graphs.split(","))]
    with tempfile.TemporaryDirectory(prefix="cairn-hnsw-", dir="/tmp") as scratch:
        figures = asyncio.run(engine_alone(Path(scratch), options.items, graphs, two_pass=options.two_pass))
    show(figures)
    print(machine())
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
