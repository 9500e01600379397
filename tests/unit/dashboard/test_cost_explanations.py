"""Why a call cost what it did: every outcome has words."""

from __future__ import annotations

from app.budget.requests import RequestOutcome
from app.dashboard.cost_explanations import NOT_ANSWERED


def test_every_outcome_but_an_answer_has_words() -> None:
    assert set(NOT_ANSWERED) == set(RequestOutcome) - {RequestOutcome.ANSWERED}
