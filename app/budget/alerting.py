"""Hands changes of budgets to the alert engine (app/alerts). Decides nothing: the rules do.

The ledger records a change at the cost of a dictionary entry; the engine takes the changes in its own time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.budget.holds import Subject
from app.budget.periods import Calendar
from app.budget.tables import BalanceRow, DayRow
from app.storage.database import Database

MAX_WAITING = 10_000
"""Full charges that wait for the alert engine: further ones stand in the movements only, without an alert."""


@dataclass(frozen=True, slots=True)
class SentAlert:
    """An alert that was sent about a budget. `rule` is its name, such as `50%`: see app/alerts/budget_rules.py."""

    at: datetime
    subject: str
    subject_id: UUID
    rule: str


AlertReader: TypeAlias = Callable[[AsyncConnection, Sequence[UUID], datetime], Awaitable[Sequence[SentAlert]]]
"""Read the alerts about these subjects in the period that begins then, the oldest first. The alert engine's, which stores them."""


@dataclass(frozen=True, slots=True)
class BalanceState:
    """A subject's month as it stands: nano-dollars (the limit with its top-ups) and tokens. A limit of None: none."""

    subject: Subject
    subject_id: UUID
    period_start: datetime
    period_end: datetime
    limit_nanousd: int | None
    spent_nanousd: int
    limit_tokens: int | None
    spent_tokens: int


@dataclass(frozen=True, slots=True)
class FullCharge:
    """A hold that was charged in full: its call cost more (`overrun`), or its reported usage can't be true (`disputed`)."""

    kind: Literal["overrun", "disputed"]
    hold_id: str
    developer_id: UUID
    period_start: datetime
    spent_nanousd: int


@dataclass(frozen=True, slots=True)
class BudgetChanges:
    """Changes since the last time they were taken: balances, each once in its newest state, and full charges."""

    balances: Sequence[BalanceState] = ()
    charges: Sequence[FullCharge] = ()

    @property
    def empty(self) -> bool:
        return not self.balances and not self.charges


class BudgetFacts:
    """Collects changed balances between the ledger, which calls `record`, and the alert engine, which calls the rest."""

    def __init__(self, database: Database, calendar: Calendar) -> None:
        self._database = database
        self._calendar = calendar
        self._moved: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._charges: list[FullCharge] = []
        self.woken = asyncio.Event()
        """Set once a change was recorded."""

    def record(self, balances: Sequence[Mapping[str, Any]], ended: Sequence[Mapping[str, Any]]) -> None:
        """Record the balances that changed and the holds that were charged in full. Costs no query; bounded."""
        for row in balances:
            self._moved[row["subject_id"], row["period_start"]] = row
        for end in ended:
            if end["above"] is not None and balances and len(self._charges) < MAX_WAITING:
                self._charges.append(_charge(balances, end))
        self.woken.set()

    def take(self) -> BudgetChanges:
        """Return the recorded changes, and forget them."""
        self.woken.clear()
        moved, self._moved = self._moved, {}
        charges, self._charges = self._charges, []
        return BudgetChanges([_state(row) for row in moved.values()], charges)

    async def this_month(self) -> BudgetChanges:
        """Read every balance of this month but the keys', with the changes that a process recorded and did not hand over before it died."""
        start = self._calendar.month_of(clock.now()).start
        async with self._database.begin() as connection:
            mine = select(BalanceRow.__table__).where(BalanceRow.period_start == start, BalanceRow.subject != "key")
            rows = (await connection.execute(mine)).mappings().all()
        return BudgetChanges([_state(dict(row)) for row in rows])

    async def tokens_today(self, subjects: Sequence[UUID]) -> tuple[date, dict[UUID, int]]:
        """Read the tokens that these subjects used today, in the calendar's time zone; one that used none is absent."""
        day = self._calendar.day_of(clock.now())
        query = select(DayRow.subject_id, DayRow.tokens).where(DayRow.subject_id.in_(subjects), DayRow.day == day)
        async with self._database.begin() as connection:
            return day, {row.subject_id: int(row.tokens) for row in await connection.execute(query)}


def _state(row: Mapping[str, Any]) -> BalanceState:
    """Convert a row of `budget_balances`, from a query or from PostgreSQL's to_jsonb."""
    limit = row["limit_nanousd"]
    return BalanceState(
        subject=row["subject"],
        subject_id=_id(row["subject_id"]),
        period_start=_time(row["period_start"]),
        period_end=_time(row["period_end"]),
        limit_nanousd=None if limit is None else limit + row["added_nanousd"],
        spent_nanousd=row["spent_nanousd"],
        limit_tokens=row["limit_tokens"],
        spent_tokens=row["spent_tokens"],
    )


def _charge(balances: Sequence[Mapping[str, Any]], end: Mapping[str, Any]) -> FullCharge:
    row = next((each for each in balances if each["subject_id"] == end["developer_id"]), balances[0])
    return FullCharge(end["above"], end["id"], UUID(end["developer_id"]), _time(row["period_start"]), end["spent"])


def _id(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _time(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
