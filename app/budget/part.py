"""Opens the money: the ledger with its own connections, and what keeps it true."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from app.accounts.accounts import Accounts
from app.budget.alerting import AlertReader, BudgetFacts
from app.budget.balances import Books
from app.budget.budgets import Budgets
from app.budget.corrections import Corrections
from app.budget.hold_sweeper import HoldSweeper
from app.budget.ledger import Ledger
from app.budget.limits import BudgetLimits
from app.budget.periods import Calendar
from app.budget.prices import Prices
from app.budget.prices import load as load_prices
from app.budget.requests import RequestLog
from app.budget.spending import Spending
from app.errors import Unavailable
from app.money import to_usd
from app.part import Loop, Opened, Part
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
    facts: BudgetFacts
    """What moved: the alert engine takes it."""


@asynccontextmanager
async def open_budget(
    settings: Settings, *, database: Database, url: str, accounts: Accounts, read_alerts: AlertReader
) -> AsyncIterator[Opened[BudgetServices]]:
    """Open the ledger, with what keeps it true. Closed after the door to models, whose last settlements it still writes.

    `read_alerts`: reads what was told of budgets.
    """
    options, process_id = settings.budget, uuid4()
    calendar = Calendar(options.time_zone)
    limits, books = BudgetLimits(database, accounts, calendar, options), Books(database, calendar, read_alerts)
    facts = BudgetFacts(database, calendar)
    async with AsyncExitStack() as stack:
        ledger = _ledger(stack, settings, url, process_id=process_id, limits=limits, facts=facts, calendar=calendar)
        keeper = HoldSweeper(database, ledger, process_id=process_id, silent_seconds=options.process_silent_seconds)
        requests = RequestLog(database)
        await keeper.open()
        for closing in (keeper.close, requests.close, ledger.close):
            stack.push_async_callback(_quietly, closing)
        budgets = Budgets(accounts, limits, books, ledger, Corrections(database))
        made = BudgetServices(ledger, budgets, load_prices(), requests, Spending(database, calendar, read_alerts), facts)
        yield made, _part(budgets, loops=tuple(keeper.loops()))


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
        watch=facts.note,
        timeout_seconds=timeout,
    )


def _part(budgets: Budgets, *, loops: tuple[Loop, ...]) -> Part:
    async def spending() -> None:
        metrics.set_budgets(
            [
                (name, to_usd(each.spent), to_usd(each.held), None if each.limit is None else to_usd(each.limit))
                for name, each in await budgets.spending()
            ]
        )

    return Part(name="budget", loops=loops, gauges=[spending])


async def _quietly(closing: Callable[[], Awaitable[None]]) -> None:
    """Close; PostgreSQL may be gone already. What could not be written, the next process's sweep finds."""
    try:
        await closing()
    except Unavailable as error:
        log.warning("closing.unwritten", code=error.code)
