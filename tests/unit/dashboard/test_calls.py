"""Why a call cost what it did: every outcome has words."""

from __future__ import annotations

from app.dashboard.calls import REFUSED

from app.budget.requests import RequestOutcome


def test_every_outcome_but_an_answer_has_words() -> None:
    assert set(REFUSED) == set(RequestOutcome) - {RequestOutcome.ANSWERED}
