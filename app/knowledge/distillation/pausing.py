"""Tells how long a team's distillation waits after a call that couldn't be made: its budget is used up, or no model answers."""

from __future__ import annotations

from datetime import timedelta

from app import clock
from app.errors import AllProvidersFailed, BudgetExceeded, CairnError, DeadlineExceeded, RateLimited
from app.sessions.projections import ProjectionPaused

RECHECKED = timedelta(hours=1)
"""Longest pause after a refused hold: an admin may raise the limit, or top it up, before the month ends."""
TRIED_AGAIN = timedelta(minutes=10)


def paused_by(error: CairnError) -> ProjectionPaused:
    """Return the pause that an error of the engine means."""
    moment = clock.now()
    match error:
        case BudgetExceeded():
            until = min(error.resets_at, moment + RECHECKED)
        case RateLimited() | AllProvidersFailed():
            until = moment + max(TRIED_AGAIN, timedelta(seconds=error.retry_after or 0))
        case _:
            until = moment + TRIED_AGAIN
    return ProjectionPaused(error.message, until=until, may_recur=isinstance(error, AllProvidersFailed | DeadlineExceeded))
