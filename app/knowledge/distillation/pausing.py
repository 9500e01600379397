"""The outcome that ends a team's distillation for a while: its budget is used up, no model answers, or other work waits."""

from __future__ import annotations

from datetime import datetime, timedelta

from app import clock
from app.errors import AllProvidersFailed, BudgetExceeded, CairnError, RateLimited, Unavailable

RECHECKED = timedelta(hours=1)
"""Longest pause after a refused hold: an admin may raise the limit, or top it up, before the month ends."""
TRIED_AGAIN = timedelta(minutes=10)


class DistillationPaused(Unavailable):
    """A session isn't distilled further before `until`. What was distilled so far is stored, and is not asked about again."""

    code = "distillation_paused"

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message, retry_after=max(1.0, (until - clock.now()).total_seconds()))
        self.until = until


def paused_by(error: CairnError) -> DistillationPaused:
    """Return the pause that an error of the engine means."""
    moment = clock.now()
    match error:
        case BudgetExceeded():
            until = min(error.resets_at, moment + RECHECKED)
        case RateLimited() | AllProvidersFailed():
            until = moment + max(TRIED_AGAIN, timedelta(seconds=error.retry_after or 0))
        case _:
            until = moment + TRIED_AGAIN
    return DistillationPaused(error.message, until=until)
