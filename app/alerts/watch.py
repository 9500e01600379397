"""Reads alerts for routes, pages and commands. Evaluates rules, but stores and announces nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app import clock
from app.accounts.requester import Requester
from app.alerts.advice import Advice, advise
from app.alerts.alarms import Alarms, FiringAlert, ResolvedAlert
from app.alerts.budget_evaluator import BudgetEvaluator
from app.alerts.evaluator import Evaluator
from app.alerts.notifications import summary
from app.alerts.rollups import Rollups
from app.alerts.rules import Rules
from app.settings import Settings

MAX_RESOLVED = 20


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """A rule compared with its threshold now, whatever its duration. `value` None: too little was measured."""

    rule: str
    what: str
    labels: Mapping[str, str]
    severity: str
    value: float | None
    threshold: float
    breached: bool
    summary: str


@dataclass(frozen=True, slots=True)
class AlertReport:
    """Alerts that are firing and the last that were resolved, every rule compared with its threshold now, and recommendations."""

    firing: Sequence[FiringAlert]
    resolved: Sequence[ResolvedAlert]
    rules: Sequence[RuleCheck]
    recommendations: Sequence[Advice]


@dataclass(frozen=True, slots=True)
class Watch:
    """Reads what was measured over time, which alerts are firing, what each rule says now, what should be changed."""

    rollups: Rollups
    alarms: Alarms
    evaluator: Evaluator
    budgets: BudgetEvaluator
    rules: Rules
    settings: Settings

    async def report(self, requester: Requester) -> AlertReport:
        """Tell which alerts are firing, the last that were resolved, what each rule says now, and what should be changed."""
        requester.check("administer")
        rules = await self._check_rules()
        return AlertReport(await self.alarms.firing(), await self.alarms.over(limit=MAX_RESOLVED), rules, await self.advice())

    async def _check_rules(self) -> list[RuleCheck]:
        made = []
        for each in await self.evaluator.measure():
            rule = self.rules.series[each.rule]
            words = summary(rule, each.labels, each.value)
            made.append(RuleCheck(each.rule, rule.what, each.labels, rule.severity, each.value, rule.threshold, each.breached, words))
        return made

    async def advice(self) -> list[Advice]:
        """Recommend changes of settings, from a day of measurements."""
        return await advise(self.rollups, self.settings, clock.now())
