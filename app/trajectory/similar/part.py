"""Makes the finding of similar sessions: its records, its projection, and the finder."""

from __future__ import annotations

from app.accounts.accounts import Accounts
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.storage.database import Database
from app.trajectory.analysis.step_reading import StepReader
from app.trajectory.similar.finder import SimilarSessionFinder
from app.trajectory.similar.projection import ShapesProjection
from app.trajectory.similar.records import ShapeRecords


def make_similar(
    *, database: Database, accounts: Accounts, journal: Journal, steps: StepReader, projections: Projections
) -> SimilarSessionFinder:
    """Make the finder, and register its projection."""
    records = ShapeRecords(database)
    projections.register(ShapesProjection(steps=steps, records=records))
    return SimilarSessionFinder(accounts, journal, records)
