"""A developer's monthly limit: read once in a while, and no call fails for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app import clock
from app.accounts.requester import Requester
from app.api.month_limits import MonthLimit, MonthLimits
from app.errors import DatabaseUnavailable

ADA = Requester(uuid4(), "core", uuid4(), "ada", uuid4())
NEXT = datetime(2099, 1, 1, tzinfo=UTC)


class Budgets:
    """Counts how often a budget is read."""

    def __init__(self, limit: int | None = 80, *, ends: datetime = NEXT, error: Exception | None = None) -> None:
        self.reads = 0
        self._month = SimpleNamespace(limit=limit, added=20, period=SimpleNamespace(end=ends))
        self._error = error

    async def get_own(self, requester: Requester) -> Any:
        self.reads += 1
        if self._error is not None:
            raise self._error
        return SimpleNamespace(budget=self._month)

    @property
    def services(self) -> Any:
        return SimpleNamespace(budget=SimpleNamespace(budgets=self))


async def test_a_limit_with_its_top_ups_is_read_once() -> None:
    limits, budgets = MonthLimits(), Budgets()
    assert [await limits.of(ADA, budgets.services) for _ in range(3)] == [MonthLimit(100, NEXT)] * 3
    assert budgets.reads == 1


async def test_no_limit_is_told_as_none() -> None:
    assert await MonthLimits().of(ADA, Budgets(None).services) == MonthLimit(None, NEXT)


async def test_a_limit_of_a_month_that_is_over_is_read_again() -> None:
    limits, budgets = MonthLimits(), Budgets(ends=clock.now() - timedelta(seconds=1))
    await limits.of(ADA, budgets.services)
    await limits.of(ADA, budgets.services)
    assert budgets.reads == 2


@pytest.mark.parametrize("error", [DatabaseUnavailable("Away."), TimeoutError()])
async def test_a_limit_that_can_not_be_read_now_is_unknown(error: Exception) -> None:
    limits, away = MonthLimits(), Budgets(error=error)
    assert await limits.of(ADA, away.services) is None
    assert await limits.of(ADA, Budgets().services) == MonthLimit(100, NEXT)
