"""Why a call cost what it cost; what alerts say; which colours charts have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.budget.alerting import SentAlert
from app.budget.requests import RequestOutcome
from app.budget.views import AttemptView, RequestSpending
from app.dashboard import charts, formatting
from app.dashboard.alerts import notices
from app.dashboard.cost_explanations import reasons

AT = datetime(2026, 11, 21, tzinfo=UTC)


def call(**more: Any) -> RequestSpending:
    usual = {
        "at": AT, "request_id": "r", "purpose": "chat", "project": None, "model_asked": "auto", "provider": "anthropic", "model_answered": "m",
        "cache": "miss", "nanousd": 1, "saved_nanousd": 0, "milliseconds": 1, "status": 200,
    }  # fmt: skip
    return RequestSpending(**(usual | more))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (call(), []),
        (call(attempts=(AttemptView("groq", "m", "released"), AttemptView("anthropic", "m", "settled"))), ["groq failed, anthropic answered"]),
        (call(cache="memory", saved_nanousd=4_200_000), ["from this server's memory, saved $0.0042"]),
        (call(status=402, provider=None), ["refused: over the budget"]),
        (call(status=504, attempts=(AttemptView("groq", "m", "unreconciled"),)), ["timed out", "outcome at groq unconfirmed: charged the most it can cost"]),
        (call(mark="partial"), ["cut short: the client disconnected; charged for what was produced"]),
        (call(status=418), ["failed with status 418"]),
        (call(status=599), ["failed with status 599"]),
    ],
)  # fmt: skip
def test_a_call_says_why(given: RequestSpending, said: list[str]) -> None:
    assert [each.text for each in reasons(given)] == said


@pytest.mark.parametrize("outcome", [each for each in RequestOutcome if each is not RequestOutcome.ANSWERED], ids=lambda each: each.name)
def test_every_outcome_but_an_answer_is_explained_in_words(outcome: RequestOutcome) -> None:
    (reason,) = reasons(call(status=outcome, provider=None))
    assert reason.tone == "bad"
    assert str(int(outcome)) not in reason.text


def test_what_comes_every_day_is_one_line() -> None:
    subject = uuid4()
    said = [SentAlert(AT - timedelta(days=n), "team", subject, f"day-2026-11-{20 - n:02}") for n in range(4)]
    found = notices(
        [*said, SentAlert(AT, "developer", subject, "90%-early"), SentAlert(AT - timedelta(days=9), "developer", subject, "100%")]
    )
    assert [(each.whose, each.tone, each.text) for each in found] == [
        ("budget", "warn", "90 % of the limit is spent, with more than a week to go"),
        ("team", "warn", "The team used more tokens than planned on Fri 20 Nov, and on 3 other days"),
        ("budget", "bad", "The limit is reached"),
    ]


def test_a_provider_keeps_its_colour_and_small_ones_are_put_together() -> None:
    assert charts.tones(["anthropic", "groq"]) == [2, 1]
    amounts = {f"p{n}": [n, 0] for n in range(12)} | {"groq": [100, 5]}
    made = charts.of_money("id", "title", [("1", "Day 1"), ("2", "Day 2")], amounts, write=formatting.dollars)
    assert [each.name for each in made.series] == ["groq", "p11", "p10", "p9", "p8", "p7", "others"]
    assert sum(round(value * 10**9) for each in made.series for value in each.values if value) == sum(map(sum, amounts.values()))
    assert len({each.tone for each in made.series}) == 7
