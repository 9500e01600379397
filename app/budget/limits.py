"""Sets limits: standing ones, those of the current month, top-ups. Every change is a movement with its author."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Executable, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.accounts.accounts import Accounts
from app.budget.holds import UNITS, Payer, Subject, Unit
from app.budget.key_limits import KeyLimits
from app.budget.periods import BudgetPeriod, Calendar
from app.budget.standing_limits import (
    MAX_AMOUNT,
    balance_of,
    balances_from,
    check_amount,
    lock_limits,
    open_balance,
    read_standing,
    set_standing,
)
from app.budget.tables import BalanceRow, MovementRow
from app.budget.views import limits_revision
from app.errors import InvalidInput
from app.idempotency.keys import is_first_effect
from app.money import to_usd
from app.settings import BudgetSettings as Settings
from app.storage.database import Database
from app.storage.revisions import check_revision


@dataclass(frozen=True, slots=True)
class Account:
    """A subject of the ledger, and the team its movements belong to (a team's own, for a team)."""

    subject: Subject
    id: UUID
    team_id: UUID


class BudgetLimits:
    """Sets limits and opens months with the limits that stand."""

    def __init__(self, database: Database, accounts: Accounts, calendar: Calendar, settings: Settings) -> None:
        self.keys = KeyLimits(database, calendar)
        self._database = database
        self._accounts = accounts
        self._calendar = calendar
        self._settings = settings

    async def open_period(self, payer: Payer, moment: datetime) -> None:
        """Create the developer's and the team's balance of a month, with their standing limits; those that exist stay as they are.

        Also that of the payer's key, where it has a limit.
        """
        async with self._database.begin() as connection:
            for account in (Account("developer", payer.developer_id, payer.team_id), Account("team", payer.team_id, payer.team_id)):
                await self._open(connection, account, self._calendar.month_of(moment))
        if payer.key_id is not None:
            await self.keys.open_period(payer.key_id, moment)

    async def open_one(self, account: Account, moment: datetime) -> None:
        """Create the balance of one account, so that its budget can be shown before anything was spent."""
        async with self._database.begin() as connection:
            await self._open(connection, account, self._calendar.month_of(moment))

    async def set(self, account: Account, unit: Unit, amount: int | None, *, actor: str, note: str | None = None) -> None:
        """Set one limit: see `set_all`."""
        await self.set_all(account, {unit: amount}, actor=actor, note=note)

    async def set_all(
        self, account: Account, amounts: Mapping[Unit, int | None], *, actor: str, note: str | None = None, revision: str | None = None
    ) -> None:
        """Set limits from now on, this month included, all or none. None: no limit. One below what is spent is kept: no more is granted.

        ChangedMeanwhile where this month's limits and top-ups are not at `revision` (`Budget.revision`).
        """
        for unit, amount in amounts.items():
            check_amount(amount, "monthly_limit_usd" if unit == "nanousd" else "monthly_limit_tokens")
        period = self._calendar.month_of(clock.now())
        async with self._database.begin() as connection:
            await lock_limits(connection, account.id)
            for unit, amount in amounts.items():
                await self._set_standing(connection, account, unit, amount)
            await self._open(connection, account, period)
            await _check_revision(connection, account, period, revision)
            for unit, amount in amounts.items():
                column = BalanceRow.limit_nanousd if unit == "nanousd" else BalanceRow.limit_tokens
                await connection.execute(update(BalanceRow).where(balances_from(account.id, period)).values({column: amount}))
                await connection.execute(_movement(account, period, "limit", unit, amount, actor, note))

    async def top_up(self, account: Account, nanousd: int, *, actor: str, note: str | None = None) -> None:
        """Add to this month's limit, once, however often a request with an idempotency key is sent. InvalidInput unless it is above 0."""
        if nanousd <= 0:
            raise InvalidInput("amount_usd must be above 0: send the US dollars to add.", param="amount_usd")
        check_amount(nanousd, "amount_usd")
        period = self._calendar.month_of(clock.now())
        async with self._database.begin() as connection:
            if not await is_first_effect(connection):
                return
            await lock_limits(connection, account.id)
            await self._open(connection, account, period)
            raised = update(BalanceRow).where(balance_of(account.id, period), BalanceRow.added_nanousd <= MAX_AMOUNT - nanousd)
            done = await connection.execute(raised.values(added_nanousd=BalanceRow.added_nanousd + nanousd))
            if done.rowcount == 0:
                raise InvalidInput(
                    f"The sum of this month's top-ups would be above ${to_usd(MAX_AMOUNT):,.0f}: send a smaller amount_usd.",
                    param="amount_usd",
                )
            await connection.execute(_movement(account, period, "top_up", "nanousd", nanousd, actor, note))

    async def _set_standing(self, connection: AsyncConnection, account: Account, unit: Unit, amount: int | None) -> None:
        await set_standing(connection, account.id, unit, amount)
        if account.subject == "developer" and unit == "nanousd" and amount is not None:
            await self._accounts.store_monthly_limit(connection, account.id, amount)

    async def _open(self, connection: AsyncConnection, account: Account, period: BudgetPeriod) -> None:
        """Create a balance with the standing limits, where it is missing."""
        if await connection.scalar(select(BalanceRow.subject).where(balance_of(account.id, period))) is None:
            await lock_limits(connection, account.id)
            standing = await self._standing_limits(connection, account, period)
            limits = {f"limit_{unit}": standing[unit] for unit in UNITS}
            await open_balance(connection, account.subject, account.id, period, limits)

    async def _standing_limits(self, connection: AsyncConnection, account: Account, period: BudgetPeriod) -> Mapping[Unit, int | None]:
        """Read the standing limits: those that were set; else a developer's default, or a team's tokens a day times the month's days."""
        found: dict[Unit, int | None] = {"nanousd": None, "tokens": None}
        if account.subject == "developer":
            found["nanousd"] = await self._accounts.read_monthly_limit(connection, account.id)
        elif self._settings.team_tokens_a_day is not None:
            found["tokens"] = self._settings.team_tokens_a_day * period.days
        return found | await read_standing(connection, account.id)


async def _check_revision(connection: AsyncConnection, account: Account, period: BudgetPeriod, revision: str | None) -> None:
    """Raise ChangedMeanwhile unless the month's limits, which the transaction has locked, are at this revision. None: no check."""
    if revision is not None:
        columns = (BalanceRow.limit_nanousd, BalanceRow.added_nanousd, BalanceRow.limit_tokens)
        limit, added, limit_tokens = (await connection.execute(select(*columns).where(balance_of(account.id, period)))).one()
        check_revision(revision, limits_revision(limit=limit, added=added, limit_tokens=limit_tokens), "The budget")


def _movement(
    account: Account, period: BudgetPeriod, kind: str, unit: Unit, amount: int | None, actor: str, note: str | None
) -> Executable:
    return insert(MovementRow).values(
        kind=kind,
        developer_id=account.id if account.subject == "developer" else None,
        team_id=account.team_id,
        period_start=period.start,
        unit=unit,
        amount=amount,
        actor=actor,
        note=note,
    )
