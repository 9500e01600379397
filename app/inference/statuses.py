"""The HTTP status that the request log records for an error, as `app/web/errors.py` maps it; a test compares the two."""

from __future__ import annotations

import asyncio

from app.errors import (
    AllProvidersFailed,
    BudgetExceeded,
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    RateLimited,
    Refused,
    Unavailable,
)

STATUS = {
    Refused: 400,
    BudgetExceeded: 402,
    NotFound: 404,
    Conflict: 409,
    InvalidInput: 422,
    RateLimited: 429,
    AllProvidersFailed: 502,
    Unavailable: 503,
    DeadlineExceeded: 504,
}


def status_of(error: BaseException) -> int:
    """Return an error's HTTP status; 499 if the client left."""
    if isinstance(error, asyncio.CancelledError):
        return 499
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
