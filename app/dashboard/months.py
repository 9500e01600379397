"""The month that a page of budgets is about: this one, or an earlier one that has data, as the address says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from fastapi import Request

from app.budget.views import BudgetPeriod
from app.services import Services

MAX_CHARS = 20


@dataclass(frozen=True, slots=True)
class ChosenMonth:
    """A month. `first`, `last`: its days; `months`: all that can be chosen, the newest first, as (name in an address, words)."""

    period: BudgetPeriod
    first: date
    last: date
    past: bool
    months: Sequence[tuple[str, str]]
    problem: str

    @property
    def name(self) -> str:
        return f"{self.first:%Y-%m}"

    @property
    def words(self) -> str:
        return _words(self.first)


async def chosen_month(services: Services, request: Request, subject_id: UUID) -> ChosenMonth:
    """Read the month of an address for a developer or a team. One without data is this month, with a word about it."""
    spending, wanted = services.budget.spending, request.query_params.get("month", "")[:MAX_CHARS]
    current = spending.month()
    periods = sorted(await spending.read_months(subject_id), key=lambda each: each.start)
    firsts = {f"{spending.days_of(each)[0]:%Y-%m}": each for each in (*periods, current)}  # this month as it is now, if opened twice
    firsts = {name: firsts[name] for name in sorted(firsts, reverse=True) if name <= f"{spending.days_of(current)[0]:%Y-%m}"}
    period = firsts.get(wanted, current)
    problem = "" if not wanted or wanted in firsts else "There is no data for that month, or the month is not valid: write it as 2026-11."
    days = spending.days_of(period)
    months = [(name, _words(spending.days_of(each)[0])) for name, each in firsts.items()]
    return ChosenMonth(period, days[0], days[-1], period.start != current.start, months, problem)


def _words(first: date) -> str:
    return f"{first:%B %Y}"
