"""The headers by which coding agents learn how much of a limit is used: here, of the month's budget. Knows no ledger."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from app import clock
from app.errors import BudgetExceeded

PREFIX: Final = "anthropic-ratelimit-unified"
"""The beginning of Claude Code's headers."""
WINDOW: Final = "overage"
"""Its window for money, which it calls a usage credit limit; the others are hours and weeks."""
THRESHOLDS: Final = (0.95, 0.75)
"""Shares of the budget from which the client warns."""


def used(*, limit: int, left: int, resets_at: datetime) -> dict[str, str]:
    """Describe a budget after a call. `limit` and `left` in nano-dollars: held money counts as used."""
    share = 1.0 if limit <= 0 else min(1.0, max(0.0, (limit - left) / limit))
    passed = next((each for each in THRESHOLDS if share >= each), None)
    headers = _headers("allowed" if passed is None else "allowed_warning", share, resets_at)
    return headers if passed is None else {**headers, f"{PREFIX}-{WINDOW}-surpassed-threshold": str(passed)}


def exceeded(error: BudgetExceeded) -> dict[str, str]:
    """Describe a budget that a call was refused for, and when it is filled again."""
    seconds = max(1, math.ceil((error.resets_at - clock.now()).total_seconds()))
    return {**_headers("rejected", 1.0, error.resets_at), "retry-after": str(seconds)}


def shown_by_codex(error: BudgetExceeded) -> dict[str, str]:
    """Return the words that Codex shows where a limit is reached: of the reply's own it shows none. A header takes ASCII only."""
    return {"x-codex-promo-message": error.message.rstrip(".").encode("ascii", "replace").decode()}


def _headers(status: str, share: float, resets_at: datetime) -> dict[str, str]:
    reset = str(math.ceil(resets_at.timestamp()))
    return {
        f"{PREFIX}-status": status,
        f"{PREFIX}-reset": reset,
        f"{PREFIX}-representative-claim": WINDOW,
        f"{PREFIX}-{WINDOW}-status": status,
        f"{PREFIX}-{WINDOW}-utilization": f"{share:.4f}",
        f"{PREFIX}-{WINDOW}-reset": reset,
    }
