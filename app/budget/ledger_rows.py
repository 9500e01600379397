"""Rows that `budget_hold` and `budget_settle` take and return, as JSON (sql/), and the refusal that they tell of."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from app.budget.holds import Hold, Payer
from app.errors import BudgetExceeded
from app.money import to_usd


def hold_row(place: int, wanted: Hold, *, process_id: UUID) -> dict[str, Any]:
    """Build a row for `budget_hold`. `place`: its place in the batch."""
    return {
        "place": place,
        "id": str(wanted.id),
        "request_id": wanted.attempt.request_id,
        "attempt": wanted.attempt.number,
        **payer_row(wanted.payer),
        "period_start": wanted.period_start.isoformat(),
        "day": wanted.day.isoformat(),
        "process_id": str(process_id),
        "provider": wanted.attempt.provider,
        "model": wanted.attempt.model,
        "nanousd": wanted.nanousd,
        "tokens": wanted.tokens,
    }


def payer_row(payer: Payer) -> dict[str, str]:
    """Build the fields that name who is charged."""
    both = {"developer_id": str(payer.developer_id), "team_id": str(payer.team_id)}
    return both if payer.key_id is None else both | {"key_id": str(payer.key_id)}


def refusal(wanted: Hold, no: dict[str, Any], *, resets_at: datetime) -> BudgetExceeded:
    """Build the error for a hold that `budget_hold` refused: it says whose limit it is, where that is the key's own."""
    when = f"{resets_at:%Y-%m-%d %H:%M} UTC"
    if no["nanousd"] is not None and no["nanousd"] < wanted.nanousd:
        left, cost = max(0, no["nanousd"]), f"this call may cost up to ${to_usd(wanted.nanousd):.6f}"
        if (key := no.get("key")) is not None:
            limit, spent, held = (f"${to_usd(key[name]):.6f}" for name in ("limit", "spent", "held"))
            so_far = f"of {limit} a month {spent} is spent and {held} reserved for running calls"
            advice = f"It renews at {when}. An admin can raise it (`cairn keys limit`), or make another key."
            message = f"This key's own limit is reached: {so_far}, and {cost}. {advice}"
        else:
            message = f"The budget has ${to_usd(left):.6f} left, and {cost}. The period resets at {when}."
        return BudgetExceeded(message, unit="nanousd", left=left, asked=wanted.nanousd, resets_at=resets_at)
    left = max(0, no["tokens"])
    message = f"The month has {left:,} tokens left, and this call may take up to {wanted.tokens:,}. The period resets at {when}."
    return BudgetExceeded(message, unit="tokens", left=left, asked=wanted.tokens, resets_at=resets_at)


def end_row(hold_id: UUID, **fields: Any) -> dict[str, Any]:
    """Build a row for `budget_settle`, without the fields that are None."""
    return {"id": str(hold_id), **{name: value for name, value in fields.items() if value is not None}}


def remaining(balance: dict[str, Any]) -> int | None:
    """Return what is left of a balance that `budget_settle` returned, in nano-dollars; None: no limit."""
    if balance["limit_nanousd"] is None:
        return None
    left: int = balance["limit_nanousd"] + balance["added_nanousd"] - balance["spent_nanousd"] - balance["held_nanousd"]
    return left
