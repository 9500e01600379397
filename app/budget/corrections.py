"""Corrections of a charge, by a movement against it. The ledger is append-only: what was written stays.

Holds and settlements lock holds, then balances by subject; a correction locks only the balances, in the same order.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.budget.limits import MOST, Account
from app.budget.tables import Balance, Day, Hold, Movement
from app.errors import Conflict, InvalidInput, NotFound
from app.money import to_usd
from app.storage.database import Database
from app.storage.tables import AnyRow

CHARGES = frozenset({"settle", "reconcile"})
INSTEAD = {
    "unreconciled": "its outcome isn't known yet: close the hold with `cairn budget reconcile`",
    "correction": "it is a correction itself: correct the movement that it corrects",
    "limit": "it is a limit: set another with `cairn budget set`",
    "top_up": "it is a top-up: set another limit with `cairn budget set`",
}


class Corrections:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def correct(self, account: Account, movement_id: int, *, nanousd: int, actor: str, note: str) -> int:
        """Set what a call of this developer is charged in all, in nano-dollars. Returns by how much that changed what is spent.

        NotFound for another's movement; Conflict for one that is no charge, is charged at that already, or would pass a limit of the
        month that it belongs to. A repetition is the second of these: nothing is corrected twice.
        """
        if not 0 <= nanousd <= MOST:
            raise InvalidInput("charged_usd is out of range.", param="charged_usd")
        async with self._database.begin() as connection:
            row = (await connection.execute(_movement(account, movement_id))).one_or_none()
            if row is None:
                raise NotFound(f"There is no movement {movement_id} in this budget. List them: GET /v1/budgets/NAME/movements.")
            if row.kind not in CHARGES:
                raise Conflict(f"Movement {movement_id} can't be corrected: {INSTEAD[row.kind]}.")
            balances = await _locked(connection, row)
            change = nanousd - await _charged(connection, row)
            if change == 0:
                raise Conflict(f"Movement {movement_id} is charged at ${to_usd(nanousd):.6f} already: nothing was changed.")
            _check_room(balances, change)
            await _write(connection, row, change, actor=actor, note=note)
        return change


def _movement(account: Account, movement_id: int) -> Select[*tuple[Any, ...]]:
    mine = (Movement.id == movement_id, Movement.developer_id == account.id)
    return select(Movement.__table__, Hold.day).outerjoin(Hold, Hold.id == Movement.hold_id).where(*mine)


async def _locked(connection: AsyncConnection, row: AnyRow) -> list[AnyRow]:
    """The developer's and the team's balance of the movement's month, locked in the order of all who lock them."""
    subjects = Balance.subject_id.in_([row.developer_id, row.team_id])
    query = (
        select(Balance.__table__).where(subjects, Balance.period_start == row.period_start).order_by(Balance.subject_id).with_for_update()
    )
    return list((await connection.execute(query)).all())


async def _charged(connection: AsyncConnection, row: AnyRow) -> int:
    """What the call is charged until now: a reconciliation tells the difference to what was held."""
    corrected = await connection.scalar(select(func.sum(Movement.nanousd)).where(Movement.corrects == row.id))
    base: int = row.nanousd + (row.held_nanousd if row.kind == "reconcile" else 0)
    return base + int(corrected or 0)


def _check_room(balances: list[AnyRow], change: int) -> None:
    """Conflict where a dearer charge would pass a limit: spent + held ≤ limit, also for a correction."""
    for each in balances if change > 0 else ():
        if each.limit_nanousd is None:
            continue
        left = each.limit_nanousd + each.added_nanousd - each.spent_nanousd - each.held_nanousd
        if change > left:
            whose = "developer's" if each.subject == "developer" else "team's"
            raise Conflict(
                f"This would charge ${to_usd(change):.6f} more, and the {whose} limit of that month has ${to_usd(max(0, left)):.6f} left. "
                "Raise the limit first."
            )


async def _write(connection: AsyncConnection, row: AnyRow, change: int, *, actor: str, note: str) -> None:
    """The movement, both balances and both days: they change together."""
    taken = ("developer_id", "team_id", "period_start", "hold_id", "request_id", "attempt", "provider", "model")
    kept = {name: getattr(row, name) for name in taken}
    await connection.execute(
        insert(Movement).values(**kept, kind="correction", mark="corrected", corrects=row.id, nanousd=change, actor=actor, note=note)
    )
    subjects = [row.developer_id, row.team_id]
    moved = update(Balance).where(Balance.subject_id.in_(subjects), Balance.period_start == row.period_start)
    await connection.execute(moved.values(spent_nanousd=Balance.spent_nanousd + change))
    if row.day is not None:
        day = upsert(Day).values([{"subject_id": each, "day": row.day, "nanousd": change, "tokens": 0} for each in sorted(subjects)])
        added = day.on_conflict_do_update(index_elements=["subject_id", "day"], set_={"nanousd": Day.nanousd + day.excluded.nanousd})
        await connection.execute(added)
