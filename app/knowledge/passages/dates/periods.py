"""Calendar periods: whole days, half-open. Arithmetic only; parses no text and knows no time zone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

Unit = Literal["day", "week", "month", "quarter", "year"]
MONTHS: dict[Unit, int] = {"month": 1, "quarter": 3, "year": 12}
"""Months in a unit; days and weeks aren't whole months."""
HALF_UNIT: dict[Unit, int] = {"day": 0, "week": 3, "month": 15, "quarter": 45, "year": 182}
"""Days of tolerance on either side of "two weeks ago": people don't count exactly."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DayRange:
    """The days from `start` up to, not including, `end`. `recurs`: set where the words left open which year or week was meant."""

    start: date
    end: date
    recurs: Literal["year", "week"] | None = None


def day(at: date, recurs: Literal["year", "week"] | None = None) -> DayRange:
    return DayRange(at, at + _DAY, recurs)


def months_later(at: date, months: int) -> date:
    """Add months (negative: subtract); the 31st becomes the last day of a shorter month."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    return date(year, month + 1, min(at.day, _days_of(year, month + 1)))


def units_before(at: date, unit: Unit, count: int) -> date:
    """Return the day `count` units before `at`."""
    if unit in MONTHS:
        return months_later(at, -count * MONTHS[unit])
    return at - count * (7 if unit == "week" else 1) * _DAY


def calendar_unit(unit: Unit, today: date, offset: int = 0) -> DayRange:
    """Return the day, week (from Monday), month, quarter or year around `today`, moved by `offset` units (-1: the previous one)."""
    if unit not in MONTHS:
        start = units_before(today - (today.weekday() if unit == "week" else 0) * _DAY, unit, -offset)
        return DayRange(start, units_before(start, unit, -1))
    size = MONTHS[unit]
    start = months_later(date(today.year, (today.month - 1) // size * size + 1, 1), offset * size)
    return DayRange(start, months_later(start, size))


def ago(unit: Unit, count: int, today: date) -> DayRange:
    """Return the days meant by "`count` units ago": that day with a tolerance of half a unit (HALF_UNIT)."""
    at, margin = units_before(today, unit, count), HALF_UNIT[unit] * _DAY
    return DayRange(at - margin, at + margin + _DAY)


def rolling(unit: Unit, count: int, today: date) -> DayRange:
    """Return the last `count` units, up to the end of today."""
    return DayRange(units_before(today, unit, count), today + _DAY)


def month(year: int, number: int) -> DayRange:
    start = date(year, number, 1)
    return DayRange(start, months_later(start, 1))


def quarter(year: int, number: int) -> DayRange:
    start = date(year, 3 * number - 2, 1)
    return DayRange(start, months_later(start, 3))


def latest_month(number: int, today: date) -> DayRange:
    """Return the latest month of that number that has begun."""
    return replace(month(today.year - (number > today.month), number), recurs="year")


def latest_quarter(number: int, today: date) -> DayRange:
    return replace(quarter(today.year - (3 * number - 2 > today.month), number), recurs="year")


def latest_date(number: int, day_of_month: int, today: date) -> DayRange | None:
    """Return the latest such day that has begun; None if no year has it (30 February)."""
    if not 1 <= number <= 12:
        return None
    for year in range(today.year, today.year - 9, -1):
        if 1 <= day_of_month <= _days_of(year, number) and (found := date(year, number, day_of_month)) <= today:
            return day(found, "year")
    return None


def latest_weekday(number: int, today: date) -> DayRange:
    """Return the latest such weekday (Monday is 0), today included."""
    return day(today - (today.weekday() - number) % 7 * _DAY, "week")


def dated(year: int, number: int, day_of_month: int | None) -> DayRange | None:
    """Return a day, or the whole month for `day_of_month` None; None if the calendar has no such date."""
    if not 1 <= number <= 12:
        return None
    if day_of_month is None:
        return month(year, number)
    return day(date(year, number, day_of_month)) if 1 <= day_of_month <= _days_of(year, number) else None


def hull(first: DayRange, second: DayRange) -> DayRange:
    """Span both periods, from the start of one to the end of the other; a year or week left open by one is taken from the other.

    "Between March and May 2025" begins in March 2025; "from November to February" begins the November before.
    """
    if first.recurs == "year" and second.recurs is None:
        first = _in_year(first, second.start.year)
    elif second.recurs == "year" and first.recurs is None:
        second = _in_year(second, first.start.year)
        if second.start < first.start:
            second = _in_year(second, first.start.year + 1)
    if first.start > second.start and first.recurs == "year":
        first = _in_year(first, first.start.year - 1)
    elif first.start > second.start and first.recurs == "week":
        first = DayRange(first.start - 7 * _DAY, first.end - 7 * _DAY)
    return DayRange(min(first.start, second.start), max(first.end, second.end))


def _in_year(period: DayRange, year: int) -> DayRange:
    shift = 12 * (year - period.start.year)
    return DayRange(months_later(period.start, shift), months_later(period.end, shift), period.recurs)


def _days_of(year: int, number: int) -> int:
    following = date(year + number // 12, number % 12 + 1, 1)
    return (following - _DAY).day
