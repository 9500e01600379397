"""Merges two projects, with their sessions and everything derived from them, in one transaction."""

from __future__ import annotations

from uuid import UUID

from app.accounts.accounts import Accounts
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.storage.database import Database


class ProjectMerge:
    """Merges projects with everything derived from their sessions."""

    def __init__(self, database: Database, accounts: Accounts, journal: Journal, projections: Projections) -> None:
        self._database = database
        self._accounts = accounts
        self._journal = journal
        self._projections = projections

    async def merge(self, team_id: UUID, project_id: UUID, into: UUID, *, by: UUID | None = None) -> int:
        """Merge a project into another, for past and future sessions. Returns the number of sessions moved.

        `by`: the developer who wants it; None: the admin key.

        Similar items of both projects are not deduplicated afterwards. Raises NotFound or InvalidInput as `projects.merge`.
        """
        async with self._database.begin() as connection:
            await self._accounts.merge_project(connection, team_id, project_id, into, by=by)
            moved = await self._journal.move(connection, project_id, into)
            for projection in self._projections:
                await projection.move(connection, team_id, project_id, into)
        self._accounts.project_merged(project_id)
        return moved
