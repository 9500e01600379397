"""Rolls movements up by day and by all that spending is broken down by, so that a year is read as fast as a week.

The ledger is append-only, so the roll-up is: a late settlement or a correction is a further movement, which adds to the row of its day.
It contains every movement up to one id; readers add those beyond (`spend.py`), so what they show is exact however old the roll-up is.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Select, Text, case, cast, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app import clock
from app.budget.tables import HoldRow, MovementRow, RequestRow, RollupRow
from app.storage import statements
from app.storage.database import Database

NAME = "spend_days"
MOVEMENTS_AT_ONCE = 20_000
"""Movements that one transaction rolls up: some hundred milliseconds."""
SETTLED = timedelta(hours=1)
"""Age at which a movement is rolled up: by then the request log has its call, which it learns of when the call ends."""
TRIES, PAUSE_SECONDS = 20, 0.1

KEY = ("team_id", "day", "developer_id", "provider", "model", "purpose", "project", "session")
DIMENSIONS = ("model", "provider", "project", "purpose", "session")
AMOUNTS = ("attempts", "nanousd", "input_tokens", "output_tokens", "cached_input_tokens")
ROLL_UP = text(statements.load("budget", "roll_up"))
FIRST_ENDS = ("settle", "unreconciled")
"""Kinds of movements by which an attempt is charged first; later ones change its charge."""


async def roll_up(database: Database) -> int:
    """Roll up a batch of movements; return how many ids further the roll-up reaches. One process at a time: others return 0."""
    async with database.begin() as connection:
        await connection.execute(upsert(RollupRow).values(name=NAME, upto=0).on_conflict_do_nothing())
        found = (await connection.execute(_newest(clock.now() - SETTLED))).one_or_none()
    if found is None or not await _all_ended(database, found.ahead):
        return 0
    async with database.begin() as connection:
        query = select(RollupRow.upto).where(RollupRow.name == NAME).with_for_update(skip_locked=True)
        upto: int | None = (await connection.execute(query)).scalar_one_or_none()
        if upto is None or found.id <= upto:
            return 0
        end: int = min(found.id, upto + MOVEMENTS_AT_ONCE)
        await connection.execute(ROLL_UP, {"after": upto, "upto": end})
        await connection.execute(update(RollupRow).where(RollupRow.name == NAME).values(upto=end))
    return end - upto


def movements_after(upto: Any) -> Select[*tuple[Any, ...]]:
    """Select the movements of spending whose id is greater than `upto`, each in the columns of the roll-up."""
    tokens = (MovementRow.input_tokens, MovementRow.output_tokens, MovementRow.cached_input_tokens)
    names = (MovementRow.provider, MovementRow.model, RequestRow.purpose, RequestRow.project, RequestRow.session)
    return (
        select(
            MovementRow.team_id,
            HoldRow.day,
            MovementRow.developer_id,
            *(func.coalesce(each, "").label(each.key) for each in names),
            case((MovementRow.kind.in_(FIRST_ENDS), 1), else_=0).label("attempts"),
            MovementRow.nanousd,
            *(func.coalesce(each, 0).label(each.key) for each in tokens),
        )
        .join(HoldRow, HoldRow.id == MovementRow.hold_id)
        .outerjoin(RequestRow, RequestRow.request_id == MovementRow.request_id)
        .where(MovementRow.id > upto)
    )


def _newest(before: datetime) -> Select[*tuple[Any, ...]]:
    """Select the newest movement made before a moment, and the transaction id that all writers under way are below."""
    ahead = _number(func.pg_snapshot_xmax(func.pg_current_snapshot())).label("ahead")
    return select(MovementRow.id, ahead).where(MovementRow.at < before).order_by(MovementRow.id.desc()).limit(1)


async def _all_ended(database: Database, ahead: int) -> bool:
    """Wait until every transaction below `ahead` has ended: only then has no movement below the newest yet to appear.

    Ids are given before transactions commit, so a smaller one may appear later; each is given to a transaction that has its own id.
    """
    oldest = _number(func.pg_snapshot_xmin(func.pg_current_snapshot()))
    for _ in range(TRIES):
        async with database.begin() as connection:
            if (await connection.execute(select(oldest))).scalar_one() >= ahead:
                return True
        await asyncio.sleep(PAUSE_SECONDS)
    return False


def _number(transaction: Any) -> Any:
    return cast(cast(transaction, Text), BigInteger)
