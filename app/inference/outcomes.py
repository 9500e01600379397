"""Maps an error to the outcome that the request log notes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from app.budget.requests import RequestOutcome
from app.errors import (
    AllProvidersFailed,
    BudgetExceeded,
    CairnError,
    ChangedMeanwhile,
    Conflict,
    ContentRejected,
    DeadlineExceeded,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RateLimited,
    TooLarge,
    Unavailable,
    Unreadable,
)

OUTCOMES: Mapping[type[CairnError], RequestOutcome] = {
    Unreadable: RequestOutcome.BAD_REQUEST,
    ContentRejected: RequestOutcome.BAD_REQUEST,
    NotAuthenticated: RequestOutcome.NOT_AUTHENTICATED,
    BudgetExceeded: RequestOutcome.OVER_BUDGET,
    NotPermitted: RequestOutcome.NOT_PERMITTED,
    NotFound: RequestOutcome.NOT_FOUND,
    ChangedMeanwhile: RequestOutcome.CHANGED_MEANWHILE,
    Conflict: RequestOutcome.CONFLICT,
    TooLarge: RequestOutcome.TOO_LARGE,
    InvalidInput: RequestOutcome.INVALID,
    RateLimited: RequestOutcome.RATE_LIMITED,
    AllProvidersFailed: RequestOutcome.PROVIDERS_FAILED,
    Unavailable: RequestOutcome.UNAVAILABLE,
    DeadlineExceeded: RequestOutcome.TIMED_OUT,
}


def outcome_of(error: BaseException) -> RequestOutcome:
    """Return the outcome of an error; FAILED for an unexpected one. A cancellation is CALLER_LEFT, even if a shutdown caused it."""
    if isinstance(error, asyncio.CancelledError):
        return RequestOutcome.CALLER_LEFT
    return next((outcome for kind, outcome in OUTCOMES.items() if isinstance(error, kind)), RequestOutcome.FAILED)
