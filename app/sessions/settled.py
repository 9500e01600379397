"""Runs a projection over settled sessions only, apart from those that an upload waits for: it may cost money, or take long.

Such a projection isn't in the registry: the room that owns it decides when to run it. Its checkpoints, retries and parking are the same.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from app.queue.jobs import Queue
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.checkpoints import Checkpoints
from app.sessions.journal import Journal
from app.sessions.projections import Projection, Projections
from app.storage.database import Database
from app.telemetry import metrics


class SettledSessions:
    """Finds and projects sessions that haven't changed for a while (`checkpoints.SETTLED`)."""

    def __init__(self, *, database: Database, queue: Queue, journal: Journal, checkpoints: Checkpoints) -> None:
        self._database = database
        self._queue = queue
        self._journal = journal
        self._checkpoints = checkpoints

    async def next_due(self, projection: Projection, *, without: Collection[UUID]) -> tuple[UUID, UUID] | None:
        """Return (team, session) ids of the latest session that is due, but none of the teams `without`."""
        found = await self._checkpoints.due({projection.name: projection.version}, limit=1, without=without)
        return found[0] if found else None

    async def project(self, projection: Projection, team_id: UUID, session_id: UUID) -> dict[str, object]:
        """Bring the projection up to date with a session, and wait until that is searchable. Returns a job's result.

        Whatever else it raises parks the session; Unavailable comes through, with what was checkpointed before it kept.
        """
        done, catch_up = CatchUpResult(), self._catch_up(projection)
        await catch_up.bring_up_to_date(team_id, session_id, done, background=False)
        await catch_up.drain(done)
        return catch_up.report(done)

    async def set_backlog(self, projection: Projection) -> None:
        """Set the metrics of the sessions that the projection has yet to process or is parked on."""
        for name, found in (await self._checkpoints.backlog({projection.name: projection.version})).items():
            metrics.set_projection(name, behind=found.behind, parked=found.parked)

    def _catch_up(self, projection: Projection) -> CatchUp:
        return CatchUp(
            database=self._database,
            queue=self._queue,
            journal=self._journal,
            checkpoints=self._checkpoints,
            projections=Projections([projection]),
        )
