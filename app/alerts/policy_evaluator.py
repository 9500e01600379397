"""Counts violations of policies, each once over all servers, and tells people of those that a rule is about: once a session and policy.

What was counted and whom it was told to is stored with the notice in one transaction. A notice names the policy, the project and the
sessions; it quotes nothing of what was said in them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.alerts.notifications import Notifications, PolicyAlert
from app.alerts.rules import Rules
from app.alerts.tables import EvaluationTurn
from app.part import Loop
from app.storage.database import Database
from app.telemetry import metrics
from app.trajectory.analysis import NotedViolation, PolicyViolations
from app.trajectory.policies import PolicyDefinition

TURN: Final = "policies"
"""Name of the lock row in `alert_turns`."""
OWN: Final = "own"
"""Label of a project's own policies: their ids come from outside."""
PoliciesOf: TypeAlias = Callable[[UUID], Awaitable[Sequence[PolicyDefinition]]]
"""Returns the policies of a project as they are now."""
ProjectNames: TypeAlias = Callable[[UUID, Collection[UUID]], Awaitable[Mapping[UUID, str]]]
"""Returns the names of those of a team's projects that may be named to anybody: not of the closed ones."""


@dataclass(frozen=True, slots=True)
class WatchedProjects:
    """The projects whose policies are broken: how their policies and names are read; and the ids of the shipped policies."""

    policies: PoliciesOf
    names: ProjectNames
    shipped: Collection[str]

    def label(self, policy: str) -> str:
        """Return the label of a policy's measures."""
        return policy if policy in self.shipped else OWN


class PolicyEvaluator:
    """Looks for violations that are due every `every_seconds`. `page`: the address of a session's page without its id; None: not known."""

    def __init__(
        self,
        database: Database,
        violations: PolicyViolations,
        notifications: Notifications,
        rules: Rules,
        *,
        projects: WatchedProjects,
        page: str | None,
        every_seconds: float,
    ) -> None:
        self._database = database
        self._violations = violations
        self._notifications = notifications
        self._rules = rules.enabled_policies
        self._projects = projects
        self._page = page
        self._every_seconds = every_seconds

    def loops(self) -> tuple[Loop, ...]:
        """Return the loop that counts and tells."""
        meanwhile = "Violations of policies are neither counted nor told to people; they wait."
        return (Loop(name="alerts.policies", step=self.evaluate, pause=self._every_seconds, at_once=False, meanwhile=meanwhile),)

    async def evaluate(self) -> list[PolicyAlert]:
        """Count what is due and nobody counted; return the alerts that people are told."""
        if not (due := await self._violations.due()):
            return []
        names = await self._names(due)
        chosen = await self._chosen(due)
        async with self._database.begin() as connection:
            await _take_turn(connection)
            taken = await self._violations.take(connection, due)
            told = await self._violations.take_untold(connection, [each for each in taken if each.key in chosen])
            alerts = self._alerts(told, chosen, names)
            await self._notifications.put_policies(connection, [each for each in alerts if self._rules[each.rule].post], clock.now())
        for violation in taken:
            metrics.policy_broken(self._projects.label(violation.policy))
        for alert in alerts:
            self._notifications.announce_policy(alert, label=self._projects.label(alert.policy))
        return alerts

    async def _names(self, due: Sequence[NotedViolation]) -> Mapping[UUID, str]:
        found: dict[UUID, str] = {}
        for team_id in {each.team_id for each in due}:
            found |= await self._projects.names(team_id, {each.project_id for each in due if each.team_id == team_id})
        return found

    async def _chosen(self, due: Sequence[NotedViolation]) -> Mapping[tuple[UUID, str, int], str]:
        """Return the rule that is about each violation that people are to be told of, by its key."""
        found: dict[tuple[UUID, str, int], str] = {}
        recent = [each for each in due if each.recent]
        for project_id in {each.project_id for each in recent}:
            severities = {each.id: each.severity for each in await self._projects.policies(project_id)}
            for each in recent:
                if each.project_id == project_id and (severity := severities.get(each.policy)) is not None:
                    about = (name for name, rule in self._rules.items() if rule.applies(each.policy, severity))
                    if (rule := next(about, None)) is not None:
                        found[each.key] = rule
        return found

    def _alerts(
        self, told: Sequence[NotedViolation], chosen: Mapping[tuple[UUID, str, int], str], names: Mapping[UUID, str]
    ) -> list[PolicyAlert]:
        """Put the violations of one policy in one project together."""
        grouped: dict[tuple[str, UUID, str], list[NotedViolation]] = {}
        for each in told:
            grouped.setdefault((chosen[each.key], each.project_id, each.policy), []).append(each)
        made = []
        for (rule, project_id, policy), found in grouped.items():
            name, ids = names.get(project_id), tuple(each.session_id for each in found)
            shown = policy if name is not None else self._projects.label(policy)  # its own rules' ids may tell of a closed project
            made.append(PolicyAlert(rule, self._rules[rule].what, shown, name, ids, self._page))
        return made


async def _take_turn(connection: AsyncConnection) -> None:
    """Wait until this server alone does this, until the transaction ends."""
    await connection.execute(upsert(EvaluationTurn).values(name=TURN, at=clock.now()).on_conflict_do_nothing())
    await connection.execute(select(EvaluationTurn.at).where(EvaluationTurn.name == TURN).with_for_update())
