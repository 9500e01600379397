"""Limits of single keys: set, changed, shown. A key that has one has a balance a month beside its developer's, which holds lock too.

What the key has spent in the month already is counted, to the nano-dollar: a balance is opened while nobody holds or settles.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.budget.holds import KeyMonth
from app.budget.periods import BudgetPeriod, Calendar
from app.budget.tables import BalanceRow, HoldRow, MovementRow, StandingLimitRow
from app.errors import InvalidInput, NotPermitted
from app.money import to_usd
from app.storage.database import Database

MAX_AMOUNT: Final = 2**62
"""The largest amount: a sum of two still fits a bigint."""
LOCK: Final = 0xCA1C_0005
"""Advisory lock: shared by whatever writes holds or movements (`budget_hold`, `budget_settle`, corrections), exclusive while a key's
balance is opened. Taken before any other lock."""


@dataclass(frozen=True, slots=True)
class KeyCount:
    """The sums of a key's movements of a month, up to one id."""

    period: BudgetPeriod
    upto: int
    nanousd: int
    tokens: int


class KeyLimits:
    """Sets limits of keys, and opens their months."""

    def __init__(self, database: Database, calendar: Calendar) -> None:
        self._database = database
        self._calendar = calendar

    async def stand(self, connection: AsyncConnection, key_id: UUID, nanousd: int) -> None:
        """Set the limit of a key that is made in this transaction: its months are opened by its calls."""
        check_amount(nanousd, "monthly_limit_usd")
        await _stand(connection, key_id, nanousd)

    async def count(self, key_id: UUID) -> KeyCount | None:
        """Count what a key has spent this month, before `set`: it may take long, and nobody waits for it. None: it is counted already."""
        return await self._count(key_id, self._calendar.month_of(clock.now()))

    async def set(
        self, connection: AsyncConnection, key_id: UUID, nanousd: int | None, *, counted: KeyCount | None, only_lower: bool
    ) -> None:
        """Set a key's limit from now on, this month included, with what it has spent in it. None: no limit.

        The last thing in the caller's transaction: until that ends nobody holds or settles. `counted`: by `count`. `only_lower`:
        NotPermitted for a higher one than stands, or none. A limit below what is spent is kept: no more is granted.
        """
        check_amount(nanousd, "monthly_limit_usd")
        await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        standing = await connection.scalar(_standing(key_id))
        if only_lower and standing is not None and (nanousd is None or nanousd > standing):
            raise NotPermitted(
                f"The limit of this key is ${to_usd(standing):.2f} a month, and only an admin raises or removes it: name a lower one."
            )
        await _stand(connection, key_id, nanousd)
        if counted is not None and nanousd is not None:
            await self._open(connection, key_id, counted, limit=nanousd)
        from_now_on = (BalanceRow.subject_id == key_id, BalanceRow.period_start >= self._calendar.month_of(clock.now()).start)
        await connection.execute(update(BalanceRow).where(*from_now_on).values(limit_nanousd=nanousd))

    async def open_period(self, key_id: UUID, moment: datetime) -> None:
        """Create a key's balance of a month, where the key has a limit and the balance is missing."""
        async with self._database.begin() as connection:
            if await connection.scalar(_standing(key_id)) is None:
                return
        period = self._calendar.month_of(moment)
        if (counted := await self._count(key_id, period)) is None:
            return
        async with self._database.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
            if (limit := await connection.scalar(_standing(key_id))) is not None:
                await self._open(connection, key_id, counted, limit=limit)

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

    async def _count(self, key_id: UUID, period: BudgetPeriod) -> KeyCount | None:
        """Sum a key's movements of a month so far, which takes long in a large ledger; None where its balance is open already.

        The last id is read while nobody writes movements: those up to it never change, and what comes later has higher ones.
        """
        async with self._database.begin() as connection:
            if await connection.scalar(select(BalanceRow.subject).where(_of(key_id, period))) is not None:
                return None
            await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
            upto = int(await connection.scalar(select(func.coalesce(func.max(MovementRow.id), 0))) or 0)
        async with self._database.begin() as connection:
            nanousd, tokens = (await connection.execute(_moved(key_id, period).where(MovementRow.id <= upto))).one()
        return KeyCount(period, upto, int(nanousd), int(tokens))

    async def _open(self, connection: AsyncConnection, key_id: UUID, counted: KeyCount, *, limit: int) -> None:
        """Create the balance, while nobody holds or settles: what moved since it was counted, and what is held now, is added."""
        period = counted.period
        nanousd, tokens = (await connection.execute(_moved(key_id, period).where(MovementRow.id > counted.upto))).one()
        held_nanousd, held_tokens = (await connection.execute(_held(key_id, period))).one()
        row = upsert(BalanceRow).values(
            subject_id=key_id,
            subject="key",
            period_start=period.start,
            period_end=period.end,
            limit_nanousd=limit,
            spent_nanousd=counted.nanousd + int(nanousd),
            spent_tokens=counted.tokens + int(tokens),
            held_nanousd=int(held_nanousd),
            held_tokens=int(held_tokens),
        )
        await connection.execute(row.on_conflict_do_nothing())


def check_amount(amount: int | None, param: str) -> None:
    """Raise InvalidInput for an amount that the ledger can't hold."""
    if amount is not None and not 0 <= amount <= MAX_AMOUNT:
        highest = f"{MAX_AMOUNT:,}" if param.endswith("tokens") else f"{to_usd(MAX_AMOUNT):,.0f}"
        raise InvalidInput(f"{param} is out of range: name an amount from 0 to {highest}.", param=param)


async def _stand(connection: AsyncConnection, key_id: UUID, amount: int | None) -> None:
    row = upsert(StandingLimitRow).values(subject_id=key_id, unit="nanousd", amount=amount)
    changed = {"amount": amount, "updated_at": func.now()}
    await connection.execute(row.on_conflict_do_update(index_elements=["subject_id", "unit"], set_=changed))


def _standing(key_id: UUID) -> Select[int | None]:
    return select(StandingLimitRow.amount).where(StandingLimitRow.subject_id == key_id, StandingLimitRow.unit == "nanousd")


def _of(key_id: UUID, period: BudgetPeriod) -> ColumnElement[bool]:
    return and_(BalanceRow.subject_id == key_id, BalanceRow.period_start == period.start)


def _moved(key_id: UUID, period: BudgetPeriod) -> Select[*tuple[int, int]]:
    """Sum a key's movements of a month: of its holds, since only these name the key."""
    sums = select(func.coalesce(func.sum(MovementRow.nanousd), 0), func.coalesce(func.sum(MovementRow.tokens), 0))
    return sums.join(HoldRow, HoldRow.id == MovementRow.hold_id).where(HoldRow.key_id == key_id, MovementRow.period_start == period.start)


def _held(key_id: UUID, period: BudgetPeriod) -> Select[*tuple[int, int]]:
    sums = select(func.coalesce(func.sum(HoldRow.nanousd), 0), func.coalesce(func.sum(HoldRow.tokens), 0))
    return sums.where(HoldRow.state == "held", HoldRow.key_id == key_id, HoldRow.period_start == period.start)
