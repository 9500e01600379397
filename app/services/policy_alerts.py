"""Connects the alerts about broken policies to the sessions that broke them, and to what may be told of their projects."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from app.accounts.accounts import Accounts
from app.alerts.notifications import Notifications
from app.alerts.policy_evaluator import PolicyEvaluator, WatchedProjects
from app.alerts.rules import Rules
from app.part import Part, Role
from app.queue.outbox import Outbox
from app.settings import Settings
from app.storage.database import Database
from app.trajectory.part import TrajectoryServices

PAGE = "/dashboard/sessions/"


def policy_alerts_part(
    settings: Settings,
    role: Role,
    *,
    database: Database,
    outbox: Outbox,
    accounts: Accounts,
    rules: Rules,
    trajectory: TrajectoryServices,
) -> Part:
    """Return the part that counts violations of policies and tells people of them: on servers, whose metrics are read."""
    if role != "serve":
        return Part(name="policy_alerts")

    async def names(team_id: UUID, project_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Name projects, but the closed ones: nobody knows who reads the webhook."""
        found = await accounts.find_projects(team_id)
        return {each.id: each.name for each in found if each.id in project_ids and each.open != "members"}

    base = settings.server.public_url
    evaluator = PolicyEvaluator(
        database,
        trajectory.violations,
        Notifications(outbox),
        rules,
        projects=WatchedProjects(trajectory.policies.of, names, {each.id for each in trajectory.policies.shipped}),
        page=f"{base.rstrip('/')}{PAGE}" if base and settings.dashboard.enabled else None,
        every_seconds=settings.alerts.every_seconds,
    )
    return Part(name="policy_alerts", loops=evaluator.loops())
