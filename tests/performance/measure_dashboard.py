"""The dashboard over 1,000,000 ledger rows of 500 developers: its queries' plans and times, first paint and weight of its pages.

.venv/bin/python tests/performance/measure_dashboard.py      needs Chromium for the pages
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from playwright.async_api import async_playwright
from sqlalchemy import event

from tests.integration.api.conftest import Api, serving
from tests.performance.past_calls import past_calls

ROWS, TIMES = 1_000_000, 9
PLAN_WORDS = ("Scan", "Join", "Loop")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-dash-", dir="/tmp") as scratch:
        settings = {"database": {"statement_timeout_seconds": 600}, "log": {"level": "warning"}}
        async with serving(Path(scratch) / "data", **settings) as api:
            for statement in past_calls(ROWS):
                async with api.services.database.begin() as connection:
                    await connection.exec_driver_sql(statement)
            async with api.services.database._engine.connect() as connection:
                await (await connection.execution_options(isolation_level="AUTOCOMMIT")).exec_driver_sql("vacuum analyze")
            await queries(api)
            await pages(api)


async def queries(api: Api) -> None:
    services = api.services
    spending, budgets, accounts = services.budget.spending, services.budget.budgets, services.accounts
    period, team_id = spending.month(), await accounts.team_id("big")
    views = await accounts.list_developers(team_id=team_id)
    one, ids = views[7].id, [each.id for each in views]
    work: dict[str, Callable[[], Awaitable[Any]]] = {
        "a developer's month": lambda: spending.read_slices(one, period),
        "saved by caches": lambda: spending.read_savings(one, period),
        "last calls": lambda: spending.read_requests(one, limit=25),
        "days of 501 subjects": lambda: spending.read_days([team_id, *ids], period),
        "budgets of 500": lambda: budgets.get_many(views),
        "developers of the team": lambda: accounts.list_developers(team_id=team_id),
        "limits that changed": lambda: spending.read_limit_changes(team_id, limit=8),
        "alerts": lambda: spending.read_alerts([one, team_id], period),
        "live, of a developer": lambda: spending.read_version(one, team=False),
        "live, of the team": lambda: spending.read_version(team_id, team=True),
    }
    engine, said = services.database._engine, dict[str, Any]()

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: Any) -> None:
        said[statement] = parameters

    for name, ask in work.items():
        said.clear()
        event.listen(engine.sync_engine, "before_cursor_execute", note)
        await ask()
        event.remove(engine.sync_engine, "before_cursor_execute", note)
        times = []
        for _ in range(TIMES):
            began = time.perf_counter()
            await ask()
            times.append((time.perf_counter() - began) * 1000)
        print(f"{name:24} p50 {statistics.median(times):6.1f} ms", flush=True)
        for statement, parameters in said.items():
            if statement.lstrip().upper().startswith("SELECT") and "budget_processes" not in statement:
                async with engine.connect() as connection:
                    plan = await connection.exec_driver_sql(f"explain (costs off) {statement}", parameters)
                    print("\n".join(f"    {row[0]}" for row in plan if any(word in row[0] for word in PLAN_WORDS)))


async def pages(api: Api) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Chromium isn't installed: no page was measured.")
        return
    key = (await api.ask("POST", "/v1/developers/developer007/keys")).json["key"]
    admins = ("/team?team=big", "/developers/developer007?team=big", "/knowledge?team=big", "/system")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for its_key, paths in ((api.key, admins), (key, ("/budget",))):
            page = await (await browser.new_context()).new_page()
            await page.goto(f"{api.url}/dashboard/sign-in")
            await page.fill("#key", its_key)
            await page.click("button.main")
            await page.wait_for_selector("nav")
            for path in paths:
                paints, firsts, weight = [], [], 0
                for _ in range(TIMES):
                    answer = await page.goto(f"{api.url}/dashboard{path}")
                    assert answer is not None
                    weight = len(await answer.body())
                    await page.wait_for_timeout(400)
                    found = await page.evaluate(
                        "() => [performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.getEntriesByType('navigation')[0].responseStart]"
                    )
                    paints.append(found[0])
                    firsts.append(found[1])
                print(
                    f"{path:36} first paint p50 {statistics.median(paints):4.0f} ms, first byte {statistics.median(firsts):4.0f} ms, {weight / 1000:4.0f} kB"
                )
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
