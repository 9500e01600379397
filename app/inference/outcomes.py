"""How a request to the engine ended, as the request log notes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from app.budget.requests import Outcome
from app.errors import (
    AllProvidersFailed,
    BudgetExceeded,
    CairnError,
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    RateLimited,
    Refused,
    Unavailable,
)

OUTCOMES: Mapping[type[CairnError], Outcome] = {
    Refused: Outcome.REFUSED,
    BudgetExceeded: Outcome.OVER_BUDGET,
    NotFound: Outcome.NOT_FOUND,
    Conflict: Outcome.CONFLICT,
    InvalidInput: Outcome.INVALID,
    RateLimited: Outcome.RATE_LIMITED,
    AllProvidersFailed: Outcome.PROVIDERS_FAILED,
    Unavailable: Outcome.UNAVAILABLE,
    DeadlineExceeded: Outcome.TIMED_OUT,
}


def outcome_of(error: BaseException) -> Outcome:
    """Return the outcome of an error; a cancelled request's caller left."""
    if isinstance(error, asyncio.CancelledError):
        return Outcome.CALLER_LEFT
    return next((outcome for kind, outcome in OUTCOMES.items() if isinstance(error, kind)), Outcome.FAILED)
