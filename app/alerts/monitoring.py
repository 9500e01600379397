"""Reads roll-ups, alerts and recommendations for routes, pages and commands. Measures what rules say now; stores and announces nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app import clock
from app.accounts.requester import Requester
from app.alerts.advice import Advice, advise
from app.alerts.budget_evaluator import BudgetEvaluator
from app.alerts.evaluator import Evaluator
from app.alerts.notifications import summary
from app.alerts.rollups import Rollups
from app.alerts.rules import Rules
from app.alerts.series_alerts import FiringAlert, ResolvedAlert, SeriesAlerts
from app.settings import Settings
from app.storage.pages import EntryPage, PageWanted

MAX_RESOLVED = 20


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """A rule's value for one set of labels, compared with its threshold now, without its duration. `value` None: too few measurements."""

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
    """Firing alerts, the last resolved ones, every rule compared with its threshold now, and recommendations."""

    firing: Sequence[FiringAlert]
    resolved: Sequence[ResolvedAlert]
    rules: Sequence[RuleCheck]
    recommendations: Sequence[Advice]


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The room's live objects, and the report that routes and commands show."""

    rollups: Rollups
    alerts: SeriesAlerts
    evaluator: Evaluator
    budgets: BudgetEvaluator
    rules: Rules
    settings: Settings

    async def report(self, requester: Requester) -> AlertReport:
        """Report alerts, rules and recommendations. NotPermitted unless the requester may administer."""
        requester.check("administer")
        rules = await self._check_rules()
        return AlertReport(await self.alerts.firing(), await self.alerts.resolved(limit=MAX_RESOLVED), rules, await self.advice())

    async def history(self, requester: Requester, wanted: PageWanted) -> EntryPage[ResolvedAlert]:
        """List a page of the alerts that no longer fire. NotPermitted unless the requester may administer."""
        requester.check("administer")
        return await self.alerts.history(wanted)

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
