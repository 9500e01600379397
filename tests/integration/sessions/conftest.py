"""A journal and an upload room over a real PostgreSQL, with one team and one project."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.accounts import Accounts
from app.queue.jobs import Queue
from app.sessions.event import SessionHeader
from app.sessions.journal import Journal
from app.sessions.uploads import Uploads
from app.settings import Settings
from app.storage.database import Database


@dataclass(slots=True)
class Desk:
    database: Database
    accounts: Accounts
    journal: Journal
    uploads: Uploads
    team_id: UUID
    project_id: UUID

    async def session(self, name: str = "s", *, team_id: UUID | None = None, provider: str = "generic") -> UUID:
        async with self.database.begin() as connection:
            team = team_id or self.team_id
            project = await self.accounts.project_id(connection, team, "shop")
            header = SessionHeader(provider, name)
            return await self.journal.open(
                connection, team_id=team, project_id=project, developer_id=None, header=header, transcript="t.jsonl"
            )


@pytest.fixture
async def desk(database: Database) -> Desk:
    accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)
    await accounts.ensure_defaults()
    async with database.begin() as connection:
        team_id = (await connection.execute(text("select id from teams"))).scalar_one()
        project_id = await accounts.project_id(connection, team_id, "shop")
    return Desk(
        database,
        accounts,
        Journal(database, Settings().sessions, Queue(database, Settings().worker)),
        Uploads(database),
        team_id,
        project_id,
    )
