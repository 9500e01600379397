"""A journal whose sessions are watched by their project's policies, with what counts and tells of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app import clock
from app.accounts.requester import Requester
from app.alerts.notifications import Notifications
from app.alerts.policy_evaluator import PolicyEvaluator, WatchedProjects
from app.alerts.rules import SHIPPED as SHIPPED_ALERTS
from app.alerts.rules import Rules, load
from app.queue.outbox import Outbox
from app.sessions.browsing import SessionBrowsing
from app.sessions.endings import SessionEndings
from app.sessions.event import Event
from app.sessions.projections import Projections
from app.sessions.reader import SessionReader
from app.trajectory.analysis.projection import TrajectoryProjection
from app.trajectory.analysis.reader import TrajectoryReader
from app.trajectory.analysis.step_reading import StepReader
from app.trajectory.analysis.storage import AnalysisStore
from app.trajectory.analysis.violations import PolicyViolations
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.intent.store import IntentStore
from app.trajectory.policies.policy_file import SHIPPED, load_policies
from app.trajectory.policies.projects import ProjectPolicies
from app.trajectory.policies.views import PolicyInSession
from app.trajectory.policies.watching import PolicyAnalyzer
from tests.integration.trajectory.conftest import TrajectoryBench
from tests.unit.trajectory.sessions import call

AWAY = "http://127.0.0.1:9/hook"
CHECKED = {"id": "checked", "words": "Edits are checked.", "severity": "alert", "template": "response", "when": "edits", "then": "checks"}
"""A rule that is presumably false until a check comes."""


@dataclass(slots=True)
class PolicyBench:
    """`fed`: how often sessions were read."""

    bench: TrajectoryBench
    policies: ProjectPolicies
    runs: int = 0

    def register(self, version: str) -> None:
        store = AnalysisStore(self.bench.database)
        made = TrajectoryProjection(
            steps=StepReader(self.bench.journal), store=store, analyzers=self.analyzers, version=version, reread=self.reread
        )
        self.bench.projections = Projections([made])

    async def analyzers(self, project_id: UUID) -> Sequence[Analyzer]:
        self.runs += 1
        return [PolicyAnalyzer(await self.policies.of(project_id))]

    async def reread(self, connection: Any, project_id: UUID) -> int:
        return await self.bench.checkpoints.outdate(connection, TrajectoryProjection.name, project_id)

    @property
    def admin(self) -> Requester:
        return Requester(self.bench.team_id, "team", role="admin")

    async def rules(self, *given: Mapping[str, Any], switches: Sequence[Any] = ()) -> None:
        await self.policies.replace(self.admin, "shop", switches=switches, given=given)

    def evaluator(self, *, rules: Rules | None = None, names: Mapping[UUID, str] | None = None, url: str | None = AWAY) -> PolicyEvaluator:
        shown = {self.bench.project_id: "shop"} if names is None else names

        async def names_of(_: UUID, __: Collection[UUID]) -> Mapping[UUID, str]:
            return shown

        return PolicyEvaluator(
            self.bench.database,
            PolicyViolations(self.bench.database),
            Notifications(Outbox(self.bench.database, url)),
            rules or load(SHIPPED_ALERTS),
            projects=WatchedProjects(self.policies.of, names_of, {each.id for each in self.policies.shipped}),
            page="https://cairn.example/dashboard/sessions/",
            every_seconds=15,
        )

    async def make_due(self) -> None:
        await self.change("update session_policy_violations set due_at = now()")

    async def change(self, statement: str) -> None:
        async with self.bench.database.begin() as connection:
            await connection.execute(text(statement))

    async def values(self, query: str) -> list[Any]:
        async with self.bench.database.begin() as connection:
            return list(await connection.scalars(text(query)))

    async def notices(self) -> list[dict[str, Any]]:
        return await self.values("select body from notices order by created_at, id")

    async def verdicts(self, session_id: UUID) -> dict[str, PolicyInSession]:
        bench = self.bench
        sessions = SessionReader(
            accounts=bench.accounts,
            journal=bench.journal,
            browsing=SessionBrowsing(bench.database),
            endings=SessionEndings(bench.database),
            checkpoints=bench.checkpoints,
            projections=bench.projections,
        )
        shown = await TrajectoryReader(bench.queries, sessions, self.policies, IntentStore(bench.database)).show(
            self.admin, session_id, limit=50
        )
        return {each.policy: each for each in shown.verdicts}


def made_bench(bench: TrajectoryBench) -> PolicyBench:
    async def reread(connection: Any, project_id: UUID) -> int:
        return await made.reread(connection, project_id)

    made = PolicyBench(bench, ProjectPolicies(bench.database, bench.accounts, load_policies(SHIPPED), reread=reread))
    made.register("1")
    return made


def ran(seq: int, line: str, **fields: Any) -> Event:
    """A command that runs now."""
    return replace(call(seq, line), id=f"e{seq}", locator=f"e{seq}", at=clock.now(), **fields)


def written(seq: int, path: str = "till.py") -> Event:
    return replace(call(seq, f"{path}\nx = 2", tool="Write"), id=f"e{seq}", locator=f"e{seq}", at=clock.now(), files=(path,))
