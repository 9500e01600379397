"""Forecasts the spending at a month's end, with a range. Pure.

The pace counts from the first call, where that is later than the month's start. Before MIN_DAYS have passed nothing is foretold: of a
developer's first day, the middle would be off by a factor of two, one time in two (`tests/performance/measure_forecast.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from app.budget.periods import BudgetPeriod
from app.budget.views import Forecast

EIGHTY_PERCENT = 1.2816
"""Standard deviations either side of the middle that hold 80 % of a normal distribution."""
MIN_DAYS = 3
"""Days since the first call below which it is too early to tell: too few to know a day's mean, and how much days differ."""


def too_early(began: datetime, now: datetime) -> bool:
    """Tell whether fewer than MIN_DAYS have passed since the pace began to count."""
    return now - began < timedelta(days=MIN_DAYS)


def extrapolate(spent: int, period: BudgetPeriod, now: datetime, began: datetime | None = None) -> int:
    """Extrapolate the spending linearly to the month's end, at the pace since `began`; what is spent, while it is too early to tell.

    `began`: the midnight before the first call, if that was in this month. None: the pace counts from the month's start.
    """
    began = began or period.start
    if too_early(began, now) or now >= period.end:
        return spent
    return round(spent * ((period.end - began) / (now - began)))


def forecast(spent: int, past: Sequence[int], period: BudgetPeriod, now: datetime, began: datetime | None = None) -> Forecast:
    """Forecast the spending at the month's end. `past`: the cost of each whole day since `began`, without today; 0: no call.

    The middle is `extrapolate`'s, so that every place shows one figure. The range: the days to come differ from the mean as the past
    ones did (s·√n), and that mean is itself only known from k days (s·n/√k), as s is (Student's t).
    """
    middle = extrapolate(spent, period, now, began)
    if now >= period.end:
        return Forecast(middle)
    if too_early(began or period.start, now) or len(past) < MIN_DAYS:
        return Forecast(spent, early=True)
    left = (period.end - now).total_seconds() / 86_400
    mean = sum(past) / len(past)
    deviation = math.sqrt(sum((day - mean) ** 2 for day in past) / (len(past) - 1))
    reach = round(students_t(len(past) - 1) * deviation * math.sqrt(left + left**2 / len(past)))
    return Forecast(middle, max(spent, middle - reach), middle + reach)


def students_t(freedom: int) -> float:
    """Return the two-sided 80 % quantile of Student's t distribution, within 3 % from 2 degrees of freedom (Abramowitz, Stegun 26.7.5)."""
    z = EIGHTY_PERCENT
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
