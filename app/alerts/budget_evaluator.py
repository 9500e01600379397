"""Evaluates the rules about budgets whenever a budget changes. An alert is raised once per period and subject, whichever process sees it.

An alert and its notice are stored in one transaction; the unique constraint of `budget_alerts` decides between processes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID, uuid4

import cachebox
import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.alerts.budget_rules import Crossing, DayUse, crossed
from app.alerts.notifications import Notifications, StoredCrossing
from app.alerts.rules import Rules
from app.alerts.tables import BudgetAlert
from app.budget.alerting import MAX_WAITING, BudgetChanges, BudgetFacts, SentAlert
from app.errors import Unavailable
from app.part import Loop
from app.storage.database import Database

log = structlog.get_logger()

MAX_BACKOFF_SECONDS = 5.0
"""Longest pause between two attempts while PostgreSQL is unavailable."""
MAX_STORED_AT_ONCE = 1000
MAX_REMEMBERED = 100_000
"""Stored alerts that this process remembers, so that meeting their rule again costs no query."""

Names: TypeAlias = Callable[[Collection[UUID]], Awaitable[Mapping[UUID, str]]]
"""Returns the names of teams and developers."""


async def announced_alerts(connection: AsyncConnection, subjects: Sequence[UUID], period_start: datetime) -> list[SentAlert]:
    """Read the alerts about these subjects in a period, the oldest first. Passed to the budget room as its `AlertReader`."""
    query = select(BudgetAlert.created_at, BudgetAlert.subject, BudgetAlert.subject_id, BudgetAlert.rule)
    theirs = query.where(BudgetAlert.subject_id.in_(subjects), BudgetAlert.period_start == period_start)
    return [SentAlert(*row) for row in await connection.execute(theirs.order_by(BudgetAlert.created_at))]


class BudgetEvaluator:
    """Evaluates rules about budgets. `daily_tokens`: a team's tokens in a day above which `day_tokens` rules alert; None: no such limit."""

    def __init__(
        self,
        database: Database,
        facts: BudgetFacts,
        notifications: Notifications,
        rules: Rules,
        *,
        names: Names,
        daily_tokens: int | None,
    ) -> None:
        self._database = database
        self._facts = facts
        self._notifications = notifications
        self._rules = rules.enabled_budgets
        self._names = names
        self._daily_tokens = daily_tokens if any(rule.budget == "day_tokens" for rule in self._rules) else None
        self._begun = False
        self._waiting = BudgetChanges()
        self._stored: cachebox.LRUCache[tuple[UUID, datetime, str], bool] = cachebox.LRUCache(MAX_REMEMBERED)

    def loops(self) -> tuple[Loop, ...]:
        """Return the loop that evaluates changes.

        It begins with all of this month's balances: a process may have died before it evaluated its last changes.
        """
        self._facts.woken.set()
        return (
            Loop(
                name="alerts.budgets",
                step=self._round,
                pause=0.0,
                wake=self._facts.woken,
                max_backoff_seconds=MAX_BACKOFF_SECONDS,
                meanwhile="No alerts about budgets are raised; the limits are still enforced.",
            ),
        )

    async def _round(self) -> None:
        """Evaluate what changed. Unavailable: the changes are kept for the next round."""
        try:
            if not self._begun:
                self._waiting = await self._facts.this_month()
                self._begun = True
            await self.evaluate()
        except Unavailable:
            raise
        except Exception:
            self._begun, self._waiting = True, BudgetChanges()  # drop changes that can't be evaluated: they must not block later ones
            raise

    async def evaluate(self) -> list[Crossing]:
        """Store and announce the alerts that are new, and return them. Unavailable: the changes are kept for the next call."""
        self._waiting = waiting = _merged(self._waiting, self._facts.take())
        found = list(crossed(self._rules, waiting, clock.now(), await self._today(waiting)))
        unknown = [each for each in found if each.key not in self._stored]
        announced: list[Crossing] = []
        for start in range(0, len(unknown), MAX_STORED_AT_ONCE):
            chunk = unknown[start : start + MAX_STORED_AT_ONCE]
            new = await self._store(chunk)
            self._stored.update({each.key: True for each in chunk})
            for each in new:
                self._notifications.announce_crossing(each)
            announced += new
        self._waiting = BudgetChanges()
        return announced

    async def _today(self, changes: BudgetChanges) -> DayUse | None:
        """Read the tokens that the changed teams used today; None where no rule needs them."""
        teams = [each.subject_id for each in changes.balances if each.subject == "team"]
        if self._daily_tokens is None or not teams:
            return None
        day, tokens = await self._facts.tokens_today(teams)
        return DayUse(day, tokens, self._daily_tokens)

    async def _store(self, found: Sequence[Crossing]) -> list[Crossing]:
        """Store the alerts that are new, with their notices, in one transaction. Returns the new ones."""
        names = await self._names({each.subject_id for each in found})
        values = [
            {
                "id": uuid4(),
                "subject": each.subject,
                "subject_id": each.subject_id,
                "period_start": each.period_start,
                "rule": each.alert,
                "data": dict(each.data),
            }
            for each in found
        ]
        row = upsert(BudgetAlert).values(values).on_conflict_do_nothing()
        stored = row.returning(BudgetAlert.id, BudgetAlert.subject_id, BudgetAlert.period_start, BudgetAlert.rule, BudgetAlert.created_at)
        async with self._database.begin() as connection:
            rows = {(each.subject_id, each.period_start, each.rule): each for each in await connection.execute(stored)}
            new = [each for each in found if each.key in rows]
            made = [StoredCrossing(each, names.get(each.subject_id, "?"), rows[each.key].id, rows[each.key].created_at) for each in new]
            await self._notifications.put_crossings(connection, made)
        return new


def _merged(before: BudgetChanges, later: BudgetChanges) -> BudgetChanges:
    """Merge two sets of changes: each balance once, in its latest state."""
    if before.empty:
        return later
    balances = {(each.subject_id, each.period_start): each for each in (*before.balances, *later.balances)}
    return BudgetChanges(list(balances.values()), [*before.charges, *later.charges][:MAX_WAITING])
