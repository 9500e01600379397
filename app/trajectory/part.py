"""Opens the room that analyses sessions, and registers its projection. Which analyzers there are stands here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.part import Maintenance, Opened, Part
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.sessions.reader import SessionReader
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
from app.trajectory.policies.projects import ProjectPolicies
from app.trajectory.policies.watching import PolicyAnalyzer

ANALYZERS: Final[Sequence[Callable[[], Analyzer]]] = (HealthAnalyzer, ActivityAnalyzer)
"""The analyzers that all projects have, in order: each makes one for a session. Health finds loops, too."""


@dataclass(frozen=True, slots=True)
class TrajectoryServices:
    """The room's live objects."""

    projection: TrajectoryProjection
    queries: AnalysisQueries
    reader: TrajectoryReader
    trouble: TroubleReader


@asynccontextmanager
async def open_trajectory(
    *, database: Database, journal: Journal, projections: Projections, sessions: SessionReader, policies: ProjectPolicies
) -> AsyncIterator[Opened[TrajectoryServices]]:
    """Open the room. Its projection runs before those that embed: what is found while a session goes on is told at once."""

    async def analyzers(project_id: UUID) -> Sequence[Analyzer]:
        return [*_new_analyzers(), PolicyAnalyzer(await policies.of(project_id))]

    store, queries = AnalysisStore(database), AnalysisQueries(database)
    projection = TrajectoryProjection(journal=journal, store=store, analyzers=analyzers, version=made_by(_new_analyzers()))
    projections.register(projection)
    reader = TrajectoryReader(queries, sessions, recurrence=_recurrence)
    services = TrajectoryServices(projection, queries, reader, TroubleReader(database))
    yield services, Part(name="trajectory", maintenance=[Maintenance("analysis_states", store.sweep, batched=True)])


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
