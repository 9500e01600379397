"""Opens the policies: the installation's file is read and checked when a process starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.accounts.accounts import Accounts
from app.part import Opened, Part
from app.settings import Settings
from app.storage.database import Database
from app.trajectory.policies.policy_file import load_policies
from app.trajectory.policies.projects import ProjectPolicies, ReadEvent


@asynccontextmanager
async def open_policies(
    settings: Settings, *, database: Database, accounts: Accounts, read_event: ReadEvent
) -> AsyncIterator[Opened[ProjectPolicies]]:
    """Open the policies of projects. ConfigurationError where the installation's file can't be used."""
    shipped = await asyncio.to_thread(load_policies, settings.policies.file)
    yield (
        ProjectPolicies(database, accounts, shipped, max_events=settings.sessions.max_live_events, read_event=read_event),
        Part(name="policies"),
    )
