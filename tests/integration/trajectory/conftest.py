"""The projection `trajectory` over a real journal, with an analyzer of the tests'."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.accounts import Accounts
from app.queue.jobs import Queue
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.checkpoints import Checkpoints
from app.sessions.event import Event, SessionHeader
from app.sessions.journal import Journal
from app.sessions.merging import ProjectMerge
from app.sessions.projections import Projections
from app.sessions.purge import Purge
from app.settings import Settings
from app.storage.database import Database
from app.trajectory.analysis.projection import TrajectoryProjection
from app.trajectory.analysis.queries import AnalysisQueries
from app.trajectory.analysis.session_analysis import made_by
from app.trajectory.analysis.step_reading import StepReader
from app.trajectory.analysis.storage import AnalysisStore
from app.trajectory.analyzers.analyzer import Analyzer
from tests.unit.trajectory.sessions import FailureStreaks

TABLES = ("session_analyses", "session_analysis_states", "session_findings", "session_exchanges", "session_step_blocks", "trouble_episodes")


@dataclass(slots=True)
class Watched(FailureStreaks):
    """The tests' analyzer; notes the seqs that it is fed."""

    fed: list[int] = field(default_factory=list)

    def add(self, step: Any) -> Iterable[Any]:
        self.fed.append(step.seq)
        return FailureStreaks.add(self, step)


@dataclass(slots=True)
class TrajectoryBench:
    """The journal and its one projection, with what the tests look at. `fed`: seqs that the last run read.

    `watched`: analyzers to use once instead of the tests' own.
    """

    database: Database
    accounts: Accounts
    journal: Journal
    checkpoints: Checkpoints
    queries: AnalysisQueries
    queue: Queue
    team_id: UUID
    project_id: UUID
    analyzer_version: str = "1"
    watched: Sequence[Analyzer] | None = None
    fed: list[int] = field(default_factory=list)
    projections: Projections = field(default_factory=Projections)

    async def analyzers(self, project_id: UUID) -> Sequence[Analyzer]:
        self.fed = []
        if self.watched is not None:
            return self.watched
        return [Watched(version=self.analyzer_version, fed=self.fed)]

    def register(self, version: str) -> TrajectoryProjection:
        store = AnalysisStore(self.database)
        made = TrajectoryProjection(steps=StepReader(self.journal), store=store, analyzers=self.analyzers, version=version)
        self.projections = Projections([made])
        return made

    async def session(self, name: str, *, project: str = "shop") -> UUID:
        async with self.database.begin() as connection:
            project_id = await self.accounts.project_id(connection, self.team_id, project)
            return await self.journal.open(
                connection,
                team_id=self.team_id,
                project_id=project_id,
                developer_id=None,
                header=SessionHeader("generic", name),
                transcript=f"{name}.jsonl",
            )

    async def append(self, session_id: UUID, events: Sequence[Event]) -> None:
        await self.journal.append(session_id, events, from_file=False)
        await self.bring_up(session_id)

    async def bring_up(self, session_id: UUID) -> CatchUpResult:
        done = CatchUpResult()
        catch_up = CatchUp(
            database=self.database, queue=self.queue, journal=self.journal, checkpoints=self.checkpoints, projections=self.projections
        )
        await catch_up.bring_up_to_date(self.team_id, session_id, done, background=False)
        return done

    async def stored(self, session_id: UUID) -> dict[str, list[tuple[object, ...]]]:
        """Everything that is stored of a session's analysis, but the states and which step told a finding."""
        queries = {
            "analysis": "select made_by, seq, left_out from session_analyses where session_id = :session",
            "findings": "select kind, name, first, last, evidence, because, open, told, tool, began_at, ended_at from session_findings"
            " where session_id = :session order by kind, name, first",
            "exchanges": "select number, first, last, outcome, phases, failed, checks_passed, checks_failed, checked, files, began_at, ended_at,"
            " input_tokens, output_tokens, cost_nanousd from session_exchanges where session_id = :session order by number",
            "episodes": "select told, project_id, first, last, trouble, family, signature, tool, failing, ended, outcome, began_at, ended_at"
            " from trouble_episodes where session_id = :session order by told",
            "blocks": "select number, phases, symbols from session_step_blocks where session_id = :session order by number",
        }
        async with self.database.begin() as connection:
            return {
                name: [tuple(row) for row in await connection.execute(text(query), {"session": session_id})]
                for name, query in queries.items()
            }

    async def rows(self, table: str, session_id: UUID) -> int:
        async with self.database.begin() as connection:
            found = await connection.scalar(text(f"select count(*) from {table} where session_id = :session"), {"session": session_id})
        return int(found or 0)

    def purge(self) -> Purge:
        return Purge(self.database, self.journal, self.queue, self.projections)

    def merging(self) -> ProjectMerge:
        return ProjectMerge(self.database, self.accounts, self.journal, self.projections)


@pytest.fixture
async def bench(database: Database) -> TrajectoryBench:
    settings = Settings()
    accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)
    await accounts.ensure_defaults()
    queue = Queue(database, settings.worker)
    async with database.begin() as connection:
        team_id = (await connection.execute(text("select id from teams where name = 'default'"))).scalar_one()
        project_id = await accounts.project_id(connection, team_id, "shop")
    journal = Journal(database, settings.sessions, queue)
    bench = TrajectoryBench(
        database, accounts, journal, Checkpoints(database), AnalysisQueries(database), queue, team_id=team_id, project_id=project_id
    )
    bench.register(made_by([FailureStreaks()]))
    return bench
