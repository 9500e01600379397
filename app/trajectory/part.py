"""Opens the room that analyses sessions, and registers its projection. Which analyzers there are stands here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.part import Maintenance, Opened, Part
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.sessions.reader import SessionReader
from app.storage.database import Database
from app.trajectory.analysis import made_by
from app.trajectory.analyzer import Analyzer
from app.trajectory.projection import TrajectoryProjection
from app.trajectory.queries import AnalysisQueries
from app.trajectory.reader import TrajectoryReader
from app.trajectory.storage import AnalysisStore
from app.trajectory.trouble import TroubleReader

ANALYZERS: Final[Sequence[Callable[[], Analyzer]]] = ()
"""The analyzers of every session, in order: each makes an analyzer for one session."""


@dataclass(frozen=True, slots=True)
class TrajectoryServices:
    """The room's live objects."""

    projection: TrajectoryProjection
    queries: AnalysisQueries
    reader: TrajectoryReader
    trouble: TroubleReader


@asynccontextmanager
async def open_trajectory(
    *, database: Database, journal: Journal, projections: Projections, sessions: SessionReader
) -> AsyncIterator[Opened[TrajectoryServices]]:
    """Open the room. Its projection runs before those that embed: what is found while a session goes on is told at once."""
    store, queries = AnalysisStore(database), AnalysisQueries(database)
    projection = TrajectoryProjection(journal=journal, store=store, analyzers=_analyzers, version=made_by(_new_analyzers()))
    projections.register(projection)
    services = TrajectoryServices(projection, queries, TrajectoryReader(queries, sessions), TroubleReader(database))
    yield services, Part(name="trajectory", maintenance=[Maintenance("analysis_states", store.sweep, batched=True)])


async def _analyzers(project_id: UUID) -> Sequence[Analyzer]:
    """Make the analyzers for a session of this project."""
    del project_id  # every project has the same
    return _new_analyzers()


def _new_analyzers() -> Sequence[Analyzer]:
    return [make() for make in ANALYZERS]
