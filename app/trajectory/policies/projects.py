"""The policies of projects: the installation's, with what a project switched, and rules of its own. Every change is kept, with who made it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

import cachebox
import structlog
from sqlalchemy import Text, Uuid, bindparam, delete, func, insert, select
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
from app.trajectory.policies.watching import PolicyAnalyzer

log = structlog.get_logger()

KEPT_CHANGES = 50
SHOWN_CHANGES = 10
MAX_KNOWN = 5_000
"""Stored settings whose policies are kept ready."""
Reread: TypeAlias = Callable[[AsyncConnection, UUID], Awaitable[int]]
"""Has a project's sessions read anew, in the transaction that changes its policies; returns their number."""


class ProjectPolicies:
    """Reads, changes and checks them. `shipped`: those of the installation's file."""

    def __init__(self, database: Database, accounts: Accounts, shipped: Sequence[PolicyDefinition], *, reread: Reread) -> None:
        self._database, self._accounts, self._reread = database, accounts, reread
        self.shipped: Final = tuple(shipped)
        self._known: cachebox.LRUCache[UUID | None, tuple[PolicyDefinition, ...]] = cachebox.LRUCache(MAX_KNOWN)

    async def of(self, project_id: UUID) -> tuple[PolicyDefinition, ...]:
        """Return the policies that are enabled in a project, as they are now: what another server changed is seen at once."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_NEWEST, {"project": project_id})).one_or_none()
        key = None if row is None else row.id
        found: tuple[PolicyDefinition, ...] | None = self._known.get(key)
        if found is None:
            found = self._known[key] = _enabled(self._effective(None if row is None else row.content))
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
            await connection.execute(_ONE_AT_A_TIME, {"project": str(project_id)})
            before = (await connection.execute(_NEWEST, {"project": project_id})).one_or_none()
            await _store(connection, project_id, content, by=requester.developer_id)
            changed = self._rules(content) != self._rules(None if before is None else before.content)
            again = await self._reread(connection, project_id) if changed else 0
        if changed:  # once more: a session that came meanwhile may be read with the rules of before, which it saw until now
            async with self._database.begin() as connection:
                again = await self._reread(connection, project_id)
        log.info("policies.changed", project=str(project_id), by=requester.name, switched=len(switches), own=len(own), sessions_again=again)
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

    def _rules(self, content: Mapping[str, Any] | None) -> str:
        """Name what decides the verdicts: it stays where only words or severities change."""
        return PolicyAnalyzer(_enabled(self._effective(content))).version

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


def _enabled(policies: Sequence[EffectivePolicy]) -> tuple[PolicyDefinition, ...]:
    return tuple(each.definition for each in policies if each.definition.enabled)


async def _store(connection: AsyncConnection, project_id: UUID, content: Mapping[str, Any], *, by: UUID | None) -> None:
    """Add the newest row, and delete the oldest ones past those that are kept."""
    await connection.execute(
        insert(ProjectPoliciesRow).values(project_id=project_id, content=content, changed_by=by, changed_at=func.clock_timestamp())
    )
    old = (
        select(ProjectPoliciesRow.id)
        .where(ProjectPoliciesRow.project_id == project_id)
        .order_by(ProjectPoliciesRow.changed_at.desc())
        .offset(KEPT_CHANGES)
    )
    await connection.execute(delete(ProjectPoliciesRow).where(ProjectPoliciesRow.id.in_(old)))


_NEWEST = (
    select(ProjectPoliciesRow.id, ProjectPoliciesRow.content)
    .where(ProjectPoliciesRow.project_id == bindparam("project", type_=Uuid()))
    .order_by(ProjectPoliciesRow.changed_at.desc())
    .limit(1)
)
_ONE_AT_A_TIME = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("project", type_=Text()), 0)))
"""Until the transaction ends: a change is compared with what really was before it."""


def _stored(given: Mapping[str, Any]) -> PolicyDefinition | None:
    """Read a stored policy. One that this version can't read any more is left out, with a warning in the log."""
    try:
        return definition_of(given)
    except PolicyError as error:
        log.warning("policies.unreadable", policy=given.get("id"), reason=error.message)
        return None
