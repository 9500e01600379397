"""Rows that `budget_hold` and `budget_settle` take and return, as JSON (sql/)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.budget.holds import Hold


def hold_row(place: int, wanted: Hold, *, process_id: UUID) -> dict[str, Any]:
    """Build a row for `budget_hold`. `place`: its place in the batch."""
    return {
        "place": place,
        "id": str(wanted.id),
        "request_id": wanted.attempt.request_id,
        "attempt": wanted.attempt.number,
        "developer_id": str(wanted.payer.developer_id),
        "team_id": str(wanted.payer.team_id),
        "period_start": wanted.period_start.isoformat(),
        "day": wanted.day.isoformat(),
        "process_id": str(process_id),
        "provider": wanted.attempt.provider,
        "model": wanted.attempt.model,
        "nanousd": wanted.nanousd,
        "tokens": wanted.tokens,
    }


def end_row(hold_id: UUID, **fields: Any) -> dict[str, Any]:
    """Build a row for `budget_settle`, without the fields that are None."""
    return {"id": str(hold_id), **{name: value for name, value in fields.items() if value is not None}}


def remaining(balance: dict[str, Any]) -> int | None:
    """Return what is left of a balance that `budget_settle` returned, in nano-dollars; None: no limit."""
    if balance["limit_nanousd"] is None:
        return None
    left: int = balance["limit_nanousd"] + balance["added_nanousd"] - balance["spent_nanousd"] - balance["held_nanousd"]
    return left
