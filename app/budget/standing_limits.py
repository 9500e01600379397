"""Standing limits, and the months that are opened with them: a balance begins with the limits that stand when it is opened.

One change at a time: whoever sets a subject's limits or opens a month of it locks them first. Else a month could be opened, at its turn,
with a limit that was lowered meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.budget.holds import Subject, Unit
from app.budget.periods import BudgetPeriod
from app.budget.tables import BalanceRow, StandingLimitRow
from app.errors import InvalidInput
from app.money import to_usd

MAX_AMOUNT: Final = 2**62
"""The largest amount: a sum of two still fits a bigint."""


def check_amount(amount: int | None, param: str) -> None:
    """Raise InvalidInput for an amount that the ledger can't hold."""
    if amount is not None and not 0 <= amount <= MAX_AMOUNT:
        highest = f"{MAX_AMOUNT:,}" if param.endswith("tokens") else f"{to_usd(MAX_AMOUNT):,.0f}"
        raise InvalidInput(f"{param} is out of range: name an amount from 0 to {highest}.", param=param)


async def lock_limits(connection: AsyncConnection, subject_id: UUID) -> None:
    """Lock a subject's limits until the transaction ends."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"limits {subject_id}", 0))))


async def set_standing(connection: AsyncConnection, subject_id: UUID, unit: Unit, amount: int | None) -> None:
    """Set a standing limit. None: no limit."""
    row = upsert(StandingLimitRow).values(subject_id=subject_id, unit=unit, amount=amount)
    changed = {"amount": amount, "updated_at": func.now()}
    await connection.execute(row.on_conflict_do_update(index_elements=["subject_id", "unit"], set_=changed))


async def read_standing(connection: AsyncConnection, subject_id: UUID) -> dict[Unit, int | None]:
    """Read the limits of a subject that were set."""
    query = select(StandingLimitRow.unit, StandingLimitRow.amount).where(StandingLimitRow.subject_id == subject_id)
    return {row.unit: row.amount for row in await connection.execute(query)}


async def open_balance(
    connection: AsyncConnection, subject: Subject, subject_id: UUID, period: BudgetPeriod, amounts: Mapping[str, int | None]
) -> None:
    """Create a subject's balance of a month, unless it is there. `amounts`: its limits and sums, by column."""
    of_month = {"subject_id": subject_id, "subject": subject, "period_start": period.start, "period_end": period.end}
    await connection.execute(upsert(BalanceRow).values(of_month | dict(amounts)).on_conflict_do_nothing())


def balance_of(subject_id: UUID, period: BudgetPeriod) -> ColumnElement[bool]:
    """Match a subject's balance of a month."""
    return and_(BalanceRow.subject_id == subject_id, BalanceRow.period_start == period.start)


def balances_from(subject_id: UUID, period: BudgetPeriod) -> ColumnElement[bool]:
    """Match a subject's balances of a month and those after it: a server whose clock is ahead may have opened the next."""
    return and_(BalanceRow.subject_id == subject_id, BalanceRow.period_start >= period.start)
