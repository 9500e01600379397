"""Merges two projects: the sessions, and with them all that was derived from them, in one transaction."""

from __future__ import annotations

from uuid import UUID

from app.accounts.accounts import Accounts
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.storage.database import Database


class ProjectMerge:
    def __init__(self, database: Database, accounts: Accounts, journal: Journal, projections: Projections) -> None:
        self._database = database
        self._accounts = accounts
        self._journal = journal
        self._projections = projections

    async def merge(self, team_id: UUID, project_id: UUID, into: UUID) -> int:
        """Let a project be another one from now on, whatever comes under its name or identity later too. Returns how many sessions moved.

        What both had learnt alike stays two items: what comes next is merged with either. NotFound, InvalidInput as `projects.merge`.
        """
        async with self._database.begin() as connection:
            await self._accounts.merge_project(connection, team_id, project_id, into)
            moved = await self._journal.move(connection, project_id, into)
            for projection in self._projections:
                await projection.move(connection, team_id, project_id, into)
        return moved
