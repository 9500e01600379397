"""Rules about budgets. Each alert is raised once per period and subject (a developer or a team). Pure.

Names of alerts, as `GET /v1/budget`, the webhook and `cairn_budget_alerts_total` show them: `50%` (of the dollars), `90%-early` (with
`days_left`), `tokens-80%`, `day-2026-11-21`, `overrun-<hold>`, `disputed-<hold>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.alerts.rule import NamedRule
from app.budget.alerting import BalanceState, BudgetChanges, FullCharge
from app.money import to_usd

BudgetFact = Literal["spent", "tokens", "day_tokens", "overrun", "disputed"]


class BudgetRule(NamedRule):
    """A rule about budgets. `shares`: percent of the limit, each an alert of its own; for `spent` and `tokens`.

    `days_left`: alert only while more days than that are left in the month.
    """

    budget: BudgetFact
    shares: tuple[int, ...] = Field((), max_length=20)
    days_left: int | None = Field(None, ge=1, le=27)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.budget in ("spent", "tokens")) != bool(self.shares):
            raise ValueError('shares = [50, 80, …] belongs to budget = "spent" and budget = "tokens", and these need it')
        if any(not 1 <= share <= 100 for share in self.shares) or len(set(self.shares)) < len(self.shares):
            raise ValueError("shares are percent of a limit: whole numbers from 1 to 100, each once")
        if self.days_left is not None and self.budget != "spent":
            raise ValueError('days_left belongs to budget = "spent"')
        return self

    @property
    def alerts(self) -> list[str]:
        """Return the names of its alerts; of those that contain a day or a hold, the prefix."""
        match self.budget:
            case "spent":
                return [f"{share}%" if self.days_left is None else f"{share}%-early" for share in self.shares]
            case "tokens":
                return [f"tokens-{share}%" for share in self.shares]
            case "day_tokens":
                return ["day-"]
            case kind:
                return [f"{kind}-"]


@dataclass(frozen=True, slots=True)
class DayUse:
    """Tokens used in a day, by team, and how many are allowed without an alert."""

    day: date
    tokens: Mapping[UUID, int]
    allowed: int


@dataclass(frozen=True, slots=True)
class Crossing:
    """A budget that crossed a rule's threshold. `alert`: its name, unique per period and subject. `data`: the amounts at that time."""

    rule: BudgetRule
    alert: str
    subject: str
    subject_id: UUID
    period_start: datetime
    data: Mapping[str, Any]

    @property
    def key(self) -> tuple[UUID, datetime, str]:
        return self.subject_id, self.period_start, self.alert


def crossed(rules: Iterable[BudgetRule], changes: BudgetChanges, now: datetime, today: DayUse | None = None) -> Iterator[Crossing]:
    """Yield the thresholds that changed budgets have crossed. `today` None: no daily limit is set."""
    by_fact: dict[BudgetFact, list[BudgetRule]] = {}
    for rule in rules:
        by_fact.setdefault(rule.budget, []).append(rule)
    for charge in changes.charges:
        for rule in by_fact.get(charge.kind, ()):
            yield _charge(rule, charge)
    for balance in changes.balances:
        for rule in by_fact.get("spent", ()):
            yield from _spent(rule, balance, now)
        for rule in by_fact.get("tokens", ()):
            yield from _tokens(rule, balance)
    if today is not None:
        for rule in by_fact.get("day_tokens", ()):
            yield from _day(rule, changes.balances, today)


def _spent(rule: BudgetRule, balance: BalanceState, now: datetime) -> Iterator[Crossing]:
    limit, spent = balance.limit_nanousd, balance.spent_nanousd
    if limit is None or (rule.days_left is not None and balance.period_end - now <= timedelta(days=rule.days_left)):
        return
    data = {"limit_usd": to_usd(limit), "spent_usd": to_usd(spent)}
    yield from (_of_balance(rule, alert, balance, data) for alert in _reached(rule, spent, limit))


def _tokens(rule: BudgetRule, balance: BalanceState) -> Iterator[Crossing]:
    limit, spent = balance.limit_tokens, balance.spent_tokens
    if limit is not None:
        data = {"limit_tokens": limit, "spent_tokens": spent}
        yield from (_of_balance(rule, alert, balance, data) for alert in _reached(rule, spent, limit))


def _reached(rule: BudgetRule, spent: int, limit: int) -> list[str]:
    """Return the alerts whose share is reached. Any spending reaches every share of a limit of 0."""
    return [alert for share, alert in zip(rule.shares, rule.alerts, strict=True) if spent > 0 and spent * 100 >= limit * share]


def _day(rule: BudgetRule, balances: Sequence[BalanceState], today: DayUse) -> Iterator[Crossing]:
    for balance in balances:
        tokens = today.tokens.get(balance.subject_id, 0)
        if balance.subject == "team" and tokens > today.allowed:
            yield _of_balance(rule, f"day-{today.day}", balance, {"tokens": tokens, "daily_tokens": today.allowed})


def _charge(rule: BudgetRule, charge: FullCharge) -> Crossing:
    data = {"hold": charge.hold_id, "spent_usd": to_usd(charge.spent_nanousd)}
    return Crossing(rule, f"{charge.kind}-{charge.hold_id}", "developer", charge.developer_id, charge.period_start, data)


def _of_balance(rule: BudgetRule, alert: str, balance: BalanceState, data: Mapping[str, Any]) -> Crossing:
    return Crossing(rule, alert, balance.subject, balance.subject_id, balance.period_start, data)
