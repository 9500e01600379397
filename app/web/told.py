"""What a request's one log line tells beside its route: whose it was, and of a call of a model who answered, for how much."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from app.inference.request import Receipt
from app.money import to_usd

KEY = "cairn.told"


def who(scope: Scope, developer: str | None, team: str) -> None:
    """The admin is told as such, with the team it acts for."""
    facts = scope.setdefault(KEY, {})
    facts["developer"] = developer or "admin"
    if developer is None:
        facts["team"] = team


def paid(scope: Scope, receipt: Receipt) -> None:
    scope["cairn.receipt"] = receipt


def line(scope: Scope) -> dict[str, Any]:
    """All that is known at the end."""
    found: dict[str, Any] = scope.setdefault(KEY, {})
    receipt: Receipt | None = scope.get("cairn.receipt")
    if receipt is not None:
        found |= {
            "provider": receipt.provider,
            "model": receipt.model,
            "attempts": receipt.attempts,
            "cost_usd": to_usd(receipt.nanousd),
            "cache": receipt.cache,
        }
    return found
