"""Corrections of a charge, by a movement against it. The ledger is append-only: what was written stays.

Holds and settlements lock holds, then balances by subject; a correction locks only the balances, in the same order. Before that it takes
the same advisory lock as they do (`key_limits.LOCK`).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.budget.key_limits import LOCK
from app.budget.limits import Account
from app.budget.standing_limits import MAX_AMOUNT
from app.budget.tables import BalanceRow, DayRow, HoldRow, MovementRow
from app.errors import Conflict, InvalidInput, NotFound
from app.idempotency.keys import is_first_effect
from app.money import to_usd
from app.storage.database import Database
from app.storage.tables import AnyRow

CHARGES = frozenset({"settle", "reconcile"})
INSTEAD = {
    "unreconciled": "its outcome isn't known yet: close the hold with `cairn budget reconcile` or POST /v1/budgets/{developer}/reconcile",
    "correction": "it is a correction itself: correct the movement it refers to",
    "limit": "it is a limit: set another with `cairn budget set` or PUT /v1/budgets/{developer}",
    "top_up": "it is a top-up: set another limit with `cairn budget set` or PUT /v1/budgets/{developer}",
}

RAISE = {
    "developer": "`cairn budget set` or PUT /v1/budgets/{developer}",
    "team": "`cairn budget set-team` or PUT /v1/teams/{name}/budget",
    "key": "`cairn keys limit` or PATCH /v1/keys/{key_id}",
}


class Corrections:
    """Writes corrections of charges."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def correct(self, account: Account, movement_id: int, *, nanousd: int, tokens: int | None = None, actor: str, note: str) -> int:
        """Set what a call of this developer is charged in all, in nano-dollars, and in tokens (None: as they are).

        Returns by how many nano-dollars that changed what is spent: 0 where an earlier attempt of this request did it.

        NotFound for another's movement; Conflict for one that is no charge, is charged at that already, or would pass a limit of the
        month that it belongs to. A repetition is the second of these: nothing is corrected twice.
        """
        if not 0 <= nanousd <= MAX_AMOUNT:
            raise InvalidInput(f"charged_usd is out of range: name an amount from 0 to {to_usd(MAX_AMOUNT):,.0f}.", param="charged_usd")
        if tokens is not None and not 0 <= tokens <= MAX_AMOUNT:
            raise InvalidInput(f"charged_tokens is out of range: name a number from 0 to {MAX_AMOUNT:,}.", param="charged_tokens")
        async with self._database.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock_shared(LOCK)))
            row = (await connection.execute(_movement(account, movement_id))).one_or_none()
            if row is None:
                raise NotFound(
                    f"There is no movement {movement_id} in this budget. List them with `cairn budget history`"
                    f" or GET /v1/budgets/{{developer}}/movements."
                )
            if not await is_first_effect(connection):
                return 0
            if row.kind not in CHARGES:
                raise Conflict(f"Movement {movement_id} can't be corrected: {INSTEAD[row.kind]}.")
            balances = await _locked(connection, row)
            charged, counted = await _charged(connection, row)
            change, more_tokens = nanousd - charged, 0 if tokens is None else tokens - counted
            if change == 0 and more_tokens == 0:
                already = f"is charged at ${to_usd(charged):.6f} and {counted:,} tokens already"
                raise Conflict(f"Movement {movement_id} {already}: there is nothing to correct.")
            _check_room(balances, change, more_tokens)
            await _write(connection, row, change, more_tokens, actor=actor, note=note)
        return change


def _movement(account: Account, movement_id: int) -> Select[*tuple[Any, ...]]:
    mine = (MovementRow.id == movement_id, MovementRow.developer_id == account.id)
    return (
        select(MovementRow.__table__, HoldRow.day, HoldRow.tokens.label("held_tokens"), HoldRow.key_id)
        .outerjoin(HoldRow, HoldRow.id == MovementRow.hold_id)
        .where(*mine)
    )


async def _locked(connection: AsyncConnection, row: AnyRow) -> list[AnyRow]:
    """Lock the balances of the movement's month, the developer's, the team's and the key's, in the order in which everything locks them."""
    subjects = BalanceRow.subject_id.in_(_subjects(row))
    query = (
        select(BalanceRow.__table__)
        .where(subjects, BalanceRow.period_start == row.period_start)
        .order_by(BalanceRow.subject_id)
        .with_for_update()
    )
    return list((await connection.execute(query)).all())


async def _charged(connection: AsyncConnection, row: AnyRow) -> tuple[int, int]:
    """Return what the call is charged so far, in dollars and tokens; a reconciliation records the difference to its hold."""
    sums = select(func.coalesce(func.sum(MovementRow.nanousd), 0), func.coalesce(func.sum(MovementRow.tokens), 0))
    nanousd, tokens = (await connection.execute(sums.where(MovementRow.corrects == row.id))).one()
    before = (row.held_nanousd, row.held_tokens) if row.kind == "reconcile" else (0, 0)
    return row.nanousd + before[0] + int(nanousd), row.tokens + before[1] + int(tokens)


def _check_room(balances: list[AnyRow], change: int, more_tokens: int) -> None:
    """Raise Conflict if a higher charge would pass a limit: spent + held ≤ limit, also for a correction."""
    for each in balances:
        dollars = None if each.limit_nanousd is None else each.limit_nanousd + each.added_nanousd - each.spent_nanousd - each.held_nanousd
        tokens = None if each.limit_tokens is None else each.limit_tokens - each.spent_tokens - each.held_tokens
        for more, left, written in ((change, dollars, _dollars), (more_tokens, tokens, _tokens)):
            if more > 0 and left is not None and more > left:
                room = f"the {each.subject}'s limit of that month has {written(max(0, left))} left"
                advice = (
                    f"Enter a charge that fits, or raise the limit first ({RAISE[each.subject]}); the limit of a past month can't be "
                    "changed."
                )
                raise Conflict(f"This would charge {written(more)} more, and {room}. {advice}")


def _subjects(row: AnyRow) -> list[UUID]:
    return [each for each in (row.developer_id, row.team_id, row.key_id) if each is not None]


def _dollars(nanousd: int) -> str:
    return f"${to_usd(nanousd):.6f}"


def _tokens(count: int) -> str:
    return f"{count:,} tokens"


async def _write(connection: AsyncConnection, row: AnyRow, change: int, more_tokens: int, *, actor: str, note: str) -> None:
    """Write the movement, the balances and the days together. A key has a balance only where it is counted, and no days."""
    taken = ("developer_id", "team_id", "period_start", "hold_id", "request_id", "attempt", "provider", "model")
    kept = {name: getattr(row, name) for name in taken}
    moved = {"nanousd": change, "tokens": more_tokens}
    made = insert(MovementRow).values(**kept, **moved, kind="correction", mark="corrected", corrects=row.id, actor=actor, note=note)
    await connection.execute(made)
    month = update(BalanceRow).where(BalanceRow.subject_id.in_(_subjects(row)), BalanceRow.period_start == row.period_start)
    spent = {"spent_nanousd": BalanceRow.spent_nanousd + change, "spent_tokens": BalanceRow.spent_tokens + more_tokens}
    await connection.execute(month.values(**spent))
    if row.day is not None:
        day = upsert(DayRow).values([{"subject_id": each, "day": row.day, **moved} for each in sorted([row.developer_id, row.team_id])])
        added = {"nanousd": DayRow.nanousd + day.excluded.nanousd, "tokens": DayRow.tokens + day.excluded.tokens}
        await connection.execute(day.on_conflict_do_update(index_elements=["subject_id", "day"], set_=added))
