"""A process that calls and pays, for tests that run several and kill some: python -m tests.integration.budget.caller (JSON on stdin)."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from uuid import UUID, uuid4

from app import settings as config
from app import supervision
from app.accounts.accounts import Accounts
from app.budget.hold_sweeper import HoldSweeper
from app.budget.holds import Attempt, Estimate, Payer, Settlement
from app.budget.ledger import Ledger
from app.budget.limits import BudgetLimits
from app.budget.periods import Calendar
from app.budget.prices import TokenBounds, TokenUsage
from app.errors import BudgetExceeded
from app.storage.database import Database
from app.storage.direct import DedicatedConnection


async def main(order: dict[str, object]) -> None:
    url, process_id = str(order["url"]), uuid4()
    options = config.BudgetSettings(team_tokens_a_day=None)
    database = await Database.open(config.DatabaseSettings(), url, name="caller", pool_size=2, max_overflow=2)
    accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)
    calendar = Calendar("UTC")
    limits = BudgetLimits(database, accounts, calendar, options)
    directs = [DedicatedConnection(config.DatabaseSettings(), url, name="caller", timeout_seconds=30) for _ in range(2)]
    ledger = Ledger(
        holds=directs[0],
        endings=directs[1],
        calendar=calendar,
        process_id=process_id,
        open_period=limits.open_period,
        watch=lambda balances, ended: None,
        timeout_seconds=60,
    )
    keeper = HoldSweeper(database, ledger, process_id=process_id, silent_seconds=1)
    await keeper.open()
    beating = asyncio.create_task(supervision.run(*keeper.loops()))
    key = order["key"]
    payer = Payer(UUID(str(order["developer"])), UUID(str(order["team"])), None if key is None else UUID(str(key)))
    prices = random.Random(str(process_id))
    counts = {"granted": 0, "refused": 0, "cheapest_refused": 2**62}

    async def call() -> None:
        low, high = order["prices"]  # type: ignore[misc]
        price = prices.randint(low, high)
        try:
            hold = await ledger.hold(payer, Attempt(uuid4().hex, 1, "fake", "fake-1"), Estimate(TokenBounds(1, 0), price))
        except BudgetExceeded:
            counts["refused"] += 1
            counts["cheapest_refused"] = min(counts["cheapest_refused"], price)
            return
        counts["granted"] += 1
        print("granted", price, flush=True)
        await asyncio.sleep(prices.random() * float(str(order["work_seconds"])))
        await ledger.settle(hold, Settlement(TokenUsage(input=1), price, "usage"))
        print("settled", price, flush=True)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(int(str(order["calls"]))):
            tasks.create_task(call())
    await ledger.close()
    beating.cancel()
    await keeper.close()
    for direct in directs:
        await direct.close()
    await database.close()
    print("counts", json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.stdin.readline())))
