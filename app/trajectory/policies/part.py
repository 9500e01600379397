"""Makes the policies of projects: the installation's file is read and checked when a process starts."""

from __future__ import annotations

import asyncio

from app.accounts.accounts import Accounts
from app.settings import Settings
from app.storage.database import Database
from app.trajectory.policies.policy_file import load_policies
from app.trajectory.policies.projects import ProjectPolicies, Reread


async def make_policies(settings: Settings, *, database: Database, accounts: Accounts, reread: Reread) -> ProjectPolicies:
    """Make the policies of projects. ConfigurationError where the installation's file can't be used."""
    shipped = await asyncio.to_thread(load_policies, settings.policies.file)
    return ProjectPolicies(database, accounts, shipped, reread=reread)
