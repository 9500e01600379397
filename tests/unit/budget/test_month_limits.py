"""A developer's monthly limit: read once in a while, and no call fails for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app import clock
from app.accounts.requester import Requester
from app.budget.month_limits import MonthLimits
from app.budget.views import MonthLimit
from app.errors import DatabaseUnavailable

ADA = Requester(uuid4(), "core", uuid4(), "ada", uuid4())
NEXT = datetime(2099, 1, 1, tzinfo=UTC)


class Budgets:
    """Counts how often a budget is read."""

    def __init__(self, limit: int | None = 80, *, ends: datetime = NEXT, error: Exception | None = None) -> None:
        self.reads = 0
        self._month = SimpleNamespace(limit=limit, added=20, period=SimpleNamespace(end=ends))
        self.error = error

    async def get_own(self, requester: Requester) -> Any:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return SimpleNamespace(budget=self._month)


def limits_of(budgets: Any) -> MonthLimits:
    return MonthLimits(budgets)


async def test_a_limit_with_its_top_ups_is_read_once() -> None:
    budgets = Budgets()
    limits = limits_of(budgets)
    assert [await limits.read(ADA) for _ in range(3)] == [MonthLimit(100, NEXT)] * 3
    assert budgets.reads == 1


async def test_no_limit_is_told_as_none() -> None:
    assert await limits_of(Budgets(None)).read(ADA) == MonthLimit(None, NEXT)


async def test_a_limit_of_a_month_that_is_over_is_read_again() -> None:
    budgets = Budgets(ends=clock.now() - timedelta(seconds=1))
    limits = limits_of(budgets)
    await limits.read(ADA)
    await limits.read(ADA)
    assert budgets.reads == 2


@pytest.mark.parametrize("error", [DatabaseUnavailable("Away."), TimeoutError()])
async def test_a_limit_that_can_not_be_read_now_is_unknown_and_read_the_next_time(error: Exception) -> None:
    budgets = Budgets(error=error)
    limits = limits_of(budgets)
    assert await limits.read(ADA) is None
    budgets.error = None
    assert await limits.read(ADA) == MonthLimit(100, NEXT)
