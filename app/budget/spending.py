"""Breaks a month's spending down by day, provider, model and purpose; cache savings; the last calls. Reads only.

Each figure is summed from the ledger's own rows, so the parts of a page add up to its total to the nano-dollar.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.budget.alerting import AlertReader, SentAlert
from app.budget.forecast import forecast
from app.budget.periods import BudgetPeriod, Calendar
from app.budget.reporting import CLOSED_PROJECT, read_attempts
from app.budget.requests import RequestOutcome
from app.budget.tables import BalanceRow, DayRow, HoldRow, MovementRow, RequestRow
from app.budget.views import AttemptView, Budget, CacheSavings, Forecast, LimitChange, RequestSpending, SpendingSlice
from app.storage.database import Database
from app.storage.tables import AnyRow

MAX_ENDS = 400
"""Newest movements of a developer that are searched for the marks of the last calls."""


class Spending:
    """Reads the spending that pages show."""

    def __init__(self, database: Database, calendar: Calendar, read_alerts: AlertReader) -> None:
        self._database = database
        self._calendar = calendar
        self._read_alerts = read_alerts

    def month(self) -> BudgetPeriod:
        """Return the current month."""
        return self._calendar.month_of(clock.now())

    async def read_months(self, subject_id: UUID) -> list[BudgetPeriod]:
        """Read the months in which a developer or a team had a budget."""
        query = select(BalanceRow.period_start, BalanceRow.period_end).where(BalanceRow.subject_id == subject_id)
        async with self._database.begin() as connection:
            return [self._calendar.stored(*row) for row in await connection.execute(query)]

    async def read_refusals(self, team_id: UUID, period: BudgetPeriod, *, developer_id: UUID | None = None) -> dict[UUID, int]:
        """Count the calls of a month that were refused over the budget, by developer: of one, or of the whole team."""
        mine = RequestRow.team_id == team_id if developer_id is None else RequestRow.developer_id == developer_id
        within = (mine, RequestRow.at >= period.start, RequestRow.at < period.end, RequestRow.status == int(RequestOutcome.OVER_BUDGET))
        query = select(RequestRow.developer_id, func.count()).where(*within).group_by(RequestRow.developer_id)
        async with self._database.begin() as connection:
            return {row[0]: int(row[1]) for row in await connection.execute(query)}

    def days_of(self, period: BudgetPeriod) -> list[date]:
        """Return the days of a month, in order."""
        return self._calendar.days_of(period)

    def today(self) -> date:
        """Return the current day of the calendar's time zone."""
        return self._calendar.day_of(clock.now())

    def forecast(self, budget: Budget, by_day: Mapping[date, int]) -> Forecast:
        """Forecast a budget's spending this month, given its nano-dollars by day; a day that is absent cost nothing."""
        first, today = self._calendar.day_of(budget.began), self.today()
        past = [by_day.get(day, 0) for day in self.days_of(budget.period) if first <= day < today]
        return forecast(budget.spent, past, budget.period, clock.now(), budget.began)

    async def read_slices(self, developer_id: UUID, period: BudgetPeriod) -> list[SpendingSlice]:
        """Read a developer's spending of a month in parts, which add up to all of it."""
        async with self._database.begin() as connection:
            return [SpendingSlice(*row) for row in await connection.execute(_slices(developer_id, period))]

    async def read_days(self, subjects: Sequence[UUID], period: BudgetPeriod) -> dict[UUID, dict[date, int]]:
        """Read nano-dollars by subject and day; days without a call are absent."""
        days = self.days_of(period)
        lists = (func.array_agg(DayRow.day), func.array_agg(DayRow.nanousd))  # a row a subject: ten times as fast to read as a row a day
        query = select(DayRow.subject_id, *lists).where(DayRow.subject_id.in_(subjects), DayRow.day.between(days[0], days[-1]))
        async with self._database.begin() as connection:
            rows = (await connection.execute(query.group_by(DayRow.subject_id))).all()
        return {subject_id: dict(zip(its_days, amounts, strict=True)) for subject_id, its_days, amounts in rows}

    async def read_savings(self, developer_id: UUID, period: BudgetPeriod) -> list[CacheSavings]:
        """Read the savings of each cache tier for a developer this month, the largest first."""
        amount = func.sum(RequestRow.saved_nanousd)
        mine = and_(
            RequestRow.developer_id == developer_id,
            RequestRow.at >= period.start,
            RequestRow.at < period.end,
            RequestRow.cache != "miss",
        )
        query = select(RequestRow.cache, func.count(), amount).where(mine).group_by(RequestRow.cache).order_by(amount.desc())
        async with self._database.begin() as connection:
            return [CacheSavings(row[0], int(row[1]), int(row[2])) for row in await connection.execute(query)]

    async def read_requests(self, developer_id: UUID, *, closed: Collection[str], limit: int) -> list[RequestSpending]:
        """Read a developer's last requests, the newest first, each with its attempts. `closed`: projects that who asks may not see."""
        names = [each.name for each in fields(RequestSpending) if each.name not in {"attempts", "mark"}]
        query = select(*(getattr(RequestRow, name) for name in names)).where(RequestRow.developer_id == developer_id)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query.order_by(RequestRow.at.desc()).limit(limit))).all()
            wanted = [row.request_id for row in rows]
            attempts = await read_attempts(connection, wanted)
            marks = await _marks(connection, developer_id, wanted)
        calls = [_call(row, attempts[row.request_id], marks.get(row.request_id)) for row in rows]
        return [replace(each, project=CLOSED_PROJECT) if each.project in closed else each for each in calls]

    async def read_limit_changes(
        self, team_id: UUID, *, developer_id: UUID | None = None, until: datetime | None = None, limit: int
    ) -> list[LimitChange]:
        """Read changes of limits with their authors, the newest first; of one developer, or of the whole team; `until` before a moment."""
        query = select(*(getattr(MovementRow, each.name) for each in fields(LimitChange)))
        query = query.where(MovementRow.team_id == team_id, MovementRow.kind.in_(("limit", "top_up")))
        if developer_id is not None:
            query = query.where(MovementRow.developer_id == developer_id)
        if until is not None:
            query = query.where(MovementRow.at < until)
        async with self._database.begin() as connection:
            return [LimitChange(*row) for row in await connection.execute(query.order_by(MovementRow.id.desc()).limit(limit))]

    async def read_alerts(self, subjects: Sequence[UUID], period: BudgetPeriod) -> list[SentAlert]:
        """Read the alerts that were sent about these subjects in a month, the newest first."""
        async with self._database.begin() as connection:
            return list(reversed(await self._read_alerts(connection, subjects, period.start)))

    async def read_version(self, subject_id: UUID, *, team: bool) -> str:
        """Read a value that changes whenever a page about this subject may have changed: two look-ups by index, for live pages."""
        latest: Select[Any] = (
            select(MovementRow.id).where(MovementRow.team_id == subject_id).order_by(MovementRow.id.desc()).limit(1)
            if team
            else select(RequestRow.at).where(RequestRow.developer_id == subject_id).order_by(RequestRow.at.desc()).limit(1)
        )
        balance = select(BalanceRow.__table__).where(BalanceRow.subject_id == subject_id, BalanceRow.period_start == self.month().start)
        async with self._database.begin() as connection:
            row = (await connection.execute(balance)).one_or_none()
            return f"{None if row is None else tuple(row)} {await connection.scalar(latest)}"


def _slices(developer_id: UUID, period: BudgetPeriod) -> Select[*tuple[Any, ...]]:
    """Select the slices. The day is the hold's, as in `budget_days`: a call that began before midnight belongs to its day and its month."""
    cut = (HoldRow.day, MovementRow.provider, MovementRow.model, RequestRow.purpose)

    def summed(column: Any) -> Any:
        return func.coalesce(func.sum(column), 0).cast(MovementRow.nanousd.type)

    return (
        select(
            *cut,
            func.count().filter(MovementRow.kind == "settle"),
            summed(MovementRow.nanousd),
            summed(MovementRow.input_tokens),
            summed(MovementRow.output_tokens),
            summed(MovementRow.cached_input_tokens),
        )
        .join(HoldRow, HoldRow.id == MovementRow.hold_id)
        .outerjoin(RequestRow, RequestRow.request_id == MovementRow.request_id)
        .where(MovementRow.period_start == period.start, MovementRow.developer_id == developer_id)
        .group_by(*cut)
        .order_by(*cut)
    )


def _call(row: AnyRow, attempts: Sequence[AttemptView], mark: str | None) -> RequestSpending:
    return RequestSpending(**row._mapping, attempts=tuple(attempts), mark=mark)  # noqa: SLF001 - SQLAlchemy's name for "as a mapping"


async def _marks(connection: AsyncConnection, developer_id: UUID, requests: Sequence[str]) -> dict[str, str | None]:
    newest = select(MovementRow.request_id, MovementRow.mark).where(MovementRow.developer_id == developer_id)
    rows = await connection.execute(newest.order_by(MovementRow.id.desc()).limit(MAX_ENDS))
    wanted = set(requests)
    found: dict[str, str | None] = {}
    for row in rows:
        if row.request_id in wanted:
            found.setdefault(row.request_id, row.mark)
    return found
