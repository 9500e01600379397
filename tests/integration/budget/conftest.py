"""A ledger over a real PostgreSQL, with a developer to charge; and the recount that every test may ask for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.accounts.accounts import Accounts
from app.budget.holds import Attempt, Estimate, Hold, Payer, Settlement
from app.budget.ledger import Ledger
from app.budget.limits import Account, BudgetLimits
from app.budget.periods import Calendar
from app.budget.prices import TokenBounds, TokenUsage
from app.settings import BudgetSettings
from app.storage.database import Database
from app.storage.direct import DedicatedConnection
from tests.waiting import patience, patient_database


@dataclass(slots=True)
class Bank:
    """The ledger under test and short ways to it. `told`: what the ledger told its watch."""

    database: Database
    accounts: Accounts
    limits: BudgetLimits
    ledger: Ledger
    calendar: Calendar
    team_id: UUID
    told: list[dict[str, Any]] = field(default_factory=list)

    async def payer(self, limit_nanousd: int, name: str | None = None) -> Payer:
        made = await self.accounts.create_developer(name or f"dev-{uuid4().hex[:12]}", monthly_limit_nanousd=limit_nanousd)
        return Payer(made.id, self.team_id)

    async def hold(self, payer: Payer, nanousd: int, *, tokens: int = 10, request: str | None = None, number: int = 1) -> Hold:
        attempt = Attempt(request or uuid4().hex, number, "fake", "fake-1")
        return await self.ledger.hold(payer, attempt, Estimate(TokenBounds(tokens, 0), nanousd))

    async def settle(self, hold: Hold, nanousd: int, tokens: int = 10) -> None:
        await self.ledger.settle(hold, Settlement(TokenUsage(input=tokens), nanousd, "usage"))

    async def limit_key(self, key_id: UUID, nanousd: int | None, *, only_lower: bool = False) -> None:
        """Set a key's limit as `services/keys.py` does."""
        counted = None if nanousd is None else await self.limits.keys.count(key_id)
        async with self.database.begin() as connection:
            await self.limits.keys.set(connection, key_id, nanousd, counted=counted, only_lower=only_lower)

    async def balance(self, subject_id: UUID) -> tuple[int, int]:
        """(spent, held) in nano-dollars, all periods together."""
        query = text(
            "select coalesce(sum(spent_nanousd), 0)::bigint, coalesce(sum(held_nanousd), 0)::bigint from budget_balances where subject_id = :id"
        )
        async with self.database.begin() as connection:
            row = (await connection.execute(query, {"id": subject_id})).one()
            return row[0], row[1]

    async def states(self) -> dict[str, int]:
        async with self.database.begin() as connection:
            return dict((await connection.execute(text("select state, count(*) from budget_holds group by state"))).all())  # type: ignore[arg-type]

    async def recount(self) -> None:
        """The balances are what the rows add up to, and no limit was passed."""
        async with self.database.begin() as connection:
            wrong = (await connection.execute(text(RECOUNT))).all()
        assert not wrong, wrong


RECOUNT = """
with moved as (
    select developer_id as subject_id, period_start, nanousd, tokens from budget_movements where developer_id is not null
    union all select team_id, period_start, nanousd, tokens from budget_movements
    union all select h.key_id, m.period_start, m.nanousd, m.tokens from budget_movements m join budget_holds h on h.id = m.hold_id
        where h.key_id is not null
), spent as (select subject_id, period_start, sum(nanousd) as nanousd, sum(tokens) as tokens from moved group by 1, 2),
open as (
    select developer_id as subject_id, period_start, nanousd, tokens from budget_holds where state = 'held'
    union all select team_id, period_start, nanousd, tokens from budget_holds where state = 'held'
    union all select key_id, period_start, nanousd, tokens from budget_holds where state = 'held' and key_id is not null
), held as (select subject_id, period_start, sum(nanousd) as nanousd, sum(tokens) as tokens from open group by 1, 2)
select b.subject, b.spent_nanousd, s.nanousd as movements, b.held_nanousd, h.nanousd as holds
from budget_balances b left join spent s using (subject_id, period_start) left join held h using (subject_id, period_start)
where b.spent_nanousd <> coalesce(s.nanousd, 0) or b.spent_tokens <> coalesce(s.tokens, 0)
   or b.held_nanousd <> coalesce(h.nanousd, 0) or b.held_tokens <> coalesce(h.tokens, 0)
"""


@pytest.fixture
async def bank(database: Database, database_url: str) -> AsyncIterator[Bank]:
    async for made in open_bank(database, database_url):
        yield made


async def open_bank(
    database: Database,
    url: str,
    settings: BudgetSettings | None = None,
    watch: Callable[[Sequence[Any], Sequence[Any]], None] | None = None,
) -> AsyncIterator[Bank]:
    accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=8_330_000_000)
    await accounts.ensure_defaults()
    budget = settings or BudgetSettings(team_tokens_a_day=None)
    calendar = Calendar(budget.time_zone)
    limits = BudgetLimits(database, accounts, calendar, budget)
    async with database.begin() as connection:
        team_id = (await connection.execute(text("select id from teams where name = 'default'"))).scalar_one()
    directs = [DedicatedConnection(patient_database(), url, name="ledger", timeout_seconds=30) for _ in range(2)]
    told: list[dict[str, Any]] = []
    ledger = Ledger(
        holds=directs[0],
        endings=directs[1],
        calendar=calendar,
        process_id=uuid4(),
        open_period=limits.open_period,
        watch=watch or (lambda balances, ended: told.extend(balances)),
        timeout_seconds=30,
    )
    yield Bank(database, accounts, limits, ledger, calendar, team_id, told)
    await ledger.close()
    for direct in directs:
        await direct.close()


def account(payer: Payer) -> Account:
    return Account("developer", payer.developer_id, payer.team_id)


def team(payer: Payer) -> Account:
    return Account("team", payer.team_id, payer.team_id)


WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


async def until_waiting(bank: Bank, sessions: int) -> None:
    """Wait until so many sessions wait for a lock."""
    async with patience():
        while True:
            async with bank.database.begin() as connection:
                if int(await connection.scalar(text(WAITING)) or 0) >= sessions:
                    return
            await asyncio.sleep(0.01)
