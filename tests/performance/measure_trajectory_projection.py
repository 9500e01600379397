"""Measures the projection `trajectory` alone over a real PostgreSQL: python -m tests.performance.measure_trajectory_projection [DIR]

Events a second of whole sessions, and the milliseconds that one live event takes at a session's end, with the analyzers that the room has.
DIR: transcripts to read; their sessions are journalled once, in a database of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from app.accounts.accounts import Accounts
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
from app.trajectory.analysis.storage import AnalysisStore
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.part import ANALYZERS
from tests.transcripts import sessions_of, transcripts_in

MAX_EVENTS = 40_000
LIVE_EVENTS = 100
BATCH_EVENTS = 5_000


@dataclass(frozen=True, slots=True)
class MeasuredJournal:
    """A journal, and the projection that is measured over it."""

    journal: Journal
    catch_up: CatchUp
    accounts: Accounts
    database: Database
    team_id: UUID

    async def session(self, name: str, events: list[Event]) -> UUID:
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

    async def project(self, session_id: UUID) -> float:
        """Return the seconds that the projection takes."""
        started = time.perf_counter()
        await self.catch_up.bring_up_to_date(self.team_id, session_id, CatchUpResult(), background=False)
        return time.perf_counter() - started


async def analyzers(project_id: UUID) -> list[Analyzer]:
    del project_id
    return [make() for make in ANALYZERS]


async def measured(database: Database) -> MeasuredJournal:
    settings = Settings()
    accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)
    await accounts.ensure_defaults()
    (team,) = await accounts.list_teams()
    queue = Queue(database, settings.worker)
    journal = Journal(database, settings.sessions, queue)
    version = made_by([make() for make in ANALYZERS])
    projection = TrajectoryProjection(journal=journal, store=AnalysisStore(database), analyzers=analyzers, version=version)
    checkpoints = Checkpoints(database)
    catch_up = CatchUp(database=database, queue=queue, journal=journal, checkpoints=checkpoints, projections=Projections([projection]))
    return MeasuredJournal(journal, catch_up, accounts, database, team.id)


async def main(folder: Path) -> None:
    sessions: list[list[Event]] = []
    for file in transcripts_in(folder):
        sessions += [events for events in sessions_of(file) if events]
        if sum(map(len, sessions)) >= MAX_EVENTS:
            break
    count = sum(map(len, sessions))
    alone = SessionAnalysis(await analyzers(UUID(int=0)))
    started = time.perf_counter()
    for events in sessions:
        alone.read(enumerate(events, start=1), ())
        alone.take()
    pure = time.perf_counter() - started
    print(f"{len(sessions)} sessions, {count} events, {len(ANALYZERS)} analyzers")
    print(f"analysis alone: {count / pure:,.0f} events/s, {pure / count * 1e6:.0f} µs an event")
    with tempfile.TemporaryDirectory(prefix="cairn-measure-", dir="/tmp") as scratch:
        async with embedded_postgres(Path(scratch) / "postgres", max_connections=20) as url:
            await migrations.upgrade(url)
            database = await Database.open(DatabaseSettings(), url, name="measure", pool_size=3, max_overflow=3)
            bench = await measured(database)
            ids = [await bench.session(f"s{number}", events) for number, events in enumerate(sessions)]
            seconds = [await bench.project(each) for each in ids]
            print(f"projection: {count / sum(seconds):,.0f} events/s one session after another, journal read and results stored")
            _, events, session_id = max(zip(map(len, sessions), sessions, ids, strict=True), key=lambda each: each[0])
            live = []
            for number in range(LIVE_EVENTS):
                event = replace(events[number % len(events)], id=f"live{number}", provisional=False)
                await bench.journal.append(session_id, [event], from_file=False)
                live.append(await bench.project(session_id) * 1000)
            big = [event for events in sessions for event in events][:BATCH_EVENTS]
            long_id = await bench.session("long", [replace(event, id=str(number)) for number, event in enumerate(big)])
            print(f"one session of {len(big)} events: {len(big) / await bench.project(long_id):,.0f} events/s")
            quantiles = statistics.quantiles(live, n=20)
            print(f"a live event after {len(events)}: p50 {statistics.median(live):.1f} ms, p95 {quantiles[18]:.1f} ms")
            await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "/work/shared/data/transcripts")))
