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

ROWS, TIMES = 1_000_000, 9
FILL = f"""
insert into teams (id, name) values (md5('t')::uuid, 'big');
insert into developers (id, team_id, name, monthly_limit_nanousd)
  select md5('d' || n)::uuid, md5('t')::uuid, 'developer' || lpad(n::text, 3, '0'), 80000000000 from generate_series(0, 499) n;
insert into budget_holds (id, request_id, attempt, developer_id, team_id, period_start, day, process_id, provider, model, nanousd, tokens, state,
                          created_at, ended_at)
  select md5('h' || n)::uuid, md5('r' || n), 1, md5('d' || (n % 500))::uuid, md5('t')::uuid, date_trunc('month', at), at::date, md5('p')::uuid,
         (array['groq','anthropic','openai','gemini'])[1 + (n / 500) % 4], (array['llama','claude','gpt','flash'])[1 + (n / 500) % 4],
         40000000, 6000, 'settled', at, at + interval '2 s'
  from generate_series(1, {ROWS}) n, lateral (select now() - interval '90 days' * (1 - n / {ROWS}.0) as at) moment;
insert into budget_movements (at, kind, mark, developer_id, team_id, period_start, hold_id, request_id, attempt, provider, model, input_tokens,
                              output_tokens, cached_input_tokens, held_nanousd, nanousd, tokens)
  select ended_at, 'settle', 'usage', developer_id, team_id, period_start, id, request_id, 1, provider, model, 3000, 500, 100, nanousd, 16500000, 3500
  from budget_holds order by created_at;
insert into request_log (at, request_id, developer_id, team_id, purpose, model_asked, provider, model_answered, attempts, cache, nanousd,
                         saved_nanousd, milliseconds, status)
  select created_at, request_id, developer_id, team_id, (array['chat','review','tests'])[1 + abs(hashtext(request_id) % 3)], model, provider, model, 1,
         case when hashtext(request_id) % 9 = 0 then 'memory' else 'miss' end, nanousd, 0, 9000, 200 from budget_holds order by created_at;
insert into budget_days (subject_id, day, nanousd, tokens)
  select developer_id, day, count(*) * 16500000, sum(tokens) from budget_holds group by 1, 2
  union all select team_id, day, count(*) * 16500000, sum(tokens) from budget_holds group by 1, 2;
insert into budget_balances (subject_id, subject, period_start, period_end, limit_nanousd, spent_nanousd)
  select developer_id, 'developer', period_start, period_start + interval '1 month', 80000000000, count(*) * 16500000 from budget_holds group by 1, 3
  union all select team_id, 'team', period_start, period_start + interval '1 month', null, count(*) * 16500000 from budget_holds group by 1, 3
"""
PLAN_WORDS = ("Scan", "Join", "Loop")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-dash-", dir="/tmp") as scratch:
        settings = {"database": {"statement_timeout_seconds": 600}, "log": {"level": "warning"}}
        async with serving(Path(scratch) / "data", **settings) as api:
            for statement in FILL.split(";\n"):
                async with api.house.database.begin() as connection:
                    await connection.exec_driver_sql(statement)
            async with api.house.database._engine.connect() as connection:
                await (await connection.execution_options(isolation_level="AUTOCOMMIT")).exec_driver_sql("vacuum analyze")
            await queries(api)
            await pages(api)


async def queries(api: Api) -> None:
    house = api.house
    spending, budgets, accounts = house.budget.spending, house.budget.budgets, house.accounts
    period, team_id = spending.month(), await accounts.team_id("big")
    views = await accounts.list_developers(team_id=team_id)
    one, ids = views[7].id, [each.id for each in views]
    work: dict[str, Callable[[], Awaitable[Any]]] = {
        "a developer's month": lambda: spending.slices(one, period),
        "saved by caches": lambda: spending.saved(one, period),
        "last calls": lambda: spending.calls(one, limit=25),
        "days of 501 subjects": lambda: spending.days([team_id, *ids], period),
        "budgets of 500": lambda: budgets.among(views),
        "developers of the team": lambda: accounts.list_developers(team_id=team_id),
        "limits that changed": lambda: spending.limit_changes(team_id, limit=8),
        "alerts": lambda: spending.alerts([one, team_id], period),
        "live, of a developer": lambda: spending.mark(one, team=False),
        "live, of the team": lambda: spending.mark(team_id, team=True),
    }
    engine, said = house.database._engine, dict[str, Any]()

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
