"""Which rules about budgets a balance meets, as they are shipped and as they may be written."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alerts.budget_rules import BudgetRule, Crossing, DayUse
from app.alerts.budget_rules import crossed as crossed_by
from app.alerts.rules import SHIPPED, load
from app.budget.alerting import BalanceState, BudgetChanges, FullCharge
from app.budget.periods import Calendar
from tests.unit.budget.test_periods import at

NOVEMBER = Calendar("UTC").month_of(at("2026-11-01"))
EARLY = timedelta(days=7)
LATE = NOVEMBER.end - EARLY
WHO = UUID("11111111-1111-4111-8111-111111111111")
RULES = load(SHIPPED).enabled_budgets


def balance(*, added_nanousd: int = 0, **changes: Any) -> BalanceState:
    fields = {
        "subject": "developer", "subject_id": WHO, "period_start": NOVEMBER.start, "period_end": NOVEMBER.end,
        "limit_nanousd": None, "spent_nanousd": 0, "limit_tokens": None, "spent_tokens": 0,
    } | changes  # fmt: skip
    if fields["limit_nanousd"] is not None:
        fields["limit_nanousd"] += added_nanousd
    return BalanceState(**fields)


def crossed(row: BalanceState, now: Any, rules: Any = RULES) -> list[Crossing]:
    return list(crossed_by(rules, BudgetChanges([row]), now))


def rules(**changes: Any) -> list[str]:
    """Late in the month."""
    return [each.alert for each in crossed(balance(**changes), LATE)]


@pytest.mark.parametrize(
    ("spent", "shares"),
    [(0, 0), (499, 0), (500, 1), (799, 1), (800, 2), (899, 2), (900, 3), (999, 3), (1000, 4), (5000, 4)],
)
def test_a_share_alerts_once_spending_reaches_it(spent: int, shares: int) -> None:
    expected = ["50%", "80%", "90%", "100%"][:shares]
    assert rules(limit_nanousd=1000, spent_nanousd=spent) == expected
    assert rules(limit_tokens=1000, spent_tokens=spent) == [f"tokens-{share}" for share in expected]


def test_a_top_up_raises_the_limit_that_shares_refer_to() -> None:
    assert rules(limit_nanousd=1000, spent_nanousd=800) == ["50%", "80%"]
    assert rules(limit_nanousd=1000, added_nanousd=1000, spent_nanousd=800) == []
    assert rules(limit_nanousd=0, added_nanousd=1000, spent_nanousd=500) == ["50%"]


@pytest.mark.parametrize(
    ("left", "early"), [(timedelta(days=29), True), (EARLY + timedelta(seconds=1), True), (EARLY, False), (timedelta(0), False)]
)
def test_ninety_percent_with_more_than_a_week_left_is_early(left: timedelta, early: bool) -> None:
    found = [each.alert for each in crossed(balance(limit_nanousd=10, spent_nanousd=9), NOVEMBER.end - left)]
    assert found == ["50%", "80%", "90%", *(["90%-early"] if early else [])]


def test_tokens_are_never_early() -> None:
    assert [each.alert for each in crossed(balance(limit_tokens=10, spent_tokens=9), NOVEMBER.start)] == [
        "tokens-50%",
        "tokens-80%",
        "tokens-90%",
    ]


def test_a_budget_without_a_limit_raises_no_alert() -> None:
    assert rules(spent_nanousd=10**18, spent_tokens=10**18, added_nanousd=5) == []


def test_any_spending_reaches_every_share_of_a_limit_of_zero() -> None:
    assert rules(limit_nanousd=0, limit_tokens=0) == []
    assert rules(limit_nanousd=0, spent_nanousd=1) == ["50%", "80%", "90%", "100%"]
    assert rules(limit_tokens=0, spent_tokens=1) == ["tokens-50%", "tokens-80%", "tokens-90%", "tokens-100%"]


def test_alerts_of_dollars_and_of_tokens_carry_their_own_amounts() -> None:
    row = balance(
        subject="team", limit_nanousd=10**9, added_nanousd=10**9, spent_nanousd=10**9, limit_tokens=8, spent_tokens=4
    )  # fmt: skip
    dollars, tokens = crossed(row, LATE)
    assert (dollars.alert, dict(dollars.data)) == ("50%", {"limit_usd": 2.0, "spent_usd": 1.0})
    assert (tokens.alert, dict(tokens.data)) == ("tokens-50%", {"limit_tokens": 8, "spent_tokens": 4})
    for each in (dollars, tokens):
        assert (each.subject, each.subject_id, each.period_start) == ("team", WHO, NOVEMBER.start)


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(0, 2**62))
def test_more_spending_never_raises_fewer_alerts(limit: int, less: int, more: int) -> None:
    fewer, further = (rules(limit_nanousd=limit, spent_nanousd=each) for each in sorted((less, more)))
    assert further[: len(fewer)] == fewer


def test_custom_shares_replace_the_shipped_ones() -> None:
    own = [BudgetRule(what="x", budget="spent", shares=(75,)), BudgetRule(what="x", budget="tokens", shares=(25, 99))]
    row = balance(limit_nanousd=100, spent_nanousd=80, limit_tokens=100, spent_tokens=98)
    assert [each.alert for each in crossed(row, LATE, own)] == ["75%", "tokens-25%"]


@pytest.mark.parametrize(("days", "met"), [(3, True), (4, False)])
def test_days_left_are_counted_to_the_end_of_the_period(days: int, met: bool) -> None:
    own = [BudgetRule(what="x", budget="spent", shares=(60,), days_left=days)]
    row = balance(limit_nanousd=10, spent_nanousd=6)
    assert [each.alert for each in crossed(row, NOVEMBER.end - timedelta(days=4), own)] == (["60%-early"] if met else [])


def test_a_day_above_the_daily_limit_alerts_for_the_team_by_date() -> None:
    today = DayUse(date(2026, 11, 21), {WHO: 1001}, 1000)
    team, developer = balance(subject="team"), balance()
    found = list(crossed_by(RULES, BudgetChanges([team, developer]), LATE, today))
    assert [(each.subject, each.alert, dict(each.data)) for each in found] == [
        ("team", "day-2026-11-21", {"tokens": 1001, "daily_tokens": 1000})
    ]
    assert list(crossed_by(RULES, BudgetChanges([team]), LATE, DayUse(date(2026, 11, 21), {WHO: 1000}, 1000))) == []


def test_an_overrun_or_disputed_charge_alerts_by_its_hold() -> None:
    charges = [FullCharge("overrun", "h1", WHO, NOVEMBER.start, 2 * 10**9), FullCharge("disputed", "h2", WHO, NOVEMBER.start, 5)]
    found = list(crossed_by(RULES, BudgetChanges(charges=charges), LATE))
    assert [(each.subject, each.alert) for each in found] == [("developer", "overrun-h1"), ("developer", "disputed-h2")]
    assert dict(found[0].data) == {"hold": "h1", "spent_usd": 2.0}


def test_without_rules_no_alert_is_raised() -> None:
    charges = [FullCharge("overrun", "h1", WHO, NOVEMBER.start, 2)]
    changes = BudgetChanges([balance(subject="team", limit_nanousd=1, spent_nanousd=1, limit_tokens=1, spent_tokens=1)], charges)
    assert list(crossed_by([], changes, LATE, DayUse(date(2026, 11, 21), {WHO: 1001}, 1000))) == []
