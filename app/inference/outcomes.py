"""Maps an error to the outcome that the request log notes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from app.budget.requests import RequestOutcome
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

OUTCOMES: Mapping[type[CairnError], RequestOutcome] = {
    Refused: RequestOutcome.REFUSED,
    BudgetExceeded: RequestOutcome.OVER_BUDGET,
    NotFound: RequestOutcome.NOT_FOUND,
    Conflict: RequestOutcome.CONFLICT,
    InvalidInput: RequestOutcome.INVALID,
    RateLimited: RequestOutcome.RATE_LIMITED,
    AllProvidersFailed: RequestOutcome.PROVIDERS_FAILED,
    Unavailable: RequestOutcome.UNAVAILABLE,
    DeadlineExceeded: RequestOutcome.TIMED_OUT,
}


def outcome_of(error: BaseException) -> RequestOutcome:
    """Return the outcome of an error; a cancelled request's caller left."""
    if isinstance(error, asyncio.CancelledError):
        return RequestOutcome.CALLER_LEFT
    return next((outcome for kind, outcome in OUTCOMES.items() if isinstance(error, kind)), RequestOutcome.FAILED)
