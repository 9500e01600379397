"""Breaks spending down over any range of days, compared with the range before: by model, project, developer, session and the like.

The ledger's movements are the truth, by the day of their hold, as in the balances and in `budget_days`: corrections, reconciliations and
charges whose outcome is unknown are in every figure. The request log only says what a call was for. The roll-up (`spend_rollup.py`)
and the movements beyond it are read from one snapshot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Date,
    Select,
    Subquery,
    Text,
    case,
    cast,
    func,
    literal,
    null,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.budget.periods import Calendar
from app.budget.reporting import ReportScope, check_days, nearest_days, scope_of
from app.budget.spend_rollup import AMOUNTS, DIMENSIONS, KEY, NAME, movements_after
from app.budget.tables import HoldRow, MovementRow, RequestRow, RollupRow, SpendDayRow, SpendPartRow
from app.budget.views import ReportDays, SpendPart, SpendQuery, SpendReport, SpendTotals
from app.storage.database import Database
from app.storage.tables import AnyRow

MAX_DAYS_BY_DAY: Final = 92
"""Longer ranges are drawn by month."""
WORK_MEMORY: Final = "32MB"
"""Memory to add up without the disk: a year of fifty developers takes 10 MB."""
FILTERS: Final = ("provider", "model", "project", "purpose", "session")
TOGETHER: Final = "spent"
"""The name of the one series of a breakdown by session or by day."""


class SpendReports:
    """Reports spending."""

    def __init__(self, database: Database, accounts: Accounts, calendar: Calendar) -> None:
        self._database = database
        self._accounts = accounts
        self._calendar = calendar

    def days(self, first: date | None, last: date | None) -> ReportDays:
        """Check a range of days, as `check_days` does."""
        return check_days(self._calendar, first, last)

    def nearest_days(self, first: date | None, last: date | None) -> tuple[ReportDays, str]:
        """Return a range of days, or the nearest valid one and what is wrong, as `nearest_days` does."""
        return nearest_days(self._calendar, first, last)

    async def report(self, requester: Requester, query: SpendQuery, *, limit: int = 50) -> SpendReport:
        """Break spending down into at most `limit` parts and the rest. Everybody reads their own; the team's needs `read_team_budget`.

        Days are in order, and the rest are the older ones. NotFound for an unknown team or developer.
        """
        scope = await scope_of(self._accounts, requester, team=query.team, developer=query.developer)
        monthly = query.days.days > MAX_DAYS_BY_DAY and query.by != "day"
        sums = replace(query, by="day") if query.by == "session" else query  # there are too many sessions for a sum of each by day
        rows, sessions = await self._read(query, sums, scope, monthly=monthly, limit=limit)
        totals = _total(row for row in rows if row.bucket is not None)
        before = _total(row for row in rows if row.bucket is None)
        names = await self._names(rows) if query.by == "developer" else {row.key: row.key for row in rows}
        if query.by == "session":
            parts = [SpendPart(row.key, row.key, "", _totals(row), int(row.before)) for row in sessions]
        else:
            parts = _parts(rows, names)
        parts.sort(key=lambda part: part.key or "" if query.by == "day" else (-part.totals.nanousd, -part.before, part.key or ""))
        parts = parts[-limit:] + parts[:-limit] if query.by == "day" else parts  # the latest days are shown, the older ones are the rest
        by_day = _by_day(rows, {} if query.by in {"session", "day"} else names)
        return SpendReport(query, scope.team, _with_rest(parts, limit, totals, before), totals, before, by_day, monthly)

    async def _names(self, rows: Sequence[AnyRow]) -> dict[str, str]:
        found = await self._accounts.names({UUID(row.key) for row in rows})
        return {str(developer_id): name for developer_id, name in found.items()}

    async def _read(
        self, query: SpendQuery, sums: SpendQuery, scope: ReportScope, *, monthly: bool, limit: int
    ) -> tuple[Sequence[AnyRow], Sequence[AnyRow]]:
        """Read the sums, and for a breakdown by session the dearest ones, from one snapshot: how far the roll-up reaches is part of it."""

        async def read(connection: AsyncConnection) -> tuple[Sequence[AnyRow], Sequence[AnyRow]]:
            await connection.execute(text("set transaction isolation level repeatable read"))
            await connection.execute(text(f"set local work_mem = '{WORK_MEMORY}'"))
            upto = (await connection.execute(select(RollupRow.upto).where(RollupRow.name == NAME))).scalar_one_or_none() or 0
            rows = (await connection.execute(_by_part_and_day(sums, _spent(sums, scope, upto).subquery(), monthly=monthly))).all()
            if query.by != "session":
                return rows, ()
            # The roll-up is read twice rather than kept in between: a year of sessions takes a quarter less time so.
            spent = _spent(query, scope, upto).cte().prefix_with("NOT MATERIALIZED")
            return rows, (await connection.execute(_by_session(query, spent, limit=limit))).all()

        return await self._database.read(read)


def _spent(query: SpendQuery, scope: ReportScope, upto: int) -> CompoundSelect[*tuple[Any, ...]]:
    """Select key, provider, day and amounts of the range and of the one before it, as the query asks for them.

    A team's whole spending comes from the roll-up by one dimension, what is filtered or one developer's from that by all of them.
    """
    by = "developer_id" if query.by == "developer" else query.by
    said = {name: func.coalesce(getattr(RequestRow, name), "") for name in ("purpose", "project", "session")}
    plain = {name: getattr(MovementRow, name) for name in ("team_id", "developer_id", "provider", "model")}
    said["project"] = scope.shown_project(said["project"])
    # Read once, also where the whole is read twice (`_by_session`): it is three tables, and long where the roll-up is late.
    beyond = (
        movements_after(upto).where(*_conditions(query, scope, {"day": HoldRow.day, **plain, **said})).cte().prefix_with("MATERIALIZED")
    )
    table: type[SpendDayRow | SpendPartRow] = SpendDayRow
    stored: dict[str, Any] = {name: getattr(SpendDayRow, name) for name in KEY}
    stored["project"] = scope.shown_project(SpendDayRow.project)
    more: list[ColumnElement[bool]] = []
    if scope.developer_id is None and all(getattr(query, name) is None for name in FILTERS):
        table, more = SpendPartRow, [SpendPartRow.dimension == (query.by if query.by in DIMENSIONS else "provider")]
        stored = {name: getattr(SpendPartRow, name) for name in ("team_id", "day", "developer_id", "provider")}
        stored |= {by: SpendPartRow.key} if by in {"model", "purpose", "session"} else {}
        stored |= {by: scope.shown_project(SpendPartRow.key)} if by == "project" else {}
    rolled = select(stored[by].label("key"), table.provider, table.day, *(getattr(table, name) for name in AMOUNTS))
    key = scope.shown_project(beyond.c.project) if by == "project" else beyond.c[by]
    tail = select(key.label("key"), beyond.c.provider, beyond.c.day, *(beyond.c[name] for name in AMOUNTS))
    return union_all(rolled.where(*_conditions(query, scope, stored), *more), tail)


def _conditions(query: SpendQuery, scope: ReportScope, columns: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    found = [columns["team_id"] == scope.team_id, columns["day"].between(query.days.before.first, query.days.last)]
    if scope.developer_id is not None:
        found.append(columns["developer_id"] == scope.developer_id)
    return [*found, *(columns[name] == value for name in FILTERS if (value := getattr(query, name)) is not None)]


def _by_part_and_day(query: SpendQuery, spent: Subquery, *, monthly: bool) -> Select[*tuple[Any, ...]]:
    """Select the sums by part and day, or month; of the range before by part alone, without a day."""
    key: Any = spent.c.key
    if query.by == "day":  # each day beside the one that many days before
        spent = _daily(spent)
        key = case((spent.c.day >= query.days.first, spent.c.day), else_=spent.c.day + query.days.days)
    day = cast(func.date_trunc("month", spent.c.day), Date) if monthly else spent.c.day
    provider = spent.c.provider if query.by == "model" else literal("")
    bucket = case((spent.c.day >= query.days.first, day), else_=null())
    columns = (cast(key, Text).label("key"), provider.label("provider"), bucket.label("bucket"))
    return select(*columns, *_sums(spent)).group_by(text("1"), text("2"), text("3"))


def _daily(spent: Subquery) -> Subquery:
    """Add up by day first: months and days before are then told of a few hundred rows, not of each that is stored."""
    return select(spent.c.day, *_sums(spent)).group_by(spent.c.day).subquery()


def _by_session(query: SpendQuery, spent: CTE, *, limit: int) -> Select[*tuple[Any, ...]]:
    """Select the dearest sessions of the range, with what each cost in the range before: the other sums are made of these alone."""
    cost = func.coalesce(func.sum(spent.c.nanousd).filter(spent.c.day >= query.days.first), 0)
    ranked = select(spent.c.key).group_by(spent.c.key).order_by(cost.desc(), spent.c.key).limit(limit).subquery()
    now = spent.c.day >= query.days.first
    sums = [cast(func.coalesce(func.sum(spent.c[name]).filter(now), 0), BigInteger).label(name) for name in AMOUNTS]
    before = cast(func.coalesce(func.sum(spent.c.nanousd).filter(~now), 0), BigInteger).label("before")
    return select(spent.c.key, *sums, before).join(ranked, ranked.c.key == spent.c.key).group_by(spent.c.key)


def _sums(spent: Subquery) -> list[ColumnElement[int]]:
    return [cast(func.sum(spent.c[name]), BigInteger).label(name) for name in AMOUNTS]


def _total(rows: Iterable[AnyRow]) -> SpendTotals:
    return sum((_totals(row) for row in rows), SpendTotals())


def _totals(row: AnyRow) -> SpendTotals:
    return SpendTotals(*(int(getattr(row, name)) for name in AMOUNTS))


def _parts(rows: Sequence[AnyRow], names: Mapping[str, str]) -> list[SpendPart]:
    sums: dict[tuple[str, str], SpendTotals] = defaultdict(SpendTotals)
    before: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        key = (row.key, row.provider)
        sums[key] += SpendTotals() if row.bucket is None else _totals(row)
        before[key] += int(row.nanousd) if row.bucket is None else 0
    return [
        SpendPart(names.get(key, ""), names.get(key), provider, totals, before[key, provider]) for (key, provider), totals in sums.items()
    ]


def _with_rest(parts: Sequence[SpendPart], limit: int, totals: SpendTotals, before: SpendTotals) -> list[SpendPart]:
    """Return the first parts, and one of all the others where there are any, so that they add up to the whole."""
    shown = list(parts[:limit])
    rest = totals - sum((part.totals for part in shown), SpendTotals())
    earlier = before.nanousd - sum(part.before for part in shown)
    return shown if rest == SpendTotals() and not earlier else [*shown, SpendPart(None, None, "", rest, earlier)]


def _by_day(rows: Sequence[AnyRow], names: Mapping[str, str]) -> dict[str, dict[date, int]]:
    found: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        if row.bucket is not None:
            found[names.get(row.key, TOGETHER) if names else TOGETHER][row.bucket] += int(row.nanousd)
    return found
