"""What the request log notes of an error: HTTP's status, as `app/web/errors.py` will answer it. A test compares the two."""

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
    """Return the status of an error; 499 where the caller left."""
    if isinstance(error, asyncio.CancelledError):
        return 499
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
