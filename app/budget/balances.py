"""Reads the ledger: the state of a budget, its history, and whether the balances are the sums of the rows. Writes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, func, literal, or_, select, union, union_all

from app import clock
from app.budget.alerting import AlertReader
from app.budget.forecast import extrapolate, too_early
from app.budget.holds import Subject
from app.budget.limits import Account
from app.budget.periods import BudgetPeriod, Calendar
from app.budget.tables import BalanceRow, DayRow, HoldRow, MovementRow
from app.budget.views import ALL_MOVEMENTS, Budget, MovementEntry, MovementFilter
from app.clock import in_utc
from app.storage.database import Database, rows_of

PAGE = 100


@dataclass(frozen=True, slots=True)
class DeveloperSpending:
    """A developer's month so far; the limit includes its top-ups. `ends`: the end of the month."""

    developer_id: UUID
    limit: int | None
    spent: int
    held: int
    ends: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """A balance that differs from the sum of its rows: (stored, recomputed), in nano-dollars and in tokens."""

    subject: Subject
    subject_id: UUID
    period_start: datetime
    spent: tuple[int, int]
    held: tuple[int, int]
    spent_tokens: tuple[int, int]
    held_tokens: tuple[int, int]


class BalanceReader:
    """Reads balances, movements and open holds of the ledger."""

    def __init__(self, database: Database, calendar: Calendar, read_alerts: AlertReader) -> None:
        self._database = database
        self._calendar = calendar
        self._read_alerts = read_alerts

    async def read_budgets(self, accounts: Sequence[Account], period: BudgetPeriod | None = None) -> dict[UUID, Budget | None]:
        """Read the budget of each account in a month, by default this one; None where it wasn't opened (yet)."""
        period = period or self._calendar.month_of(clock.now())
        ids = [account.id for account in accounts]
        balances = _balances(ids, period)
        async with self._database.begin() as connection:
            rows = {row.subject_id: row for row in await connection.execute(balances)}
            alerts: dict[UUID, list[str]] = {}
            for alert in await self._read_alerts(connection, ids, period.start):
                alerts.setdefault(alert.subject_id, []).append(alert.rule)
            unreconciled = {row.subject_id: int(row.nanousd) for row in await connection.execute(_unreconciled(ids, period))}
        found: dict[UUID, Budget | None] = dict.fromkeys(ids)
        now = clock.now()
        for subject_id, row in rows.items():
            began = self._calendar.beginning_of(row.first_day, period)
            found[subject_id] = Budget(
                period=period,
                limit=row.limit_nanousd,
                added=row.added_nanousd,
                spent=row.spent_nanousd,
                held=row.held_nanousd,
                unreconciled=unreconciled.get(subject_id, 0),
                forecast=extrapolate(row.spent_nanousd, period, now, began),
                limit_tokens=row.limit_tokens,
                spent_tokens=row.spent_tokens,
                held_tokens=row.held_tokens,
                alerts=tuple(alerts.get(subject_id, ())),
                began=began,
                too_early_to_tell=too_early(began, now),
            )
        return found

    def empty_budget(self, limit: int | None, period: BudgetPeriod | None = None) -> Budget:
        """Return a budget for a month that isn't open yet, or never was: nothing is spent."""
        now = clock.now()
        period = period or self._calendar.month_of(now)
        early = too_early(period.start, now)
        nothing = dict.fromkeys(("added", "spent", "held", "unreconciled", "forecast", "spent_tokens", "held_tokens"), 0)
        return Budget(period, limit, **nothing, limit_tokens=None, alerts=(), began=period.start, too_early_to_tell=early)

    async def read_spending(self) -> list[DeveloperSpending]:
        """Return the balances of all developers with a request this month, the highest spending first."""
        period = self._calendar.month_of(clock.now())
        mine = (BalanceRow.period_start == period.start, BalanceRow.subject == "developer")
        query = select(BalanceRow.__table__).where(*mine).order_by(BalanceRow.spent_nanousd.desc(), BalanceRow.subject_id)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [
            DeveloperSpending(
                developer_id=row.subject_id,
                limit=None if row.limit_nanousd is None else row.limit_nanousd + row.added_nanousd,
                spent=row.spent_nanousd,
                held=row.held_nanousd,
                ends=row.period_end,
            )
            for row in rows
        ]

    async def read_movements(
        self, account: Account, wanted: MovementFilter = ALL_MOVEMENTS, *, after: int | None = None, limit: int = 50
    ) -> list[MovementEntry]:
        """Read a page of movements, the newest first unless `wanted` says otherwise. `after`: the last id of the page before."""
        mine = MovementRow.developer_id == account.id if account.subject == "developer" else MovementRow.team_id == account.id
        query = select(*_ENTRY).where(mine).limit(limit)
        query = query.order_by(MovementRow.id if wanted.oldest_first else MovementRow.id.desc())
        if after is not None:
            query = query.where(MovementRow.id > after if wanted.oldest_first else MovementRow.id < after)
        if wanted.kind is not None:
            query = query.where(MovementRow.kind == wanted.kind)
        if wanted.since is not None:
            query = query.where(MovementRow.at >= in_utc(wanted.since, "since"))
        if wanted.until is not None:
            query = query.where(MovementRow.at < in_utc(wanted.until, "until"))
        return [MovementEntry(*row) for row in await self._database.read(rows_of(query))]

    async def iterate_movements(self, account: Account) -> AsyncGenerator[MovementEntry]:
        """Read all movements page by page: an export never holds them at once."""
        after: int | None = None
        while page := await self.read_movements(account, after=after, limit=PAGE):
            for entry in page:
                yield entry
            after = page[-1].id

    async def find_unreconciled(self, account: Account, *, among: Sequence[UUID] | None = None, limit: int = 1000) -> list[UUID]:
        """Find holds whose outcome is unknown, the oldest first; `among`: only among these."""
        query = select(HoldRow.id).where(*_unreconciled_of(account, among)).order_by(HoldRow.created_at).limit(limit)
        async with self._database.begin() as connection:
            return list(await connection.scalars(query))

    async def find_below(self, account: Account, nanousd: int, *, among: Sequence[UUID] | None) -> tuple[UUID, int] | None:
        """Find an unreconciled hold that covered less than `nanousd`, and what it covered; `among`: only among these."""
        short = (*_unreconciled_of(account, among), HoldRow.nanousd < nanousd)
        query = select(HoldRow.id, HoldRow.nanousd).where(*short).order_by(HoldRow.nanousd).limit(1)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else (row.id, row.nanousd)

    async def verify(self) -> list[Difference]:
        """Recompute every balance from its movements and open holds. Returns those that differ."""
        async with self._database.begin() as connection:
            rows = (await connection.execute(_recount())).all()
        return [
            Difference(
                subject=row.subject,
                subject_id=row.subject_id,
                period_start=row.period_start,
                spent=(row.spent, int(row.moved)),
                held=(row.held, int(row.reserved)),
                spent_tokens=(row.spent_tokens, int(row.moved_tokens)),
                held_tokens=(row.held_tokens, int(row.reserved_tokens)),
            )
            for row in rows
        ]


def _balances(ids: Sequence[UUID], period: BudgetPeriod) -> Select[*tuple[object, ...]]:
    """Select the month's balances, each with the first day on which its subject ever spent (one look-up by the primary key)."""
    first_day = select(func.min(DayRow.day)).where(DayRow.subject_id == BalanceRow.subject_id).scalar_subquery().label("first_day")
    wanted = (BalanceRow.subject_id.in_(ids), BalanceRow.period_start == period.start)
    return select(*BalanceRow.__table__.c, first_day).where(*wanted)


def _unreconciled_of(account: Account, among: Sequence[UUID] | None) -> list[ColumnElement[bool]]:
    mine = HoldRow.developer_id == account.id if account.subject == "developer" else HoldRow.team_id == account.id
    return [mine, HoldRow.state == "unreconciled", *([] if among is None else [HoldRow.id.in_(among)])]


def _unreconciled(ids: Sequence[UUID], period: BudgetPeriod) -> Select[UUID, int]:
    each = [
        select(column.label("subject_id"), HoldRow.nanousd).where(
            column.in_(ids), HoldRow.state == "unreconciled", HoldRow.period_start == period.start
        )
        for column in (HoldRow.developer_id, HoldRow.team_id)
    ]
    both = union_all(*each).subquery()
    return select(both.c.subject_id, func.sum(both.c.nanousd).label("nanousd")).group_by(both.c.subject_id)


def _recount() -> Select[*tuple[object, ...]]:
    """Select the balances that differ from the sums of their movements and open holds; also sums that have no balance."""
    stored, moved, reserved = select(BalanceRow.__table__).subquery(), _summed(MovementRow), _summed(HoldRow)
    keys = union(*(select(part.c.subject, part.c.subject_id, part.c.period_start) for part in (stored, moved, reserved))).subquery()
    query = select(
        *keys.c,
        *(
            func.coalesce(part.c[name], 0).label(label)
            for part, name, label in (
                (stored, "spent_nanousd", "spent"),
                (moved, "nanousd", "moved"),
                (stored, "held_nanousd", "held"),
                (reserved, "nanousd", "reserved"),
                (stored, "spent_tokens", "spent_tokens"),
                (moved, "tokens", "moved_tokens"),
                (stored, "held_tokens", "held_tokens"),
                (reserved, "tokens", "reserved_tokens"),
            )
        ),
    )
    for part in (stored, moved, reserved):
        query = query.outerjoin(part, and_(part.c.subject_id == keys.c.subject_id, part.c.period_start == keys.c.period_start))
    both = query.subquery().c
    wrong = or_(
        both.spent != both.moved,
        both.held != both.reserved,
        both.spent_tokens != both.moved_tokens,
        both.held_tokens != both.reserved_tokens,
    )
    return select(*both).where(wrong).order_by(both.period_start, both.subject_id)


def _summed(table: type[MovementRow] | type[HoldRow]) -> Subquery:
    each = [_summed_keys(table)]
    for subject, column in (("developer", table.developer_id), ("team", table.team_id)):
        named = select(literal(subject).label("subject"), column.label("subject_id"), table.period_start, table.nanousd, table.tokens)
        query = named.where(column.is_not(None))
        each.append(query.where(HoldRow.state == "held") if table is HoldRow else query)
    both = union_all(*each).subquery()
    of = (both.c.subject, both.c.subject_id, both.c.period_start)
    return select(*of, func.sum(both.c.nanousd).label("nanousd"), func.sum(both.c.tokens).label("tokens")).group_by(*of).subquery()


def _summed_keys(table: type[MovementRow] | type[HoldRow]) -> Select[*tuple[Any, ...]]:
    """Select the rows of keys that are counted: in the months in which they have a balance."""
    amounts = (table.period_start, table.nanousd, table.tokens)
    query = select(literal("key").label("subject"), HoldRow.key_id.label("subject_id"), *amounts).select_from(HoldRow)
    if table is MovementRow:
        query = query.join(MovementRow, MovementRow.hold_id == HoldRow.id)
    else:
        query = query.where(HoldRow.state == "held")
    return query.join(BalanceRow, and_(BalanceRow.subject_id == HoldRow.key_id, BalanceRow.period_start == table.period_start))


_ENTRY = [getattr(MovementRow, each.name) for each in fields(MovementEntry)]
