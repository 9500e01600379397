"""`budget.shrink`: near the limit the same call with fewer output tokens, held at what is then sent. Opt-in; the answer says so."""

from __future__ import annotations

from app.budget.estimate import Estimate, shrunk
from app.budget.holds import Attempt, Hold, Payer
from app.budget.ledger import Ledger
from app.budget.prices import Price
from app.errors import BudgetExceeded

TRIES = 4
"""Others spend meanwhile; and what is refused for dollars may be refused for tokens next."""


async def hold(
    ledger: Ledger, payer: Payer, attempt: Attempt, estimate: Estimate, *, price: Price, least_tokens: int
) -> tuple[Hold, Estimate]:
    """The hold, and what it covers: its `max_tokens` must be sent. BudgetExceeded when not even `least_tokens` are affordable."""
    for _ in range(TRIES - 1):
        try:
            return await ledger.hold(payer, attempt, estimate), estimate
        except BudgetExceeded as refused:
            room = {"affordable_nanousd" if refused.unit == "nanousd" else "affordable_tokens": refused.left}
            smaller = shrunk(estimate, price=price, least_tokens=least_tokens, **room)
            if smaller is None:
                raise
            estimate = smaller
    return await ledger.hold(payer, attempt, estimate), estimate
