"""Forecasts the spending at a month's end, with a range. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from app.budget.periods import BudgetPeriod
from app.budget.views import Forecast

EIGHTY_PERCENT = 1.2816
"""Standard deviations either side of the middle that hold 80 % of a normal distribution."""
MIN_DAYS = 3
"""Whole days below which no range is given: too few to know how much days differ."""
MIN_ELAPSED_SECONDS = 86_400.0
"""The pace is taken over at least a day, so that a month's first hour doesn't foretell hundreds of times its spending."""


def extrapolate(spent: int, period: BudgetPeriod, now: datetime) -> int:
    """Extrapolate the spending linearly to the month's end, at the pace since the month began."""
    whole = (period.end - period.start).total_seconds()
    elapsed = min(max((now - period.start).total_seconds(), MIN_ELAPSED_SECONDS), whole)
    return round(spent * whole / elapsed)


def forecast(spent: int, past: Sequence[int], period: BudgetPeriod, now: datetime) -> Forecast:
    """Forecast the spending at the month's end. `past`: the cost of each whole day so far, 0 for a day without a call; without today.

    The middle is `extrapolate`'s, so that every place shows one figure. The range: the days to come differ from the mean as the past
    ones did (s·√n), and that mean is itself only known from k days (s·n/√k).
    """
    middle = extrapolate(spent, period, now)
    if len(past) < MIN_DAYS or now >= period.end:
        return Forecast(middle)
    left = (period.end - now).total_seconds() / 86_400
    mean = sum(past) / len(past)
    deviation = math.sqrt(sum((day - mean) ** 2 for day in past) / (len(past) - 1))
    reach = round(EIGHTY_PERCENT * deviation * math.sqrt(left + left**2 / len(past)))
    return Forecast(middle, max(spent, middle - reach), middle + reach)
