"""The policies of projects: the installation's, with what a project switched, and rules of its own. Every change is kept, with who made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import cachebox
import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.errors import InvalidInput
from app.storage.database import Database, rows_of
from app.trajectory.policies.policy import PolicyDefinition, PolicyError, PolicySeverity, definition_of
from app.trajectory.policies.predicates import nearest
from app.trajectory.policies.tables import ProjectPoliciesRow

log = structlog.get_logger()

PolicyOrigin = Literal["shipped", "project"]
MAX_OWN = 20
"""Policies of its own that a project may have."""
KEPT_CHANGES = 50
SHOWN_CHANGES = 10
KNOWN_PROJECTS, KNOWN_SECONDS = 5_000, 30.0
"""Size and TTL of the cache of projects: what another server changes is seen after that time."""


@dataclass(frozen=True, slots=True)
class PolicySwitch:
    """A project's own setting of a policy of the installation; None: as it is there."""

    id: str
    enabled: bool | None = None
    severity: PolicySeverity | None = None


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """A policy as it holds in a project."""

    definition: PolicyDefinition
    origin: PolicyOrigin


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A change of a project's policies. `by` None: the admin key, or a developer who was removed."""

    at: datetime
    by: str | None


@dataclass(frozen=True, slots=True)
class ShownPolicies:
    """A project's policies, and its latest changes, the newest first."""

    policies: tuple[EffectivePolicy, ...]
    changes: tuple[PolicyChange, ...] = ()


class ProjectPolicies:
    """Reads and changes them. `shipped`: those of the installation's file."""

    def __init__(self, database: Database, accounts: Accounts, shipped: Sequence[PolicyDefinition]) -> None:
        self._database, self._accounts = database, accounts
        self.shipped: Final = tuple(shipped)
        self._known: cachebox.TTLCache[UUID, tuple[PolicyDefinition, ...]] = cachebox.TTLCache(KNOWN_PROJECTS, KNOWN_SECONDS)

    async def of(self, project_id: UUID) -> tuple[PolicyDefinition, ...]:
        """Return the policies that are enabled in a project. Cached: a change on another server is seen within half a minute."""
        found: tuple[PolicyDefinition, ...] | None = self._known.get(project_id)
        if found is None:
            effective = self._effective(await self._content(project_id))
            found = self._known[project_id] = tuple(each.definition for each in effective if each.definition.enabled)
        return found

    async def show(self, requester: Requester, project: str | None) -> ShownPolicies:
        """Show a project's policies, or the installation's. NotFound for a project that isn't open to the requester."""
        requester.check("read")
        if project is None:
            return ShownPolicies(self._effective(None))
        project_id = await self._accounts.open_project(requester.team_id, project, closed=requester.closed)
        return await self._shown(project_id)

    async def replace(
        self, requester: Requester, project: str, *, switches: Sequence[PolicySwitch], own: Sequence[PolicyDefinition]
    ) -> ShownPolicies:
        """Replace what a project says about its policies; for leads and admins. InvalidInput names what can't be so."""
        requester.check("change_any")
        self._check(switches, own)
        project_id = await self._accounts.open_project(requester.team_id, project, closed=requester.closed)
        content = {
            "switches": [{"id": each.id, "enabled": each.enabled, "severity": each.severity} for each in switches],
            "own": [each.as_values() for each in own],
        }
        async with self._database.begin() as connection:
            await _store(connection, project_id, content, by=requester.developer_id)
        self._known.pop(project_id, None)
        log.info("policies.changed", project=str(project_id), by=requester.name, switched=len(switches), own=len(own))
        return await self._shown(project_id)

    async def _shown(self, project_id: UUID) -> ShownPolicies:
        query = (
            select(ProjectPoliciesRow.content, ProjectPoliciesRow.changed_at, ProjectPoliciesRow.changed_by)
            .where(ProjectPoliciesRow.project_id == project_id)
            .order_by(ProjectPoliciesRow.changed_at.desc(), ProjectPoliciesRow.id)
            .limit(SHOWN_CHANGES)
        )
        rows = await self._database.read(rows_of(query))
        names = await self._accounts.names({row.changed_by for row in rows if row.changed_by is not None})
        changes = tuple(PolicyChange(row.changed_at, names.get(row.changed_by)) for row in rows)
        return ShownPolicies(self._effective(rows[0].content if rows else None), changes)

    async def _content(self, project_id: UUID) -> Mapping[str, Any] | None:
        query = (
            select(ProjectPoliciesRow.content)
            .where(ProjectPoliciesRow.project_id == project_id)
            .order_by(ProjectPoliciesRow.changed_at.desc(), ProjectPoliciesRow.id)
            .limit(1)
        )
        rows = await self._database.read(rows_of(query))
        return rows[0].content if rows else None

    def _effective(self, content: Mapping[str, Any] | None) -> tuple[EffectivePolicy, ...]:
        """Apply what a project said to the installation's policies. A policy that the installation no longer has is left out."""
        said = content or {"switches": [], "own": []}
        switched = {each["id"]: each for each in said["switches"]}
        found = [
            EffectivePolicy(
                each
                if (switch := switched.get(each.id)) is None
                else each.switched(enabled=switch["enabled"], severity=switch["severity"]),
                "shipped",
            )
            for each in self.shipped
        ]
        taken = {each.id for each in self.shipped}
        return (*found, *(EffectivePolicy(own, "project") for given in said["own"] if given["id"] not in taken and (own := _stored(given))))

    def _check(self, switches: Sequence[PolicySwitch], own: Sequence[PolicyDefinition]) -> None:
        ids = {each.id: each for each in self.shipped}
        for switch in switches:
            if switch.id not in ids:
                raise InvalidInput(
                    f'There is no policy "{switch.id[:64]}"{nearest(switch.id, ids)} to switch: GET /v1/policies lists them.',
                    param="switches",
                )
        if len(own) > MAX_OWN:
            raise InvalidInput(f"A project has at most {MAX_OWN} policies of its own; these are {len(own)}.", param="policies")
        names = [each.id for each in own]
        for name in names:
            if name in ids or names.count(name) > 1:
                raise InvalidInput(f"There is a policy {name} already: give this one another id, or switch that one.", param="policies")


async def _store(connection: AsyncConnection, project_id: UUID, content: Mapping[str, Any], *, by: UUID | None) -> None:
    """Add the newest row, and delete the oldest ones past those that are kept."""
    await connection.execute(insert(ProjectPoliciesRow).values(project_id=project_id, content=content, changed_by=by))
    old = (
        select(ProjectPoliciesRow.id)
        .where(ProjectPoliciesRow.project_id == project_id)
        .order_by(ProjectPoliciesRow.changed_at.desc(), ProjectPoliciesRow.id)
        .offset(KEPT_CHANGES)
    )
    await connection.execute(delete(ProjectPoliciesRow).where(ProjectPoliciesRow.id.in_(old)))


def _stored(given: Mapping[str, Any]) -> PolicyDefinition | None:
    """Read a stored policy. One that this version can't read any more is left out, with a warning in the log."""
    try:
        return definition_of(given)
    except PolicyError as error:
        log.warning("policies.unreadable", policy=given.get("id"), reason=error.message)
        return None
