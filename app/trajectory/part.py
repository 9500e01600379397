"""Opens the room that analyses sessions, and registers its projection. Which analyzers there are stands here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.accounts.accounts import Accounts
from app.embeddings.part import EmbeddingServices
from app.part import Maintenance, Opened, Part, Role
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.sessions.reader import SessionReader
from app.settings import Settings
from app.storage.database import Database
from app.trajectory.analysis.projection import TrajectoryProjection
from app.trajectory.analysis.queries import AnalysisQueries
from app.trajectory.analysis.reader import TrajectoryReader
from app.trajectory.analysis.session_analysis import made_by
from app.trajectory.analysis.storage import AnalysisStore
from app.trajectory.analysis.trouble import TroubleReader
from app.trajectory.analyzers.activity import ActivityAnalyzer
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.analyzers.health import HealthAnalyzer
from app.trajectory.analyzers.recurrence import RecurrenceCounter
from app.trajectory.intent.correcting import TRAIN
from app.trajectory.intent.part import IntentServices, make_intents
from app.trajectory.policies.part import make_policies
from app.trajectory.policies.projects import ProjectPolicies
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
    intents: IntentServices
    similar: SimilarSessionFinder


@dataclass(frozen=True, slots=True)
class AnalysedSessions:
    """The sessions that are analysed: their journal, the projections that follow it, and their reader."""

    journal: Journal
    projections: Projections
    reader: SessionReader


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
    policies = await make_policies(settings, database=database, accounts=accounts)

    async def analyzers(project_id: UUID) -> Sequence[Analyzer]:
        return [*_new_analyzers(), PolicyAnalyzer(await policies.of(project_id))]

    journal, projections = sessions.journal, sessions.projections
    store, queries = AnalysisStore(database), AnalysisQueries(database)
    projection = TrajectoryProjection(journal=journal, store=store, analyzers=analyzers, version=made_by(_new_analyzers()))
    projections.register(projection)
    similar = make_similar(database=database, accounts=accounts, journal=journal, projections=projections)
    intents = make_intents(settings, database=database, journal=journal, projections=projections, embeddings=embeddings)
    services = TrajectoryServices(
        projection,
        queries,
        TrajectoryReader(queries, sessions.reader, intents.store, recurrence=_recurrence),
        TroubleReader(database),
        policies,
        intents,
        similar,
    )
    yield (
        services,
        Part(
            name="trajectory",
            jobs={TRAIN: intents.training.job} if role == "worker" else {},
            maintenance=[Maintenance("analysis_states", store.sweep, batched=True)],
        ),
    )


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
