"""Which rules a balance meets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.alerts import EARLY, crossed
from app.budget.periods import Calendar
from tests.unit.budget.test_periods import at

NOVEMBER = Calendar("UTC").month_of(at("2026-11-01"))
LATE = NOVEMBER.end - EARLY
WHO = "11111111-1111-4111-8111-111111111111"


def balance(**changes: Any) -> dict[str, Any]:
    """As PostgreSQL's to_jsonb tells it."""
    return {
        "subject": "developer", "subject_id": WHO, "period_start": NOVEMBER.start.isoformat(), "period_end": NOVEMBER.end.isoformat(),
        "limit_nanousd": None, "added_nanousd": 0, "spent_nanousd": 0, "held_nanousd": 0,
        "limit_tokens": None, "spent_tokens": 0, "held_tokens": 0,
    } | changes  # fmt: skip


def rules(**changes: Any) -> list[str]:
    """Late in the month."""
    return [each.rule for each in crossed(balance(**changes), LATE)]


@pytest.mark.parametrize(
    ("spent", "shares"),
    [(0, 0), (499, 0), (500, 1), (799, 1), (800, 2), (899, 2), (900, 3), (999, 3), (1000, 4), (5000, 4)],
)
def test_each_share_is_met_where_it_is_reached(spent: int, shares: int) -> None:
    expected = ["50%", "80%", "90%", "100%"][:shares]
    assert rules(limit_nanousd=1000, spent_nanousd=spent) == expected
    assert rules(limit_tokens=1000, spent_tokens=spent) == [f"tokens-{share}" for share in expected]


def test_a_top_up_raises_what_a_share_is_of() -> None:
    assert rules(limit_nanousd=1000, spent_nanousd=800) == ["50%", "80%"]
    assert rules(limit_nanousd=1000, added_nanousd=1000, spent_nanousd=800) == []
    assert rules(limit_nanousd=0, added_nanousd=1000, spent_nanousd=500) == ["50%"]


@pytest.mark.parametrize(
    ("left", "early"), [(timedelta(days=29), True), (EARLY + timedelta(seconds=1), True), (EARLY, False), (timedelta(0), False)]
)
def test_ninety_percent_with_more_than_a_week_left_is_early(left: timedelta, early: bool) -> None:
    found = [each.rule for each in crossed(balance(limit_nanousd=10, spent_nanousd=9), NOVEMBER.end - left)]
    assert found == ["50%", "80%", "90%", *(["90%-early"] if early else [])]


def test_tokens_are_never_early() -> None:
    assert [each.rule for each in crossed(balance(limit_tokens=10, spent_tokens=9), NOVEMBER.start)] == [
        "tokens-50%",
        "tokens-80%",
        "tokens-90%",
    ]


def test_without_a_limit_nothing_is_met() -> None:
    assert rules(spent_nanousd=10**18, spent_tokens=10**18, added_nanousd=5) == []


def test_a_limit_of_nothing_is_met_by_anything_but_nothing() -> None:
    assert rules(limit_nanousd=0, limit_tokens=0) == []
    assert rules(limit_nanousd=0, spent_nanousd=1) == ["50%", "80%", "90%", "100%"]
    assert rules(limit_tokens=0, spent_tokens=1) == ["tokens-50%", "tokens-80%", "tokens-90%", "tokens-100%"]


def test_what_is_only_held_meets_nothing() -> None:
    assert rules(limit_nanousd=10, held_nanousd=10, limit_tokens=10, held_tokens=10) == []


def test_dollars_and_tokens_are_told_with_their_own_figures() -> None:
    row = balance(
        subject="team", limit_nanousd=10**9, added_nanousd=10**9, spent_nanousd=10**9, limit_tokens=8, spent_tokens=4, period_start="2026-11-01T00:00:00+00:00"
    )  # fmt: skip
    dollars, tokens = crossed(row, LATE)
    assert (dollars.rule, dict(dollars.data)) == ("50%", {"limit_usd": 2.0, "spent_usd": 1.0})
    assert (tokens.rule, dict(tokens.data)) == ("tokens-50%", {"limit_tokens": 8, "spent_tokens": 4})
    for each in (dollars, tokens):
        assert (each.subject, each.subject_id, each.period_start) == ("team", UUID(WHO), NOVEMBER.start)


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(0, 2**62))
def test_who_spends_more_meets_no_fewer_rules(limit: int, less: int, more: int) -> None:
    fewer, further = (rules(limit_nanousd=limit, spent_nanousd=each) for each in sorted((less, more)))
    assert further[: len(fewer)] == fewer
