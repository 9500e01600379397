"""The face of the room: what routes, pages and commands call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app import clock
from app.alerts.advice import Advice, advise
from app.alerts.alarms import Alarms
from app.alerts.budget_evaluator import BudgetEvaluator
from app.alerts.evaluator import Evaluator
from app.alerts.notifications import summary
from app.alerts.rollups import Rollups
from app.alerts.rules import Rules
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Checked:
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
class Watch:
    """Reads what was measured over time, which alerts are firing, what each rule says now, what should be changed."""

    rollups: Rollups
    alarms: Alarms
    evaluator: Evaluator
    budgets: BudgetEvaluator
    rules: Rules
    settings: Settings

    async def checked(self) -> list[Checked]:
        made = []
        for each in await self.evaluator.look():
            rule = self.rules.series[each.rule]
            words = summary(rule, each.labels, each.value)
            made.append(Checked(each.rule, rule.what, each.labels, rule.severity, each.value, rule.threshold, each.breached, words))
        return made

    async def advice(self) -> list[Advice]:
        return await advise(self.rollups, self.settings, clock.now())
