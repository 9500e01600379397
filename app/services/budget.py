"""Opens the money: the ledger with its own connections, and what keeps it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from uuid import uuid4

from app.accounts.accounts import Accounts
from app.budget.alerting import AlertReader, BudgetFacts
from app.budget.books import Books
from app.budget.budgets import Budgets
from app.budget.corrections import Corrections
from app.budget.keeper import Keeper
from app.budget.ledger import Ledger
from app.budget.limits import Limits
from app.budget.periods import Calendar
from app.budget.prices import load as load_prices
from app.budget.requests import RequestLog
from app.budget.spending import Spending
from app.services.services import Money
from app.services.tasks import owned, quietly
from app.settings import Settings
from app.storage.database import Database
from app.storage.direct import Direct


async def open_budget(
    stack: AsyncExitStack, settings: Settings, database: Database, accounts: Accounts, read_alerts: AlertReader, url: str
) -> Money:
    """Open the ledger with what keeps it: two connections of its own, the heartbeat. `read_alerts`: what was told of budgets."""
    options, process_id = settings.budget, uuid4()
    calendar, prices = Calendar(options.time_zone), load_prices()
    limits, books = Limits(database, accounts, calendar, options), Books(database, calendar, read_alerts)
    facts = BudgetFacts(database, calendar)
    directs = [Direct(settings.database, url, name=f"cairn {name}", timeout_seconds=options.timeout_seconds) for name in ("holds", "ends")]
    for direct in directs:
        stack.push_async_callback(direct.close)
    ledger = Ledger(
        holds=directs[0],
        endings=directs[1],
        calendar=calendar,
        process_id=process_id,
        open_period=limits.open_period,
        watch=facts.note,
        timeout_seconds=options.timeout_seconds,
    )
    keeper = Keeper(database, ledger, process_id=process_id, silent_seconds=options.process_silent_seconds)
    requests = RequestLog(database)
    await keeper.open()
    for closing in (keeper.close, requests.close, ledger.close):
        stack.push_async_callback(quietly, closing)
    await stack.enter_async_context(owned(keeper.run(), name="budget keeper"))
    budgets, spending = Budgets(accounts, limits, books, ledger, Corrections(database)), Spending(database, calendar, read_alerts)
    return Money(ledger, budgets, prices, requests, spending, facts)
