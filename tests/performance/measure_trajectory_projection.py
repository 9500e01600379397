"""Measures the room's projections over a real PostgreSQL: python -m tests.performance.measure_trajectory_projection [DIR] [--profile]

Events a second of `trajectory` and `shapes`, with the shipped policies: of 10,000 events in sessions of 500, of one long session, and of the real
sessions as they are, most of which are short. By the wall, and by processor time, which other programs don't count in: this process', and
PostgreSQL's beside it. Then what one live event takes at a session's end, in analysis and in the database, and its number of statements.
DIR: transcripts to read; their sessions are journalled once, in a database of its own.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as app/__init__.py does, which this script imports after numpy

import numpy as np
import psutil
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text

from app.accounts.accounts import Accounts
from app.embeddings.embedder import DIMENSIONS, Floats
from app.queue.jobs import Queue
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.checkpoints import Checkpoints
from app.sessions.event import Event, SessionHeader
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.settings import DatabaseSettings, Settings
from app.storage import migrations
from app.storage.database import Database
from app.storage.postgres import embedded_postgres
from app.trajectory.analysis.projection import TrajectoryProjection
from app.trajectory.analysis.session_analysis import SessionAnalysis, made_by
from app.trajectory.analysis.step_reading import StepReader
from app.trajectory.analysis.storage import AnalysisStore
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.intent.classifier import shipped
from app.trajectory.intent.classifying import IntentClassifier
from app.trajectory.intent.correcting import IntentTraining
from app.trajectory.intent.heads import StoredHeads
from app.trajectory.intent.projection import IntentsProjection
from app.trajectory.intent.store import IntentStore
from app.trajectory.part import ANALYZERS
from app.trajectory.policies.policy_file import SHIPPED, load_policies
from app.trajectory.policies.watching import PolicyAnalyzer
from app.trajectory.similar.part import make_similar
from tests.performance.measure import cpu_seconds, machine, percentile
from tests.transcripts import sessions_of, transcripts_in

TRANSCRIPTS = Path("/work/shared/data/transcripts")
BATCH_EVENTS, SESSION_EVENTS, LONG_EVENTS, LIVE_EVENTS = 10_000, 500, 5_000, 100
POLICIES = load_policies(SHIPPED)


@dataclass(slots=True)
class Spent:
    """Seconds that something took: by the wall, of this process, of PostgreSQL's processes."""

    wall: float = 0.0
    own: float = 0.0
    database: float = 0.0

    def rate(self, events: int) -> str:
        alone = events / (self.own + self.database)
        return (
            f"{events / self.wall:,.0f} events/s by the wall; processor time {self.own / events * 1e6:.0f} µs an event here and "
            f"{self.database / events * 1e6:.0f} µs in PostgreSQL: {events / self.own:,.0f} events/s of a core here, {alone:,.0f} of one for both"
        )


class InstantEmbedder:
    """Gives each text the same vector at once: the real one takes milliseconds a prompt, and none of this projection's own time."""

    model = shipped().model

    async def embed(self, texts: Sequence[str]) -> Floats:
        return np.full((len(texts), DIMENSIONS), DIMENSIONS**-0.5, np.float32)


@dataclass(slots=True)
class MeasuredJournal:
    """A journal, and the projections that are measured over it. `statements`: sent so far."""

    journal: Journal
    catch_up: CatchUp
    accounts: Accounts
    database: Database
    team_id: UUID
    statements: list[str] = field(default_factory=list)

    async def session(self, name: str, events: Sequence[Event]) -> UUID:
        async with self.database.begin() as connection:
            project_id = await self.accounts.project_id(connection, self.team_id, "measured")
            session_id = await self.journal.open(
                connection,
                team_id=self.team_id,
                project_id=project_id,
                developer_id=None,
                header=SessionHeader("generic", name),
                transcript=name,
            )
        await self.journal.append(session_id, events, from_file=False)
        return session_id

    def of_intents(self) -> MeasuredJournal:
        """Return the same journal with the projection `intents` alone, whose embedder takes no time."""
        queue, store = Queue(self.database, Settings().worker), IntentStore(self.database)
        heads = StoredHeads(store)
        classifier = IntentClassifier(InstantEmbedder(), heads)
        training = IntentTraining(queue, self.journal, classifier, store=store, heads=heads)
        projections = Projections([IntentsProjection(journal=self.journal, classifier=classifier, store=store, training=training)])
        checkpoints = Checkpoints(self.database)
        catch_up = CatchUp(database=self.database, queue=queue, journal=self.journal, checkpoints=checkpoints, projections=projections)
        return replace(self, catch_up=catch_up)

    async def _backends(self) -> list[psutil.Process]:
        """Return PostgreSQL's processes that serve this one: those of the pool, of which the projections use one after another."""
        async with self.database.begin() as connection:
            found = await connection.scalars(text("select pid from pg_stat_activity where backend_type = 'client backend'"))
            return [psutil.Process(each) for each in found]

    async def project(self, session_ids: Sequence[UUID]) -> Spent:
        """Return the time that the projections take, one session after another."""
        processes = [psutil.Process(), *await self._backends()]
        before, began = [cpu_seconds(each) for each in processes], time.perf_counter()
        for each in session_ids:
            await self.catch_up.bring_up_to_date(self.team_id, each, CatchUpResult(), background=False)
        wall = time.perf_counter() - began
        own, *others = [cpu_seconds(each) - was for each, was in zip(processes, before, strict=True)]
        return Spent(wall, own, sum(others))


async def analyzers(project_id: UUID) -> list[Analyzer]:
    del project_id
    return [*(make() for make in ANALYZERS), PolicyAnalyzer(POLICIES)]


async def measured(database: Database) -> MeasuredJournal:
    settings = Settings()
    accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)
    await accounts.ensure_defaults()
    (team,) = await accounts.list_teams()
    queue = Queue(database, settings.worker)
    journal = Journal(database, settings.sessions, queue)
    version, steps = made_by([make() for make in ANALYZERS]), StepReader(journal)
    projections = Projections([TrajectoryProjection(steps=steps, store=AnalysisStore(database), analyzers=analyzers, version=version)])
    make_similar(database=database, accounts=accounts, journal=journal, steps=steps, projections=projections)
    catch_up = CatchUp(database=database, queue=queue, journal=journal, checkpoints=Checkpoints(database), projections=projections)
    bench = MeasuredJournal(journal, catch_up, accounts, database, team.id)

    @sqlalchemy_event.listens_for(database._engine.sync_engine, "before_cursor_execute")
    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        bench.statements.append(statement.split("\n", 1)[0])

    return bench


def renamed(events: Sequence[Event]) -> list[Event]:
    """Give the events ids that are unique in one session."""
    return [replace(event, id=str(number)) for number, event in enumerate(events)]


async def pure(sessions: Sequence[Sequence[Event]]) -> None:
    count, began = sum(map(len, sessions)), time.process_time()
    for events in sessions:
        alone = SessionAnalysis(await analyzers(UUID(int=0)))
        alone.read(enumerate(events, start=1), ())
        alone.take()
    spent = time.process_time() - began
    print(f"{len(sessions)} sessions, {count} events; analysis alone: {count / spent:,.0f} events/s, {spent / count * 1e6:.0f} µs an event")


async def live(bench: MeasuredJournal, session_id: UUID, events: Sequence[Event]) -> None:
    """Append events one by one, and project each."""
    spent: list[Spent] = []
    for number in range(LIVE_EVENTS):
        event = replace(events[number % len(events)], id=f"live{number}", provisional=False)
        await bench.journal.append(session_id, [event], from_file=False)
        bench.statements.clear()
        spent.append(await bench.project([session_id]))
    walls = [each.wall * 1000 for each in spent]
    own, database = (sum(getattr(each, name) for each in spent) / LIVE_EVENTS * 1000 for name in ("own", "database"))
    print(f"a live event: p50 {percentile(walls, 0.5):.1f} ms, p95 {percentile(walls, 0.95):.1f} ms by the wall")
    print(f"  processor time, mean: {own:.2f} ms here and {database:.2f} ms in PostgreSQL; {len(bench.statements)} statements")


async def run(bench: MeasuredJournal, sessions: Sequence[Sequence[Event]], *, profiled: bool) -> None:
    every = [event for events in sessions for event in events]
    batch = (every * (BATCH_EVENTS // len(every) + 1))[:BATCH_EVENTS]
    parts = [batch[start : start + SESSION_EVENTS] for start in range(0, BATCH_EVENTS, SESSION_EVENTS)]
    profile = cProfile.Profile() if profiled else None
    batched = [await bench.session(f"b{number}", renamed(events)) for number, events in enumerate(parts)]
    if profile is not None:
        profile.enable()
    bench.statements.clear()
    print(f"{BATCH_EVENTS:,} events in sessions of {SESSION_EVENTS}: {(await bench.project(batched)).rate(BATCH_EVENTS)}")
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    print(f"  {len(bench.statements)} statements")
    intents = bench.of_intents()
    warm = await bench.session("warm", renamed(batch[:SESSION_EVENTS]))
    await intents.project([warm])  # reads the coefficients
    print(f"intents of the same, but for the embedding: {(await intents.project(batched)).rate(BATCH_EVENTS)}")
    long = await bench.session("long", renamed(batch[:LONG_EVENTS]))
    print(f"one session of {LONG_EVENTS:,} events: {(await bench.project([long])).rate(LONG_EVENTS)}")
    ids = [await bench.session(f"s{number}", events) for number, events in enumerate(sessions)]
    print(f"{len(ids)} real sessions, {len(every) / len(ids):.0f} events each: {(await bench.project(ids)).rate(len(every))}")
    await live(bench, batched[0], parts[0])


async def main(folder: Path, *, profiled: bool) -> None:
    sessions = [events for file in transcripts_in(folder) for events in sessions_of(file) if events]
    await pure(sessions)
    with tempfile.TemporaryDirectory(prefix="cairn-measure-", dir="/tmp") as scratch:
        async with embedded_postgres(Path(scratch) / "postgres", max_connections=20) as url:
            await migrations.upgrade(url)
            database = await Database.open(DatabaseSettings(), url, name="measure", pool_size=3, max_overflow=3)
            await run(await measured(database), sessions, profiled=profiled)
            await database.close()
    print(machine())


if __name__ == "__main__":
    folders = [Path(each) for each in sys.argv[1:] if not each.startswith("-")]
    asyncio.run(main(folders[0] if folders else TRANSCRIPTS, profiled="--profile" in sys.argv))
