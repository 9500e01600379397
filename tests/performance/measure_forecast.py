"""Measures how far a month's forecast is off, and how often its range holds what the month really cost, by the day of the first call.

.venv/bin/python tests/performance/measure_forecast.py [--months 4000]

Months are made up: a developer has calls on most weekdays and some weekends, at a cost that differs from day to day (log-normal), as a
seed makes them. For each day that they may have begun, and each number of days since: the median factor between the middle and the month's
real sum, of the pace since the month's start and of the pace since the first call; and the share of months within the range.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from datetime import UTC, datetime, timedelta

from app.budget.forecast import extrapolate, forecast
from app.budget.periods import Calendar

PERIOD = Calendar("UTC").month_of(datetime(2026, 11, 1, tzinfo=UTC))
CENT = 10_000_000
WEEKEND = 0.12


def made_month(chosen: random.Random, began: int) -> list[int]:
    """Return the nano-dollars of each day; the first call is on day `began`."""
    active, spread, weekday = chosen.uniform(0.4, 0.95), chosen.uniform(0.5, 1.2), chosen.randrange(7)
    days = [0] * PERIOD.days
    for day in range(began, PERIOD.days):
        likely = WEEKEND if (day + weekday) % 7 >= 5 else active
        if day == began or chosen.random() < likely:
            days[day] = round(CENT * chosen.lognormvariate(0, spread))
    return days


def measure(chosen: random.Random, began: int, known: int, months: int) -> tuple[float, float, float]:
    """Return the median factor by both paces, and the share of months within the range. `known`: whole days since the first call."""
    now = PERIOD.start + timedelta(days=began + known)
    first = PERIOD.start + timedelta(days=began)
    by_month: list[float] = []
    by_first: list[float] = []
    within = 0
    for _ in range(months):
        days = made_month(chosen, began)
        spent, real = sum(days[: began + known]), sum(days)
        since_start = spent * PERIOD.days / (began + known)
        since_first = spent * (PERIOD.days - began) / known
        by_month.append(abs(math.log(since_start / real)))
        by_first.append(abs(math.log(since_first / real)))
        found = forecast(spent, days[began : began + known], PERIOD, now, first)
        if not found.early:
            assert found.middle == extrapolate(spent, PERIOD, now, first)
        within += found.low is not None and found.high is not None and found.low <= real <= found.high
    return math.exp(statistics.median(by_month)), math.exp(statistics.median(by_first)), within / months


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=4000)
    months = parser.parse_args().months
    print("first call on  days since  off by, from the month's start  off by, from the first call  within the range")
    for began in (0, 10, 20):
        for known in (1, 2, 3, 5, 7, 10, 15):
            if began + known < PERIOD.days:
                by_month, by_first, within = measure(random.Random(known), began, known, months)
                share = f"{within:.0%}" if known >= 3 else "too early to tell"
                print(f"day {began + 1:<10} {known:<11} {by_month:<31.2f} {by_first:<28.2f} {share}")


if __name__ == "__main__":
    main()
