"""The two legs of a question about what was said, in the embedded engine: 60 nearest and 60 by BM25 of a project's passages.

python tests/performance/measure_legs.py [--points=20000,100000] [--questions=300] [--json FILE]
python tests/performance/measure_legs.py --lexical --points=1000000      in this process and without a graph: eight minutes instead of half an hour

Through the store and its socket, the engine in its own process, filled by a rebuild as `cairn index rebuild` does, then started again. Points are made
up: the words of a passage are distributed as in 3,277 real ones (the first word stands in a fifth of them, the hundredth in 5 %, the thousandth in 0.6 %),
a question's as in `data/questions` (its 12 words stand in 0.3 of the passages, added up); vectors lie about 40 subjects of a project, in 32 dimensions,
where the builder chooses the breadth that it chooses for real ones. A twentieth are items. 100,000 take two minutes of CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import psutil
from numpy.typing import NDArray

from app.knowledge.item import KNOWLEDGE_TYPES
from app.knowledge.points import SCHEMA
from app.settings import Settings
from app.storage.vectors import open_store
from app.storage.vectors.frames import ShardOptions, SparseParts, VectorQuery, WirePoint
from app.storage.vectors.lexical import K1, B, SparseVector
from app.storage.vectors.recipe import SPARSE
from app.storage.vectors.shard import Shard
from app.storage.vectors.store import Hit, Vector, VectorPoint, VectorStore, Where, Within
from tests.performance.measure import Figure, cpu_seconds, latencies, machine, resident_mb, show

LEG, WARM_UP, EXACT = 60, 20, 50
"""Hits a leg; questions before those that count; questions whose nearest are compared with exact search."""
PROJECTS, TOPICS, ITEMS = 50, 40, 0.05
"""Of unequal size, the largest a tenth of all; subjects of a project; the share of points that are no passages."""
VOCABULARY, FLAT, TERMS, ASKED_TERMS = 300_000, 30, 60, 12
"""Zipf's law, flattened at its head: a word of rank r comes with a probability in proportion to 1 / (r + FLAT)."""
BEGAN, DAYS, PERIOD = datetime(2026, 1, 1, tzinfo=UTC), 300, timedelta(days=30)
LATENT = 32
BATCH = 1024
TARGET_MS, RECALL = 10.0, 0.95
"""Of a leg that asks a project; of all."""
OF_TEAM: Where = {"team": "team", "type": "passage"}
ITEMS_OF_TEAM: Where = {"team": "team", "type": list(KNOWLEDGE_TYPES)}
Floats = NDArray[np.float32]
Leg = Callable[[int], Awaitable[list[Hit]]]


class Corpus:
    """Points by number, the same ones for the same seed; the vectors are kept, for exact search."""

    def __init__(self, points: int, seed: int = 5) -> None:
        self._chance = np.random.default_rng(seed)
        weights = 1 / (np.arange(VOCABULARY) + FLAT)
        self._cumulated = np.cumsum(weights / weights.sum())
        shares = 1 / (np.arange(PROJECTS) + 3)
        self.projects = self._chance.choice(PROJECTS, points, p=shares / shares.sum())
        self.is_passage = self._chance.random(points) >= ITEMS
        self._topics = self._chance.standard_normal((PROJECTS, TOPICS, LATENT)).astype(np.float32)
        self._map = self._chance.standard_normal((LATENT, 384)).astype(np.float32)
        self.vectors = np.empty((points, 384), dtype=np.float16)

    def points(self) -> Iterator[list[VectorPoint]]:
        for start in range(0, len(self.projects), BATCH):
            numbers = range(start, min(start + BATCH, len(self.projects)))
            vectors = self._near([int(self.projects[number]) for number in numbers])
            self.vectors[start : start + len(vectors)] = vectors
            yield [self._point(number, vector) for number, vector in zip(numbers, vectors, strict=True)]

    def question(self, number: int) -> tuple[int, Vector, SparseVector]:
        """(project, vector, terms): about a subject of a project, in its words."""
        chance = random.Random(number)
        project = int(self.projects[chance.randrange(len(self.projects))])
        terms, _ = np.unique(self._words(ASKED_TERMS), return_counts=True)
        return project, self._near([project])[0], SparseVector(terms.tolist(), [1.0] * len(terms))

    def nearest(self, vector: Vector, among: NDArray[np.bool_]) -> set[UUID]:
        """By exact search."""
        places = np.flatnonzero(among)
        scores = self.vectors[places].astype(np.float32) @ vector
        return {UUID(int=int(places[place])) for place in np.argsort(-scores)[:LEG]}

    def _near(self, projects: Sequence[int]) -> Floats:
        subjects = self._topics[projects, self._chance.integers(0, TOPICS, len(projects))]
        made = (0.8 * subjects + self._chance.standard_normal(subjects.shape, dtype=np.float32)) @ self._map
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)

    def _words(self, count: int) -> NDArray[np.int64]:
        """As ids of terms, spread over 32 bits as hashes are."""
        return np.searchsorted(self._cumulated, self._chance.random(count)).astype(np.int64) * 2_654_435_761 % 2**32

    def _point(self, number: int, vector: Vector) -> VectorPoint:
        terms, counts = np.unique(self._words(int(self._chance.integers(TERMS // 4, 2 * TERMS - TERMS // 4))), return_counts=True)
        weights = counts * (K1 + 1) / (counts + K1 * (1 - B + B * counts.sum() / TERMS))
        payload: dict[str, str | float] = {
            "team": "team",
            "project": project_id(int(self.projects[number])),
            "type": "passage" if self.is_passage[number] else KNOWLEDGE_TYPES[number % len(KNOWLEDGE_TYPES)],
            "created_at": (BEGAN + timedelta(minutes=number * 7919 % (DAYS * 1440))).isoformat(),
        }
        return VectorPoint(UUID(int=number), {"dense_384": vector}, SparseVector(terms.tolist(), weights.tolist()), payload)


def project_id(number: int) -> str:
    return str(UUID(int=2**64 + number))


def of_project(number: int) -> Where:
    return {"project": project_id(number), "type": "passage"}


async def legs(scratch: Path, points: int, questions: int) -> list[Figure]:
    corpus, folder, of = Corpus(points), scratch / "vectors", f"{points:,} points"
    asked = [corpus.question(number) for number in range(questions + WARM_UP)]
    async with open_store(Settings(), SCHEMA, folder=folder, owner=True) as store:
        figures = await _filled(store, corpus, of)
    async with open_store(Settings(), SCHEMA, folder=folder, owner=True) as store:
        status = await store.status()
        engine = psutil.Process(int(status.detail["pid"]))
        for name, leg in _legs(store, asked).items():
            before = cpu_seconds(engine)
            figures += latencies(
                "legs", f"{of}, {name}", await _timed(leg, questions), p95_target=TARGET_MS if "project" in name else None
            )[:2]
            spent = 1000 * (cpu_seconds(engine) - before) / (questions + WARM_UP)
            figures.append(Figure("legs", f"{of}, {name}: of the engine", "ms of CPU", spent))
        for name, recall in (await _recalls(store, corpus, asked)).items():
            figures.append(Figure("legs", f"{of}, {name}: recall@{LEG}, ef {status.detail['ef']}", "", recall, RECALL, at_least=True))
        return [
            *figures,
            Figure("legs", f"{of}, memory of the engine after a restart and all questions", "MB", resident_mb([engine])),
            Figure("legs", f"{of}, on the disk", "bytes a point", _occupied(folder) / points),
        ]


def lexical(scratch: Path, points: int, questions: int) -> list[Figure]:
    """The leg that needs no graph, by the engine alone: its cost at sizes whose graphs take half an hour."""
    corpus, folder, of = Corpus(points), scratch / "shard", f"{points:,} points, the engine alone"
    dims = dict(SCHEMA.vectors)
    fields = {"keywords": list(SCHEMA.keywords), "floats": list(SCHEMA.floats), "datetimes": list(SCHEMA.datetimes)}
    options = ShardOptions(dims, **fields, m=0, ef_construct=16, ef=128, oversampling=2.0)
    shard = Shard(folder, options)
    for batch in corpus.points():
        shard.upsert(
            [WirePoint(str(each.id), {}, SparseParts(each.terms.indices, each.terms.values), dict(each.payload)) for each in batch]
        )
    shard.optimize()
    asked, figures = [corpus.question(number) for number in range(questions + WARM_UP)], []
    wheres: dict[str, Callable[[int], Where]] = {"a project": of_project, "a team": lambda _: OF_TEAM}
    for (name, where), own in product(wheres.items(), (False, True)):
        spent, before = [], time.process_time()
        for project, _, terms in asked:
            lists = {key: [str(value)] for key, value in where(project).items()}
            began = time.perf_counter()
            sparse = SparseParts(terms.indices, terms.values)
            shard.search(VectorQuery(None, SPARSE, sparse, lists, LEG, None, False, corpus=lists if own else None))
            spent.append((time.perf_counter() - began) * 1000)
        told = f"{of}: lexical of {name}{', its own idf' if own else ''}"
        figures += latencies("legs", told, spent[WARM_UP:])[:2]
        figures.append(Figure("legs", told, "ms of CPU", 1000 * (time.process_time() - before) / len(asked)))
    shard.close()
    return [*figures, Figure("legs", f"{of}, terms and payload on the disk", "bytes a point", _occupied(folder) / points)]


async def _recalls(store: VectorStore, corpus: Corpus, asked: Sequence[tuple[int, Vector, SparseVector]]) -> dict[str, float]:
    """By who is asked, the share of the truly nearest that was found."""
    made = {}
    for name, (where, among) in _parts(corpus).items():
        found = wanted = 0
        for project, vector, _ in asked[:EXACT]:
            exact = corpus.nearest(vector, among(project))
            hits = await store.nearest(vector, where=where(project), limit=LEG)
            found, wanted = found + len(exact & {hit.id for hit in hits}), wanted + len(exact)
        made[name] = found / max(wanted, 1)
    return made


def _parts(corpus: Corpus) -> dict[str, tuple[Callable[[int], Where], Callable[[int], NDArray[np.bool_]]]]:
    """Name → (the filter of a project's question, which points match it)."""
    items, kinds = ~corpus.is_passage, list(KNOWLEDGE_TYPES)
    return {
        "passages of a project": (of_project, lambda project: corpus.is_passage & (corpus.projects == project)),
        "passages of a team": (lambda _: OF_TEAM, lambda _: corpus.is_passage),
        "items of a project": (lambda each: {**of_project(each), "type": kinds}, lambda each: items & (corpus.projects == each)),
        "items of a team": (lambda _: ITEMS_OF_TEAM, lambda _: items),
    }


async def _filled(store: VectorStore, corpus: Corpus, of: str) -> list[Figure]:
    began = time.perf_counter()
    async with store.rebuild() as staging:
        for points in corpus.points():
            await staging.upsert(points)
        written = time.perf_counter()
        await staging.optimize()
        built = time.perf_counter()
        await staging.commit()
    return [
        Figure("legs", f"{of}, made and written", "s", written - began),
        Figure("legs", f"{of}, graph built and breadth measured", "s", built - written),
    ]


def _legs(store: VectorStore, asked: Sequence[tuple[int, Vector, SparseVector]]) -> dict[str, Leg]:
    def period(n: int) -> Within:
        since = BEGAN + timedelta(days=n % (DAYS - PERIOD.days))
        return Within("created_at", since, since + PERIOD)

    def where(n: int) -> Where:
        return of_project(asked[n][0])

    return {
        "nearest of a project": lambda n: store.nearest(asked[n][1], where=where(n), limit=LEG),
        "nearest of a project in a month": lambda n: store.nearest(asked[n][1], where=where(n), limit=LEG, within=period(n)),
        "nearest items of a team": lambda n: store.nearest(asked[n][1], where=ITEMS_OF_TEAM, limit=LEG),
        "nearest of a team": lambda n: store.nearest(asked[n][1], where=OF_TEAM, limit=LEG),
        "lexical of a project": lambda n: store.lexical(asked[n][2], where=where(n), limit=LEG),
        "lexical of a project, its own idf": lambda n: store.lexical(asked[n][2], where=where(n), limit=LEG, corpus=where(n)),
        "lexical of a project in a month": lambda n: store.lexical(asked[n][2], where=where(n), limit=LEG, within=period(n)),
        "lexical of a team": lambda n: store.lexical(asked[n][2], where=OF_TEAM, limit=LEG),
        "lexical of a team, its own idf": lambda n: store.lexical(asked[n][2], where=OF_TEAM, limit=LEG, corpus=OF_TEAM),
    }


async def _timed(leg: Leg, questions: int) -> list[float]:
    spent = []
    for number in range(questions + WARM_UP):
        began = time.perf_counter()
        await leg(number)
        spent.append((time.perf_counter() - began) * 1000)
    return spent[WARM_UP:]


def _occupied(folder: Path) -> int:
    """Blocks, not lengths: the engine's files have holes."""
    return sum(512 * file.stat().st_blocks for file in folder.rglob("*") if file.is_file())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", default="20000,100000")
    parser.add_argument("--lexical", action="store_true", help="that leg alone, in this process")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures: list[Figure] = []
    for points in map(int, options.points.split(",")):
        with tempfile.TemporaryDirectory(prefix="cairn-legs-", dir="/tmp") as scratch:
            if options.lexical:
                figures += lexical(Path(scratch), points, options.questions)
            else:
                figures += asyncio.run(legs(Path(scratch), points, options.questions))
    show(figures)
    print(machine())
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    return int(not all(figure.met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
