"""The policies of projects: the installation's, with what a project switched, and rules of its own. Every change is kept, with who made it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import cachebox
import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.errors import InvalidInput
from app.sessions.event import Event
from app.storage.database import Database, rows_of
from app.trajectory.policies.checking import check_events, definitions_of
from app.trajectory.policies.policy import PolicyError, definition_of
from app.trajectory.policies.policy_file import read_policies
from app.trajectory.policies.predicates import nearest
from app.trajectory.policies.tables import ProjectPoliciesRow
from app.trajectory.policies.views import (
    MAX_OWN,
    CheckedPolicy,
    EffectivePolicy,
    GivenPolicies,
    PolicyChange,
    PolicyDefinition,
    PolicySwitch,
    ShownPolicies,
)

log = structlog.get_logger()

KEPT_CHANGES = 50
SHOWN_CHANGES = 10
KNOWN_PROJECTS, KNOWN_SECONDS = 5_000, 30.0
"""Size and TTL of the cache of projects: what another server changes is seen after that time."""


class ProjectPolicies:
    """Reads, changes and checks them. `shipped`: those of the installation's file."""

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

    async def check(self, requester: Requester, events: Sequence[Event], given: GivenPolicies) -> tuple[CheckedPolicy, ...]:
        """Give the verdicts of policies on events, off the event loop; nothing is stored. InvalidInput for policies that can't be used."""
        requester.check("read")
        if sum(each is not None for each in (given.definitions, given.file, given.project)) > 1:
            raise InvalidInput("Send only one of policies, file and project.", param="policies")
        definitions: Sequence[PolicyDefinition]
        if given.definitions is not None:
            definitions = await asyncio.to_thread(definitions_of, given.definitions)
        elif given.file is not None:
            definitions = await asyncio.to_thread(read_policies, given.file, name="The file")
        else:
            definitions = [each.definition for each in (await self.show(requester, given.project)).policies]
        return await asyncio.to_thread(check_events, definitions, events)

    async def replace(
        self, requester: Requester, project: str, *, switches: Sequence[PolicySwitch], given: Sequence[Mapping[str, Any]]
    ) -> ShownPolicies:
        """Replace what a project says about its policies; for leads and admins. InvalidInput names what can't be so."""
        requester.check("change_any")
        own = await asyncio.to_thread(definitions_of, given)
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
            .order_by(ProjectPoliciesRow.changed_at.desc())
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
            .order_by(ProjectPoliciesRow.changed_at.desc())
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
                    f'There is no policy "{switch.id[:64]}"{nearest(switch.id, ids)} to switch. List them: `cairn policies list`.',
                    param="switches",
                )
        if len(own) > MAX_OWN:
            raise InvalidInput(f"A project has at most {MAX_OWN} policies of its own; these are {len(own)}.", param="policies")
        for each in own:
            if each.id in ids:
                raise InvalidInput(f"There is a policy {each.id} already: give this one another id, or switch that one.", param="policies")


async def _store(connection: AsyncConnection, project_id: UUID, content: Mapping[str, Any], *, by: UUID | None) -> None:
    """Add the newest row, and delete the oldest ones past those that are kept."""
    await connection.execute(insert(ProjectPoliciesRow).values(project_id=project_id, content=content, changed_by=by))
    old = (
        select(ProjectPoliciesRow.id)
        .where(ProjectPoliciesRow.project_id == project_id)
        .order_by(ProjectPoliciesRow.changed_at.desc())
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
