"""Opens the finding of similar sessions: its records, its projection, which is registered, and the finder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.accounts.accounts import Accounts
from app.part import Opened, Part
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.storage.database import Database
from app.trajectory.similar.finder import SimilarSessionFinder
from app.trajectory.similar.projection import ShapesProjection
from app.trajectory.similar.records import ShapeRecords


@asynccontextmanager
async def open_similar(
    *, database: Database, accounts: Accounts, journal: Journal, projections: Projections
) -> AsyncIterator[Opened[SimilarSessionFinder]]:
    """Open it. Nothing runs beside the projection."""
    records = ShapeRecords(database)
    projections.register(ShapesProjection(journal=journal, records=records))
    yield SimilarSessionFinder(accounts, journal, records), Part(name="similar")
