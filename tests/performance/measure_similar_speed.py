"""Times the search for similar sessions, and what each step of it costs: `nice python tests/performance/measure_similar_speed.py [SESSIONS]`.

Over an embedded PostgreSQL of its own, with sessions of one team (10,000 unless told otherwise) in 50 projects, five of them closed to
whoever asks. The phases are drawn as agents work: mostly looks, edits and tests, 5 to 500 of them.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as app/__init__.py does, which this script imports after numpy

import numpy as np
import psutil
from sqlalchemy import insert, text

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.queue.jobs import Queue
from app.sessions.journal import Journal
from app.settings import DatabaseSettings, Settings
from app.storage import migrations
from app.storage.database import Database
from app.storage.postgres import embedded_postgres
from app.trajectory.embedding import temporal_embedding
from app.trajectory.events.steps import SessionStep
from app.trajectory.sequences import common_length, edit_distance, warping_distance
from app.trajectory.shapes.builder import packed, shape_of
from app.trajectory.shapes.phases import every_symbol
from app.trajectory.similar.finder import SimilarSessionFinder
from app.trajectory.similar.ranking import quantised
from app.trajectory.similar.records import ShapeRecords
from app.trajectory.similar.tables import SessionShapeRow
from tests.performance.measure import Figure, cpu_seconds, latencies, machine, percentile, show, timed

PROJECTS, CLOSED, PAGE, ROUNDS = 50, 5, 1_000, 100
SYMBOLS = [each.char for each in every_symbol()]
WEIGHTS = np.array([10 if each.end == "done" and not each.again else 1 for each in every_symbol()], dtype=float)


def drawn(generator: np.random.Generator) -> dict[str, object]:
    """Draw a session's shape."""
    phases = int(np.clip(generator.lognormal(3.5, 1), 5, 500))
    symbols = "".join(generator.choice(SYMBOLS, phases, p=WEIGHTS / WEIGHTS.sum()))
    course = generator.random((4, phases)).round()
    vector = quantised(temporal_embedding(course)).tobytes()
    state = packed(shape_of([]))
    return {
        "symbols": symbols,
        "firsts": list(range(1, phases + 1)),
        "dropped": 0,
        "vector": vector,
        "settled_seq": 0,
        "state": state,
    }


async def fill(database: Database, sessions: int) -> None:
    """Store the sessions with their shapes."""
    async with database.begin() as connection:
        await connection.execute(text("insert into teams (id, name) values (md5('team')::uuid, 'big')"))
        projects = (
            "insert into projects (id, team_id, name) select md5('p' || n)::uuid, md5('team')::uuid, 'p' || n from generate_series(1, :n) n"
        )
        await connection.execute(text(projects), {"n": PROJECTS})
        made = (
            "insert into sessions (id, team_id, project_id, provider, external_id, transcript, started_at) select md5('s' || n)::uuid,"
            " md5('team')::uuid, md5('p' || 1 + n % :p)::uuid, 'generic', 's' || n, 't', now() - n * interval '1 minute'"
            " from generate_series(1, :n) n returning id"
        )
        ids = (await connection.scalars(text(made), {"n": sessions, "p": PROJECTS})).all()
        generator = np.random.default_rng(4)
        for start in range(0, len(ids), PAGE):
            rows = [{"session_id": each, **drawn(generator)} for each in ids[start : start + PAGE]]
            await connection.execute(insert(SessionShapeRow), rows)
        await connection.execute(text("analyze"))


async def search(url: str, sessions: int) -> None:
    """Time whole searches, and the statement that reads the shapes."""
    database = await Database.open(DatabaseSettings(), url, name="measure", pool_size=1, max_overflow=0)
    await fill(database, sessions)
    accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)
    journal, records = Journal(database, Settings().sessions, Queue(database, Settings().worker)), ShapeRecords(database)
    async with database.begin() as connection:
        backend = (await connection.scalar(text("select pg_backend_pid()"))) or 0
        team = (await connection.execute(text("select md5('team')::uuid"))).scalar_one()
        closed = (await connection.scalars(text("select id from projects order by name limit :n"), {"n": CLOSED})).all()
        kept = "select id from sessions where project_id <> all(:closed) order by id limit 200"
        asked = iter(list((await connection.scalars(text(kept), {"closed": list(closed)})).all()) * 3)
        size = (await connection.scalar(text("select pg_total_relation_size('session_shapes')"))) or 0
    finder, requester = SimilarSessionFinder(accounts, journal, records), Requester(team, "big", role="admin", closed=frozenset(closed))

    async def whole() -> object:
        return await finder.find(requester, next(asked), limit=10)

    async def read() -> object:
        return await records.compared(team, closed)

    found = await finder.find(requester, next(asked), limit=10)
    print(f"{sessions} sessions, {found.compared} compared, {len(found.found)} found; the table has {size / 2**20:.1f} MiB")
    processes = (psutil.Process(), psutil.Process(backend))
    began = cpu_seconds(*processes)
    figures = latencies("similar", f"{sessions} sessions", await timed(whole, iterations=ROUNDS, warm_up=0), p95_target=60)
    # On a busy machine a search waits for others; this it would take by itself, at most.
    figures.append(
        Figure("similar", "processor time a search, PostgreSQL's too", "ms", (cpu_seconds(*processes) - began) * 1000 / ROUNDS, 60)
    )
    figures += latencies("similar", "of it: reading the shapes", await timed(read, iterations=ROUNDS, warm_up=5))
    show(figures)
    print(machine())
    await database.close()


def parts() -> None:
    """Time the pure parts in processor time: other processes don't count."""
    generator = np.random.default_rng(5)
    one, other = generator.random((2, 1_000)).cumsum(axis=1)
    long = ["".join(generator.choice(SYMBOLS, 512)) for _ in range(2)]
    course = generator.random((4, 512))
    steps = [SessionStep(seq, "tool", "edit", tool="edit", call=seq % 900, output=seq, output_chars=seq) for seq in range(1, 20_001)]
    spent("time warping of 2 x 1,000 points, band 0.1", lambda: warping_distance(one, other))
    spent("time warping of 2 x 1,000 points, no band", lambda: warping_distance(one, other, band=1))
    spent("common subsequence of 2 x 512 symbols", lambda: common_length(*long))
    spent("edit distance of 2 x 512 symbols", lambda: edit_distance(*long))
    spent("temporal embedding of 512 points", lambda: temporal_embedding(course))
    spent("20,000 steps into a shape", lambda: shape_of(steps), rounds=5)


def spent(name: str, call: Callable[[], object], *, rounds: int = 200) -> None:
    """Print the median and p95 of a call's milliseconds of processor time."""
    call()
    took = []
    for _ in range(rounds):
        began = time.process_time_ns()
        call()
        took.append((time.process_time_ns() - began) / 1e6)
    print(f"{name:45s} p50 {percentile(took, 0.5):8.3f} ms   p95 {percentile(took, 0.95):8.3f} ms")


async def main() -> None:
    parts()
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="cairn-") as folder:
        async with embedded_postgres(Path(folder) / "postgres", max_connections=20) as url:
            await migrations.upgrade(url)
            await search(url, sessions)


if __name__ == "__main__":
    asyncio.run(main())
