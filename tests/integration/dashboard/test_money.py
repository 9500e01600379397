"""What the pages say of money is what the ledger says, to the nano-dollar behind each figure and to the cent in front."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import text

from app.budget.holds import Attempt, Estimate, Payer, Settlement
from app.budget.prices import TokenBounds, TokenUsage
from app.dashboard import formatting
from tests.integration.api.conftest import Api
from tests.integration.api.door import open_door
from tests.integration.dashboard.conftest import Door, key_of

pytestmark = pytest.mark.slow


async def one(api: Api, sql: str, **values: object) -> int:
    async with api.services.database.begin() as connection:
        return int((await connection.execute(text(sql), values)).scalar_one() or 0)


SPENT = "select sum(m.nanousd) from budget_movements m join developers d on d.id = m.developer_id where d.name = :name"


async def test_my_budget_says_what_the_ledger_says(door: Door) -> None:
    spent = await one(door.api, SPENT, name="ines")
    tokens = await one(door.api, SPENT.replace("m.nanousd", "m.input_tokens"), name="ines")
    saved = await one(
        door.api,
        "select sum(saved_nanousd) from request_log r join developers d on d.id = r.developer_id where d.name = :name",
        name="ines",
    )
    async with door.visit(await key_of(door.api, "ines")) as visit:
        page = visit.page
        assert await visit.value(".tile:has(dt:text-is('Spent'))") == spent
        assert await page.locator(".tile:has(dt:text-is('Spent')) data").inner_text() == formatting.dollars(spent)
        own = await page.locator(".tile data").first.get_attribute("title")
        assert own is not None
        assert own.startswith("$")
        assert await visit.value("#left") == 8_330_000_000 - spent or await visit.value("#left") > 0
        for part in ("#models", "#purposes"):
            values = await page.locator(f"{part} data").evaluate_all("all => all.map(each => each.value)")
            assert sum(map(int, values)) == spent, part
        assert int(await page.locator("#tokens data").first.get_attribute("value") or "") == tokens
        assert await visit.value("#saved") == saved


async def test_the_chart_its_table_and_the_ledgers_days_are_the_same(door: Door) -> None:
    async with door.api.services.database.begin() as connection:
        query = text("select day, nanousd from budget_days where subject_id = (select id from developers where name = 'ines')")
        days = {row.day: row.nanousd for row in await connection.execute(query)}
    async with door.visit(await key_of(door.api, "ines")) as visit:
        table = visit.page.locator("#card-by-day tbody tr")
        shown = await table.evaluate_all("rows => rows.map(row => row.cells[row.cells.length - 1].textContent)")
        whole = door.api.services.budget.spending.days_of(door.api.services.budget.spending.month())
        assert shown == [formatting.dollars(days.get(day, 0)) for day in whole]
        drawn = await visit.page.evaluate("() => Charts.of('chart-by-day').data.series.map(each => each.values.length)")
        assert drawn
        assert set(drawn) == {len(whole)}


async def test_the_teams_table_adds_up_to_the_teams_balance_and_its_csv_is_exact(door: Door) -> None:
    team = "select spent_nanousd from budget_balances where subject = 'team' and subject_id = (select id from teams where name = 'default')"
    async with door.visit(door.api.key) as visit:
        await visit.page.wait_for_selector("#people")
        amounts = await visit.page.locator("#people tbody tr").evaluate_all(
            "rows => rows.map(row => row.cells[2].querySelector('data').value)"
        )
        spent = await one(door.api, team)
        assert len(amounts) >= 40
        assert sum(map(int, amounts)) == spent
        assert await visit.value("#team-spent") == spent
        answer = await visit.context.request.get(door.api.url + "/dashboard/team.csv")
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
        assert sum(round(float(row["spent_usd"]) * 10**9) for row in rows) == spent


async def test_the_table_sorts_by_exact_amounts_and_finds_by_name(door: Door) -> None:
    async with door.visit(door.api.key) as visit:
        page = visit.page
        await page.click("#people thead button:text-is('Spent')")
        assert await page.locator("#people thead th[aria-sort]").get_attribute("aria-sort") == "descending"
        amounts = await page.locator("#people tbody tr td:nth-child(3) data").evaluate_all("all => all.map(each => Number(each.value))")
        assert amounts == sorted(amounts, reverse=True)
        await page.focus("#people thead button:text-is('Spent')")
        await page.keyboard.press("Enter")
        assert await page.locator("#people thead th[aria-sort]").get_attribute("aria-sort") == "ascending"
        await page.fill("#filter", "INE")
        assert await page.locator("#people tbody tr:visible").count() == 1


async def test_a_limit_that_is_raised_in_place_ends_the_refusal_and_names_its_author(door: Door) -> None:
    async with open_door(door.api, "one", limit_usd=0.0) as models:
        refused = await models.chat("hello")
        assert (refused.status, refused.error["code"]) == (402, "budget_exceeded")
        async with door.visit(door.api.key) as visit:
            page = visit.page
            row = page.locator("#people tbody tr", has=page.locator(f"a:has-text('{models.developer}')"))
            assert "limit" not in await row.locator(".chip").all_inner_texts()
            await row.locator("button.edit").click()
            await page.keyboard.type("nonsense")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("form.inline .problem:not(:empty)")
            assert "amount in dollars" in await page.inner_text("form.inline .problem")
            visit.said.clear()  # the browser logs each 422 that a script gets
            await page.fill("form.inline [name=amount_usd]", "$1,000.50")
            await page.keyboard.press("Enter")
            await page.wait_for_function(
                "name => document.querySelector(`[data-limit='${name}'] data`)?.textContent === '$1,000.50'", arg=models.developer
            )
        answered = await models.chat("hello")
        assert answered.status == 200, answered.text
        history = await door.api.ask("GET", f"/v1/budgets/{models.developer}/movements")
        change = next(each for each in history.json["movements"] if each["kind"] == "limit")
        assert (change["actor"], change["note"], change["amount"]) == ("admin", "in the dashboard", 1000.5)


async def test_an_open_page_shows_a_new_charge_without_being_loaded_again(door: Door) -> None:
    services = door.api.services
    view = await services.accounts.find_developer("yara")
    async with door.visit(await key_of(door.api, "yara")) as visit:
        await visit.page.wait_for_selector("#live[data-state=on]")
        await visit.page.evaluate("() => { window.same = true; }")
        before = await visit.value(".tile:has(dt:text-is('Spent'))")
        hold = await services.budget.ledger.hold(
            Payer(view.id, view.team_id), Attempt("live-1", 1, "groq", "m"), Estimate(TokenBounds(10, 10), 500_000_000)
        )
        await visit.page.wait_for_function("() => document.querySelector('.tile:nth-child(2) data').value === '500000000'")
        await services.budget.ledger.settle(hold, Settlement(TokenUsage(input=10), 123_456_789, "usage"))
        await visit.page.wait_for_function(f"() => document.querySelector('.tile data').value === '{before + 123_456_789}'")
        assert await visit.page.evaluate("() => window.same")
        drawn = await visit.page.evaluate(
            "() => Charts.of('chart-by-day').data.series.flatMap(each => each.values).reduce((a, b) => a + b, 0)"
        )
        assert abs(drawn * 10**9 - before - 123_456_789) < 100
