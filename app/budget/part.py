"""Opens the ledger with its own connections, its hold sweeper, budgets, prices and the request log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import structlog

from app.accounts.accounts import Accounts
from app.budget.alerting import AlertReader, BudgetFacts
from app.budget.balances import BalanceReader
from app.budget.budgets import Budgets
from app.budget.calls import CallReports
from app.budget.corrections import Corrections
from app.budget.hold_sweeper import HoldSweeper
from app.budget.key_limits import KeyLimits
from app.budget.ledger import Ledger
from app.budget.limits import BudgetLimits
from app.budget.month_limits import MonthLimits
from app.budget.periods import Calendar
from app.budget.price_list import load as load_prices
from app.budget.prices import Prices
from app.budget.requests import RequestLog
from app.budget.session_spending import SessionSpendings
from app.budget.spend import SpendReports
from app.budget.spend_rollup import roll_up
from app.budget.spending import Spending
from app.errors import Unavailable
from app.money import to_usd
from app.part import Loop, Maintenance, Opened, Part
from app.settings import Settings
from app.storage.database import Database
from app.storage.direct import DedicatedConnection
from app.telemetry import metrics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BudgetServices:
    """The room's live objects: the ledger, budgets, prices, the request log, spending."""

    ledger: Ledger
    budgets: Budgets
    prices: Prices
    requests: RequestLog
    spending: Spending
    sessions: SessionSpendings
    spend: SpendReports
    calls: CallReports
    facts: BudgetFacts
    """Changed balances, for the alert engine."""
    month_limits: MonthLimits
    key_limits: KeyLimits


@asynccontextmanager
async def open_budget(
    settings: Settings, *, database: Database, url: str, accounts: Accounts, read_alerts: AlertReader
) -> AsyncIterator[Opened[BudgetServices]]:
    """Open the ledger and all that is built on it. Closed after the engine, whose last settlements it still writes.

    `read_alerts`: reads the alerts that were sent about budgets.
    """
    options, process_id = settings.budget, uuid4()
    calendar = Calendar(options.time_zone)
    limits = BudgetLimits(database, accounts, calendar, options)
    facts = BudgetFacts(database, calendar)
    async with AsyncExitStack() as stack:
        ledger = _ledger(stack, settings, url, process_id=process_id, limits=limits, facts=facts, calendar=calendar)
        sweeper = HoldSweeper(database, ledger, process_id=process_id, silent_seconds=options.process_silent_seconds)
        requests = RequestLog(database)
        await sweeper.open()
        for closing in (sweeper.close, requests.close, ledger.close):
            stack.push_async_callback(_quietly, closing)
        budgets = Budgets(accounts, limits, BalanceReader(database, calendar, read_alerts), ledger, Corrections(database))
        services = BudgetServices(
            ledger=ledger,
            budgets=budgets,
            prices=load_prices(),
            requests=requests,
            spending=Spending(database, calendar, read_alerts),
            sessions=SessionSpendings(database),
            spend=SpendReports(database, accounts, calendar),
            calls=CallReports(database, accounts, calendar),
            facts=facts,
            month_limits=MonthLimits(budgets),
            key_limits=limits.keys,
        )
        yield services, _part(database, budgets, loops=tuple(sweeper.loops()))


def _ledger(
    stack: AsyncExitStack, settings: Settings, url: str, *, process_id: UUID, limits: BudgetLimits, facts: BudgetFacts, calendar: Calendar
) -> Ledger:
    """Make the ledger, with two connections of its own: a settlement never waits behind a hold."""
    timeout = settings.budget.timeout_seconds
    holds, ends = (DedicatedConnection(settings.database, url, name=f"cairn {name}", timeout_seconds=timeout) for name in ("holds", "ends"))
    for direct in (holds, ends):
        stack.push_async_callback(direct.close)
    return Ledger(
        holds=holds,
        endings=ends,
        calendar=calendar,
        process_id=process_id,
        open_period=limits.open_period,
        watch=facts.record,
        timeout_seconds=timeout,
    )


def _part(database: Database, budgets: Budgets, *, loops: tuple[Loop, ...]) -> Part:
    async def spending() -> None:
        metrics.set_budgets(
            [
                (name, to_usd(each.spent), to_usd(each.held), None if each.limit is None else to_usd(each.limit))
                for name, each in await budgets.list_spending()
            ]
        )

    rolling = Maintenance("movements_rolled_up", partial(roll_up, database), batched=True)
    return Part(name="budget", loops=loops, gauges=[spending], maintenance=[rolling])


async def _quietly(closing: Callable[[], Awaitable[None]]) -> None:
    """Close, also if PostgreSQL is gone already: the next process's sweep finds the holds whose end could not be written."""
    try:
        await closing()
    except Unavailable as error:
        log.warning("closing.unwritten", code=error.code)
