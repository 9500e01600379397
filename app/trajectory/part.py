"""Opens the room that analyses sessions, and registers its projection. Which analyzers there are stands here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.embeddings.part import EmbeddingServices
from app.part import Maintenance, Opened, Part, Role
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.sessions.reader import SessionReader
from app.settings import Settings
from app.storage.database import Database
from app.telemetry import metrics
from app.trajectory.analysis.projection import TrajectoryProjection
from app.trajectory.analysis.queries import AnalysisQueries
from app.trajectory.analysis.reader import TrajectoryReader
from app.trajectory.analysis.session_analysis import made_by
from app.trajectory.analysis.step_reading import StepReader
from app.trajectory.analysis.storage import AnalysisStore
from app.trajectory.analysis.trouble import TroubleReader
from app.trajectory.analysis.violations import PolicyViolations
from app.trajectory.analyzers.activity import ActivityAnalyzer
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.analyzers.health import HealthAnalyzer
from app.trajectory.analyzers.recurrence import RecurrenceCounter
from app.trajectory.intent.correcting import TRAIN
from app.trajectory.intent.part import IntentServices, make_intents
from app.trajectory.patterns.reader import PatternReader
from app.trajectory.patterns.records import OccurrenceRecords
from app.trajectory.policies.part import make_policies
from app.trajectory.policies.projects import ProjectPolicies, Reread
from app.trajectory.policies.watching import PolicyAnalyzer
from app.trajectory.similar.finder import SimilarSessionFinder
from app.trajectory.similar.part import make_similar

ANALYZERS: Final[Sequence[Callable[[], Analyzer]]] = (HealthAnalyzer, ActivityAnalyzer)
"""The analyzers that all projects have, in order: each makes one for a session. Health finds loops, too."""


@dataclass(frozen=True, slots=True)
class TrajectoryServices:
    """The room's live objects."""

    projection: TrajectoryProjection
    queries: AnalysisQueries
    reader: TrajectoryReader
    trouble: TroubleReader
    policies: ProjectPolicies
    violations: PolicyViolations
    intents: IntentServices
    similar: SimilarSessionFinder
    patterns: PatternReader


@dataclass(frozen=True, slots=True)
class AnalysedSessions:
    """The sessions that are analysed: their journal, the projections that follow it, and their reader.

    `outdate`: has the projection of this name process a project's sessions again; see `Checkpoints.outdate`.
    """

    journal: Journal
    projections: Projections
    reader: SessionReader
    outdate: Callable[[AsyncConnection, str, UUID], Awaitable[int]]


@asynccontextmanager
async def open_trajectory(
    settings: Settings,
    role: Role,
    *,
    database: Database,
    accounts: Accounts,
    sessions: AnalysedSessions,
    embeddings: EmbeddingServices,
) -> AsyncIterator[Opened[TrajectoryServices]]:
    """Open the room. Its analysis runs before what embeds: what is found while a session goes on is told at once. Workers fit intents."""

    async def reread(connection: AsyncConnection, project_id: UUID) -> int:
        return await sessions.outdate(connection, TrajectoryProjection.name, project_id)

    policies = await make_policies(settings, database=database, accounts=accounts, reread=reread)
    journal, projections = sessions.journal, sessions.projections
    store, queries, steps = AnalysisStore(database), AnalysisQueries(database), StepReader(journal)
    projection = _projection(steps, store, policies, reread)
    projections.register(projection)
    similar = make_similar(database=database, accounts=accounts, journal=journal, steps=steps, projections=projections)
    intents = make_intents(settings, database=database, journal=journal, projections=projections, embeddings=embeddings)
    trouble = TroubleReader(database)
    services = TrajectoryServices(
        projection,
        queries,
        TrajectoryReader(queries, sessions.reader, policies, intents.store, recurrence=_recurrence),
        trouble,
        policies,
        PolicyViolations(database),
        intents,
        similar,
        PatternReader(OccurrenceRecords(database), accounts),
    )
    part = Part(
        name="trajectory",
        gauges=[partial(_show_trouble, trouble)],
        jobs={TRAIN: intents.training.job} if role == "worker" else {},
        maintenance=[Maintenance("analysis_states", store.sweep, batched=True)],
    )
    yield services, part


def _projection(steps: StepReader, store: AnalysisStore, policies: ProjectPolicies, reread: Reread) -> TrajectoryProjection:
    """Make the projection. Another file of policies is another version: it is applied to all sessions."""

    async def analyzers(project_id: UUID) -> Sequence[Analyzer]:
        return [*_new_analyzers(), PolicyAnalyzer(await policies.of(project_id))]

    version = made_by([*_new_analyzers(), PolicyAnalyzer(policies.shipped)])
    return TrajectoryProjection(steps=steps, store=store, analyzers=analyzers, version=version, reread=reread)


async def _show_trouble(trouble: TroubleReader) -> None:
    metrics.set_trouble(await trouble.open_now())


def _new_analyzers() -> Sequence[Analyzer]:
    return [make() for make in ANALYZERS]


def _recurrence(symbols: Sequence[int]) -> Mapping[str, float]:
    """Measure how a session's last steps recur."""
    found = RecurrenceCounter.whole(symbols).measure()
    return {
        "symbols": found.symbols,
        "period": found.period,
        "recurrence_rate": found.recurrence_rate,
        "determinism": found.determinism,
        "novelty_rate": found.novelty_rate,
    }
