"""Caches developers' monthly limits for a moment, so that telling a call's share of its budget costs no query of its own."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

import cachebox

from app import clock
from app.accounts.requester import Requester
from app.budget.budgets import Budgets
from app.budget.views import MonthLimit
from app.errors import CairnError

MAX_DEVELOPERS: Final = 10_000
CACHED_SECONDS: Final = 30
"""A changed limit or a top-up shows that much later; what a hold is granted never depends on it."""
READ_SECONDS: Final = 1.0


class MonthLimits:
    """The limits that were read in the last half minute."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._cached: cachebox.TTLCache[UUID, MonthLimit] = cachebox.TTLCache(MAX_DEVELOPERS, CACHED_SECONDS)

    async def read(self, payer: Requester) -> MonthLimit | None:
        """Return the payer's limit; None if it can't be read now: a call that is paid for must not be lost for it."""
        assert payer.developer_id is not None
        cached = self._cached.get(payer.developer_id)
        if cached is not None and cached.resets_at > clock.now():
            return cached
        try:
            async with asyncio.timeout(READ_SECONDS):
                month = (await self._budgets.get_own(payer)).budget
        except (CairnError, TimeoutError):
            return None
        found = MonthLimit(None if month.limit is None else month.limit + month.added, month.period.end)
        self._cached[payer.developer_id] = found
        return found
