"""Opens the money: the ledger with its own connections, and what keeps it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from uuid import uuid4

from app.accounts.accounts import Accounts
from app.budget.alerts import Alerts
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
from app.queue.outbox import Outbox
from app.services.services import Money
from app.services.tasks import owned, quietly
from app.settings import Settings
from app.storage.database import Database
from app.storage.direct import Direct


async def open_budget(stack: AsyncExitStack, settings: Settings, database: Database, accounts: Accounts, outbox: Outbox, url: str) -> Money:
    """The ledger with what keeps it: two connections of its own, the heartbeat, the alerts."""
    options, process_id = settings.budget, uuid4()
    calendar, prices = Calendar(options.time_zone), load_prices()
    limits, books = Limits(database, accounts, calendar, options), Books(database, calendar)
    alerts = Alerts(database, calendar, accounts, outbox, team_tokens_a_day=options.team_tokens_a_day)
    directs = [Direct(settings.database, url, name=f"cairn {name}", timeout_seconds=options.timeout_seconds) for name in ("holds", "ends")]
    for direct in directs:
        stack.push_async_callback(direct.close)
    ledger = Ledger(
        holds=directs[0],
        endings=directs[1],
        calendar=calendar,
        process_id=process_id,
        open_period=limits.open_period,
        watch=alerts.watch,
        timeout_seconds=options.timeout_seconds,
    )
    keeper = Keeper(database, ledger, process_id=process_id, silent_seconds=options.process_silent_seconds)
    requests = RequestLog(database)
    await keeper.open()
    for closing in (keeper.close, requests.close, ledger.close):
        stack.push_async_callback(quietly, closing)
    await stack.enter_async_context(owned(keeper.run(), name="budget keeper"))
    await stack.enter_async_context(owned(alerts.run(), name="budget alerts"))
    return Money(ledger, Budgets(accounts, limits, books, ledger, Corrections(database)), prices, requests, Spending(database, calendar))
