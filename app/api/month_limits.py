"""Remembers developers' monthly limits for a moment, so that telling a call's share of its budget costs no query of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import cachebox
from fastapi import Request

from app import clock
from app.accounts.requester import Requester
from app.errors import CairnError
from app.services import Services

MAX_DEVELOPERS: Final = 10_000
CACHED_SECONDS: Final = 30
"""A changed limit or a top-up shows in the headers that much later; what is granted never depends on it."""
READ_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class MonthLimit:
    """A month's limit with its top-ups, in nano-dollars; None: no limit."""

    nanousd: int | None
    resets_at: datetime


class MonthLimits:
    def __init__(self) -> None:
        self._known: cachebox.TTLCache[UUID, MonthLimit] = cachebox.TTLCache(MAX_DEVELOPERS, CACHED_SECONDS)

    async def of(self, payer: Requester, services: Services) -> MonthLimit | None:
        """Return the payer's limit; None if it can't be read now: the call is paid for, and its answer must not be lost for it."""
        assert payer.developer_id is not None
        known = self._known.get(payer.developer_id)
        if known is not None and known.resets_at > clock.now():
            return known
        try:
            async with asyncio.timeout(READ_SECONDS):
                month = (await services.budget.budgets.get_own(payer)).budget
        except (CairnError, TimeoutError):
            return None
        found = MonthLimit(None if month.limit is None else month.limit + month.added, month.period.end)
        self._known[payer.developer_id] = found
        return found


def month_limits_of(request: Request) -> MonthLimits:
    limits = request.scope["app"].state.month_limits
    assert isinstance(limits, MonthLimits)
    return limits
