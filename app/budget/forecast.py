"""Forecasts the spending at a month's end, with a range. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.budget.balances import forecast
from app.budget.periods import BudgetPeriod

EIGHTY_PERCENT = 1.2816
"""Standard deviations either side of the middle that hold 80 % of a normal distribution."""
MIN_DAYS = 3
"""Of fewer whole days nothing is said about how much days differ."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Spent at the month's end, in nano-dollars: the middle, and what four months of five lie within. None: too early to say."""

    middle: int
    low: int | None = None
    high: int | None = None


def outlook(spent: int, past: Sequence[int], period: BudgetPeriod, now: datetime) -> Outlook:
    """`past`: what each whole day so far cost, days without a call as 0; today, which isn't over, is not among them.

    The middle is `books.forecast`'s, so that every place shows one figure. The range: the days to come differ from the mean as
    the past ones did (s·√n), and that mean is itself only known from k days (s·n/√k).
    """
    middle = forecast(spent, period, now)
    if len(past) < MIN_DAYS or now >= period.end:
        return Outlook(middle)
    left = (period.end - now).total_seconds() / 86_400
    mean = sum(past) / len(past)
    deviation = math.sqrt(sum((day - mean) ** 2 for day in past) / (len(past) - 1))
    reach = round(EIGHTY_PERCENT * deviation * math.sqrt(left + left**2 / len(past)))
    return Outlook(middle, max(spent, middle - reach), middle + reach)
