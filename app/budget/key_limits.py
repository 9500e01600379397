"""Limits of single keys: set, changed, shown. A key that has one has a balance a month beside its developer's, which holds lock too.

What a key has spent in the month already is counted, to the nano-dollar, when it gets a limit. From then on no hold of it is granted
without a balance: each later month begins at nothing, and a hold sums nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.budget.holds import UNITS, KeyMonth
from app.budget.periods import BudgetPeriod, Calendar
from app.budget.standing_limits import balances_from, check_amount, lock_limits, open_balance, read_standing, set_standing
from app.budget.tables import BalanceRow, HoldRow, MovementRow, StandingLimitRow
from app.errors import NotPermitted
from app.money import usd_text
from app.storage.database import Database

LOCK: Final = 0xCA1C_0005
"""Advisory lock: shared by whatever writes holds or movements (`budget_hold`, `budget_settle`, corrections), exclusive while a key that
had no limit gets one. Those who share it wait, once they have it, for balances and holds alone."""


@dataclass(frozen=True, slots=True)
class KeyCount:
    """The sums of a key's movements up to one id, in dollars and tokens, by month, from one month on: servers' clocks may be ahead."""

    first: BudgetPeriod
    upto: int = 0
    moved: Mapping[datetime, tuple[int, int]] = field(default_factory=dict)


class KeyLimits:
    """Sets limits of keys, and counts what they have spent before."""

    def __init__(self, database: Database, calendar: Calendar) -> None:
        self._database = database
        self._calendar = calendar

    async def set_initial(self, connection: AsyncConnection, key_id: UUID, nanousd: int) -> None:
        """Set the limit of a key that is made in this transaction: its months are opened by its calls."""
        check_amount(nanousd, "monthly_limit_usd")
        await set_standing(connection, key_id, "nanousd", nanousd)

    async def count(self, key_id: UUID) -> KeyCount | None:
        """Count what a key without a limit has spent this month, before `set`: it may take long, and nobody waits. None: it has a limit.

        The last id is read while nobody writes movements: those up to it never change, and what comes later has higher ones.
        """
        async with self._database.begin() as connection:
            if (await read_standing(connection, key_id)).get("nanousd") is not None:
                return None
            await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
            upto = int(await connection.scalar(select(func.coalesce(func.max(MovementRow.id), 0))) or 0)
        first = self._calendar.month_of(clock.now())
        async with self._database.begin() as connection:
            return KeyCount(first, upto, await _sums(connection, _moved(key_id, first).where(MovementRow.id <= upto)))

    async def set(
        self, connection: AsyncConnection, key_id: UUID, nanousd: int | None, *, counted: KeyCount | None, only_lower: bool
    ) -> None:
        """Set a key's limit from now on, this month included, with what it has spent in it. None: no limit.

        The last thing in the caller's transaction: where the key had no limit, nobody holds or settles until that ends. `counted`: by
        `count`. `only_lower`: NotPermitted for a higher one than stands, or none. A limit below what is spent is kept: no more is granted.
        """
        check_amount(nanousd, "monthly_limit_usd")
        await lock_limits(connection, key_id)
        standing = (await read_standing(connection, key_id)).get("nanousd")
        if only_lower and standing is not None and (nanousd is None or nanousd > standing):
            raise NotPermitted(
                f"The limit of this key is ${usd_text(standing)} a month, and only an admin raises or removes it: name a lower one."
            )
        await set_standing(connection, key_id, "nanousd", nanousd)
        period = self._calendar.month_of(clock.now())
        if standing is None and nanousd is not None:
            # Not counted before: it had a limit then, which was removed meanwhile. All of it is counted now.
            await self._open(connection, key_id, counted or KeyCount(period), limit=nanousd)
        await connection.execute(update(BalanceRow).where(balances_from(key_id, period)).values(limit_nanousd=nanousd))

    async def open_period(self, key_id: UUID, moment: datetime) -> None:
        """Create a key's balance of a month, where the key has a limit and the balance is missing."""
        period = self._calendar.month_of(moment)
        async with self._database.begin() as connection:
            await lock_limits(connection, key_id)
            limit = (await read_standing(connection, key_id)).get("nanousd")
            if limit is None:
                return
            opened = set(await connection.scalars(select(BalanceRow.period_start).where(balances_from(key_id, period))))
            if not opened:
                await open_balance(connection, "key", key_id, period, {"limit_nanousd": limit})
            elif period.start not in opened:
                # A clock that is behind: the key may have spent in that month before it had its limit.
                await self._open(connection, key_id, KeyCount(period), limit=limit)

    async def read(self, key_ids: Collection[UUID], connection: AsyncConnection | None = None) -> dict[UUID, KeyMonth]:
        """Read these keys' limits and this month's sums."""
        period = self._calendar.month_of(clock.now())
        limits = select(StandingLimitRow.subject_id, StandingLimitRow.amount).where(
            StandingLimitRow.subject_id.in_(list(key_ids)), StandingLimitRow.unit == "nanousd"
        )
        balances = select(BalanceRow.subject_id, BalanceRow.spent_nanousd, BalanceRow.held_nanousd).where(
            BalanceRow.subject_id.in_(list(key_ids)), BalanceRow.period_start == period.start
        )
        async with self._database.begin() if connection is None else nullcontext(connection) as reading:
            standing = {row.subject_id: row.amount for row in await reading.execute(limits)}
            sums = {row.subject_id: (row.spent_nanousd, row.held_nanousd) for row in await reading.execute(balances)}
        found = {}
        for key_id in key_ids:
            limit = standing.get(key_id)
            # Without a balance a key with a limit has made no call this month: the first one opens it.
            spent, held = sums.get(key_id, (None, None) if limit is None else (0, 0))
            found[key_id] = KeyMonth(limit, spent, held, period.end)
        return found

    async def _open(self, connection: AsyncConnection, key_id: UUID, counted: KeyCount, *, limit: int) -> None:
        """Create balances while nobody holds or settles: what moved since it was counted, and what is held now, is added."""
        await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        since = await _sums(connection, _moved(key_id, counted.first).where(MovementRow.id > counted.upto))
        held = await _sums(connection, _held(key_id, counted.first))
        for start in {counted.first.start, *counted.moved, *since, *held}:
            spent = [before + after for before, after in zip(_of(counted.moved, start), _of(since, start), strict=True)]
            columns = [f"{state}_{unit}" for state in ("spent", "held") for unit in UNITS]
            sums = dict(zip(columns, [*spent, *_of(held, start)], strict=True))
            period = replace(self._calendar.month_of(start), start=start)
            await open_balance(connection, "key", key_id, period, {"limit_nanousd": limit, **sums})


def _of(sums: Mapping[datetime, tuple[int, int]], start: datetime) -> tuple[int, int]:
    return sums.get(start, (0, 0))


def _moved(key_id: UUID, first: BudgetPeriod) -> Select[*tuple[Any, ...]]:
    """Sum a key's movements by month, from one on: those of its holds, since only these name the key."""
    return _summed(MovementRow, first).join(HoldRow, HoldRow.id == MovementRow.hold_id).where(HoldRow.key_id == key_id)


def _held(key_id: UUID, first: BudgetPeriod) -> Select[*tuple[Any, ...]]:
    return _summed(HoldRow, first).where(HoldRow.state == "held", HoldRow.key_id == key_id)


def _summed(table: type[MovementRow] | type[HoldRow], first: BudgetPeriod) -> Select[*tuple[Any, ...]]:
    sums = [func.sum(getattr(table, unit)).label(unit) for unit in UNITS]
    return select(table.period_start, *sums).where(table.period_start >= first.start).group_by(table.period_start)


async def _sums(connection: AsyncConnection, query: Select[*tuple[Any, ...]]) -> dict[datetime, tuple[int, int]]:
    return {row.period_start: (int(row.nanousd), int(row.tokens)) for row in await connection.execute(query)}
