"""Where money went and the calls behind it: exact, narrowed by the address, and patient with addresses that make no sense."""

from __future__ import annotations

import csv
import io
from datetime import UTC, timedelta
from unittest.mock import patch
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import text

from app import clock
from app.budget.holds import Attempt, Estimate, Payer, Settlement
from app.budget.prices import TokenBounds, TokenUsage
from app.budget.requests import RequestOutcome, RequestRecord
from tests.integration.api.conftest import Api
from tests.integration.dashboard.conftest import Door, key_of
from tests.performance.page_checks import OVERFLOW
from tests.signing_in import signed_in

DIMENSIONS = ("model", "provider", "project", "purpose", "developer", "session", "day")
NONSENSE = (
    "range=nonsense",
    "from=2999-01-01",
    "from=2026-11-20&to=2026-11-01",
    "from=0001-01-01&to=9999-12-31",
    "from=yesterday",
    "from=2026-02-30",
    "developer=nobody-at-all",
    "by=nonsense",
    "project=deleted&model=%00%F0%9F%92%A9&range=%3Cscript%3E",
    "session=" + "x" * 500,
    "before=9999",
    "min_cost=-1&outcome=exploded&cached=perhaps",
    "min_cost=nan",
    "text=%25%5F%27%22%5C",
    "month=2999-13",
)


async def lead_of(api: Api, team: str = "default") -> tuple[str, str]:
    name = f"lead-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "team": team, "role": "lead"})).status == 201
    return name, await key_of(api, name)


async def one(api: Api, sql: str, **values: object) -> int:
    async with api.services.database.begin() as connection:
        return int(await connection.scalar(text(sql), values) or 0)


BALANCE = (
    "select spent_nanousd from budget_balances where subject_id = (select id from teams where name = 'default') and period_start = :start"
)


@pytest.mark.parametrize("by", DIMENSIONS)
async def test_the_route_and_its_csv_add_up_to_the_teams_balance(api: Api, by: str) -> None:
    spent = await one(api, BALANCE, start=api.services.budget.spending.month().start)
    _, key = await lead_of(api)
    reply = await api.ask("GET", f"/v1/budget/spend?by={by}", key=key)
    assert reply.status == 200, reply.text
    assert sum(round(part["spent_usd"] * 10**9) for part in reply.json["parts"]) == round(reply.json["spent_usd"] * 10**9) == spent
    file = await api.ask("GET", f"/v1/budget/spend.csv?by={by}", key=key)
    *parts, total = csv.DictReader(io.StringIO(file.text))
    assert sum(round(float(part["spent_usd"]) * 10**9) for part in parts) == round(float(total["spent_usd"]) * 10**9) == spent


async def test_a_developer_gets_their_own_by_route_and_nobody_elses(api: Api) -> None:
    name = await caller(api, 3)
    await charge(api, name, 2_000_000)
    key = await key_of(api, name)
    own = await api.ask("GET", "/v1/budget/spend?by=developer", key=key)
    assert [part["key"] for part in own.json["parts"]] == [name]
    calls = await api.ask("GET", "/v1/budget/calls?limit=200", key=key)
    assert {call["developer"] for call in calls.json["calls"]} == {name}
    for path in ("spend", "spend.csv", "calls", "calls.csv", "calls/statistics"):
        assert (await api.ask("GET", f"/v1/budget/{path}?developer=bjarne", key=key)).status == 403, path


async def test_a_lead_of_another_team_finds_nothing_of_this_one(api: Api) -> None:
    team = f"other-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/teams", json={"name": team})).status == 201
    _, key = await lead_of(api, team)
    assert (await api.ask("GET", "/v1/budget/spend", key=key)).json["spent_usd"] == 0
    assert (await api.ask("GET", "/v1/budget/calls", key=key)).json["calls"] == []
    assert (await api.ask("GET", "/v1/budget/spend?developer=bjarne", key=key)).status == 404
    assert (await api.ask("GET", "/v1/budget/spend?team=default", key=key)).status == 403
    assert (await api.ask("GET", f"/v1/budget/spend?team={team}")).json["team"] == team  # the admin's


@pytest.mark.parametrize(
    "query",
    ["from=2999-01-01", "from=2026-11-20&to=2026-11-01", "from=x", "by=x", "outcome=x", "min_cost_usd=-1", "cursor=x", "developer=nobody"],
)
async def test_a_route_says_what_is_wrong_with_a_query(api: Api, query: str) -> None:
    path = "spend" if query.startswith(("from", "by", "developer")) else "calls"
    reply = await api.ask("GET", f"/v1/budget/{path}?{query}")
    assert reply.status in {400, 404, 422}, reply.text
    assert reply.error["message"]


async def test_pages_of_calls_hold_each_once_and_the_csv_holds_all(api: Api) -> None:
    _, key = await lead_of(api)
    name = await caller(api, 230)
    found, cursor = list[str](), ""
    while True:
        reply = await api.ask("GET", f"/v1/budget/calls?developer={name}&limit=100{cursor}", key=key)
        found += [call["request_id"] for call in reply.json["calls"]]
        if reply.json["next_cursor"] is None:
            break
        cursor = f"&cursor={reply.json['next_cursor']}"
    rows = list(csv.DictReader(io.StringIO((await api.ask("GET", f"/v1/budget/calls.csv?developer={name}", key=key)).text)))
    assert [row["request_id"] for row in rows] == found
    assert len(found) == len(set(found)) == 230
    counted = await api.ask("GET", f"/v1/budget/calls/statistics?developer={name}&by=model", key=key)
    assert counted.json["total"]["calls"] == len(found) == sum(part["calls"] for part in counted.json["parts"])


@pytest.mark.parametrize("query", NONSENSE)
async def test_an_address_without_sense_shows_the_nearest_view_and_says_so(api: Api, query: str) -> None:
    _, key = await lead_of(api)
    said = False
    async with signed_in(api, key) as http:
        for page in ("spend", "calls", "team", "budget"):
            async with http.get(f"{api.url}/dashboard/{page}?{query}") as reply:
                shown = await reply.text()
                assert reply.status == 200, (page, shown)
                assert "<script>" not in shown.replace("<script src", "")
                said |= 'role="alert"' in shown or "No call matches" in shown or "Nothing was spent on such calls" in shown
            if page in {"spend", "calls"}:
                async with http.get(f"{api.url}/dashboard/{page}.csv?{query}") as reply:
                    assert reply.status < 500, page
    assert said


async def test_a_lead_and_an_auditor_read_the_team_and_change_nothing(api: Api) -> None:
    name = f"auditor-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "role": "auditor"})).status == 201
    for key in ((await lead_of(api))[1], await key_of(api, name)):
        async with signed_in(api, key) as http:
            for path in ("team", "team.csv", "developers/bjarne", "developers/bjarne/movements.csv", "spend?by=developer", "live?of=team"):
                async with http.get(f"{api.url}/dashboard/{path}") as reply:
                    assert reply.status == 200, path
                    shown = await reply.content.read(2**20) if "live" not in path else b""
                    assert b"data-limit" not in shown
                    assert b"Save limit" not in shown
            async with http.get(f"{api.url}/dashboard/team") as reply:
                token = (await reply.text()).split('name="csrf" value="')[1].split('"')[0]
            for path in ("team/limit", "developers/bjarne/limit", "people/bjarne/keys"):
                async with http.post(
                    f"{api.url}/dashboard/{path}", data={"csrf": token, "amount_usd": "1"}, allow_redirects=False
                ) as reply:
                    assert reply.status == 403, path
            async with http.get(f"{api.url}/dashboard/system") as reply:
                assert reply.status == 403
                assert "Admins only" in await reply.text()


async def test_an_earlier_month_shows_the_limits_and_refusals_of_then(api: Api) -> None:
    team, name = f"past-{uuid4().hex[:8]}", f"past-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/teams", json={"name": team})).status == 201
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "team": team, "monthly_limit_usd": 3})).status == 201
    services, view = api.services, await api.services.accounts.find_developer(name)
    then = (services.budget.spending.month().start - timedelta(days=3)).astimezone(UTC)
    with patch("app.clock.now", return_value=then):
        hold = await services.budget.ledger.hold(
            Payer(view.id, view.team_id), Attempt(uuid4().hex, 1, "groq", "m"), Estimate(TokenBounds(10, 10), 10**9)
        )
        await services.budget.ledger.settle(hold, Settlement(TokenUsage(input=10), 123_000_000, "usage"))
    refused = text(
        "insert into request_log (at, request_id, developer_id, team_id, purpose, model_asked, attempts, cache, nanousd, saved_nanousd,"
        " milliseconds, status) values (:at, :id, :developer, :team, 'chat', 'auto', 0, 'miss', 0, 0, 1, 402)"
    )
    async with services.database.begin() as connection:
        await connection.execute(refused, {"at": then, "id": uuid4().hex, "developer": view.id, "team": view.team_id})
    assert (await api.ask("PUT", f"/v1/budgets/{name}", json={"monthly_limit_usd": 77})).status == 200
    month = f"{then:%Y-%m}"
    async with signed_in(api, await key_of(api, name)) as http, http.get(f"{api.url}/dashboard/budget?month={month}") as reply:
        own = await reply.text()
    async with signed_in(api, api.key) as http:
        async with http.get(f"{api.url}/dashboard/team?team={team}&month={month}") as reply:
            whole = await reply.text()
        async with http.get(f"{api.url}/dashboard/team.csv?team={team}&month={month}") as reply:
            (row,) = csv.DictReader(io.StringIO(await reply.text()))
        async with http.get(f"{api.url}/dashboard/team?team={team}") as reply:
            assert "$77.00" in await reply.text()
    for shown in (own, whole):
        assert f"Spent in {then:%B %Y}" in shown
        assert 'value="123000000"' in shown
        assert "$3.00" in shown
        assert "$77.00" not in shown.split("Limit changes")[0]
        assert 'data-of="' not in shown
    assert (row["spent_usd"], row["limit_usd"], row["refused_calls"]) == ("0.123", "3", "1")


async def test_what_is_charged_in_another_month_is_not_in_this_one(api: Api) -> None:
    today = clock.now().date()
    reply = await api.ask("GET", f"/v1/budget/spend?from={today - timedelta(days=400)}&to={today - timedelta(days=370)}")
    assert (reply.json["spent_usd"], reply.json["parts"]) == (0, [])


async def spender(api: Api, *, limit_usd: float = 3) -> tuple[str, str]:
    """A new developer in a team of their own: (team, developer)."""
    team, name = f"team-{uuid4().hex[:8]}", f"dev-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/teams", json={"name": team})).status == 201
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "team": team, "monthly_limit_usd": limit_usd})).status == 201
    return team, name


async def charge(api: Api, name: str, nanousd: int, *, provider: str = "groq", ago: timedelta = timedelta()) -> None:
    view = await api.services.accounts.find_developer(name)
    with patch("app.clock.now", return_value=clock.now() - ago):
        hold = await api.services.budget.ledger.hold(
            Payer(view.id, view.team_id), Attempt(uuid4().hex, 1, provider, "m"), Estimate(TokenBounds(10, 10), nanousd)
        )
        await api.services.budget.ledger.settle(hold, Settlement(TokenUsage(input=10), nanousd, "usage"))


async def caller(api: Api, times: int) -> str:
    """A new developer of the team with so many calls of now in the log: the month may have just begun."""
    name = f"dev-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": name})).status == 201
    who, requests = await api.services.accounts.find_developer(name), api.services.budget.requests
    for _ in range(times):
        requests.add(
            RequestRecord(
                request_id=uuid4().hex,
                developer_id=who.id,
                team_id=who.team_id,
                purpose="chat",
                model_asked="auto",
                attempts=1,
                cache="miss",
                nanousd=0,
                saved_nanousd=0,
                milliseconds=5,
                status=RequestOutcome.ANSWERED,
                provider="groq",
                model_answered="llama-3.3",
            )
        )
    await requests._writing.finish()
    return name


async def shown(api: Api, path: str) -> str:
    async with signed_in(api, api.key) as http, http.get(f"{api.url}/dashboard/{path}") as reply:
        assert reply.status == 200, await reply.text()
        return await reply.text()


async def test_who_was_removed_stays_in_the_table_so_that_it_adds_up(api: Api) -> None:
    team, name = await spender(api)
    other = f"dev-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": other, "team": team})).status == 201
    await charge(api, name, 120_000_000)
    await charge(api, other, 3_000_000)
    gone = await api.ask("DELETE", f"/v1/developers/{name}", params={"sessions": "keep"})
    page = await shown(api, f"team?team={team}")
    table, sums = page.split('id="people-rows"')[1].split("</tbody>")
    assert f"{gone.json['name']}</bdi></th>" in table  # without a link: it has no page
    assert 'value="120000000"' in table
    assert 'value="123000000"' in sums.split("</tfoot>")[0]
    assert "1 developer</p>" in page
    rows = list(csv.DictReader(io.StringIO(await shown(api, f"team.csv?team={team}"))))
    assert {row["developer"]: (row["spent_usd"], row["left_usd"]) for row in rows} == {
        other: ("0.003", "8.327"),
        gone.json["name"]: ("0.12", ""),
    }


async def test_of_an_earlier_month_no_limit_can_be_saved_and_none_is_told_where_there_was_none(api: Api) -> None:
    team, name = await spender(api)
    late = f"dev-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": late, "team": team, "monthly_limit_usd": 5})).status == 201
    await charge(api, name, 2_000_000, ago=timedelta(days=clock.now().day + 2))
    month = f"{clock.now() - timedelta(days=clock.now().day + 2):%Y-%m}"
    for path in (f"team?team={team}", f"developers/{name}?team={team}"):
        assert "Save limit" in await shown(api, path), path
        assert "Save limit" not in await shown(api, f"{path}&month={month}"), path
    page = await shown(api, f"team?team={team}&month={month}")
    assert page.split(f">{late}</bdi>")[1].split("</tr>")[0].count("no limit") == 2
    rows = {row["developer"]: row for row in csv.DictReader(io.StringIO(await shown(api, f"team.csv?team={team}&month={month}")))}
    assert [(rows[each]["limit_usd"], rows[each]["left_usd"], rows[each]["at_risk"]) for each in (name, late)] == [
        ("3", "2.998", ""),
        ("", "", ""),
    ]


async def test_on_the_first_days_no_pace_is_told(api: Api) -> None:
    team, name = await spender(api)
    await charge(api, name, 2_550_000_000)
    own = await shown(api, f"developers/{name}?team={team}")
    assert "85 % of the limit is spent" in own
    whole = await shown(api, f"team?team={team}")
    assert "For 1 developer it is too early to tell the pace." in whole
    for page in (own, whole):
        assert "on course" not in page
        assert "every limit lasts" not in page
    await charge(api, name, 300_000_000)
    assert "it is too early to tell whether the rest lasts the month" in await shown(api, f"developers/{name}?team={team}")


async def test_a_month_that_was_opened_in_another_time_zone_is_shown_whole(api: Api) -> None:
    team, name = await spender(api)
    await charge(api, name, 2_000_000, ago=timedelta(days=clock.now().day + 2))
    view, month = await api.services.accounts.find_developer(name), f"{clock.now() - timedelta(days=clock.now().day + 2):%Y-%m}"
    async with api.services.database.begin() as connection:
        await connection.execute(text("set local session_replication_role = replica"))
        for table in ("balances", "holds", "movements"):
            end = ", period_end = period_end - interval '5 hours'" if table == "balances" else ""
            subject = "subject_id" if table == "balances" else "developer_id"
            await connection.execute(
                text(f"update budget_{table} set period_start = period_start - interval '5 hours'{end} where {subject} = :id"),
                {"id": view.id},
            )
    page = await shown(api, f"developers/{name}?team={team}&month={month}")
    assert 'role="alert"' not in page
    assert 'value="2000000"' in page.split('id="left"')[1].split("</p>")[0]
    assert f">{'m'}</bdi>" in page.split('id="models"')[1].split("</section>")[0]


async def test_a_part_by_model_leads_to_its_own_providers_calls_and_nothing_is_new_that_cost_nothing(api: Api) -> None:
    team, name = await spender(api)
    await charge(api, name, 2_000_000, provider="groq")
    await charge(api, name, 0, provider="local")
    page = await shown(api, f"spend?by=model&team={team}")
    paid, free = page.split('id="spend-table"')[1].split("<tbody>")[1].split("</tbody>")[0].split("</tr>")[:2]
    for row, provider, change in ((paid, "groq", "new"), (free, "local", "–")):
        assert f"provider={provider}" in row.split('href="')[1].split('"')[0]
        assert f'data-label="Change">{change}</td>' in row


async def test_a_cursor_of_calls_goes_on_after_midnight_with_the_days_that_it_began_with(api: Api) -> None:
    name = await caller(api, 230)
    wanted = [each["request_id"] for each in (await api.ask("GET", f"/v1/budget/calls?developer={name}&limit=200")).json["calls"]]
    first = await api.ask("GET", f"/v1/budget/calls?developer={name}&limit=50")
    with patch("app.clock.now", return_value=clock.now() + timedelta(days=40)):  # the 1st of the month, by default, is another
        second = await api.ask("GET", f"/v1/budget/calls?developer={name}&limit=50&cursor={first.json['next_cursor']}")
    assert [each["request_id"] for page in (first, second) for each in page.json["calls"]] == wanted[:100]
    today, page = api.services.budget.spending.today(), await shown(api, f"calls?developer={name}&range=month")
    assert f"from={today.replace(day=1)}&amp;to={today}" in page.split('id="further" href="')[1].split('"')[0]


@pytest.mark.slow
async def test_each_part_of_the_page_leads_to_its_calls_and_the_view_is_an_address(door: Door) -> None:
    async with door.visit(door.api.key) as visit:
        page = visit.page
        await visit.go("/dashboard/spend?by=purpose&range=month")
        spent = await one(door.api, BALANCE, start=door.api.services.budget.spending.month().start)
        assert await visit.value("#total") == spent
        amounts = await page.locator("#spend-table tbody td.strong data").evaluate_all("all => all.map(each => Number(each.value))")
        assert sum(amounts) == spent
        await page.click("#spend-table tbody tr:has-text('review') a")
        assert "purpose=review" in page.url
        shown = await page.locator("#calls tbody td[data-label='Purpose'] > .name").all_inner_texts()
        assert shown
        assert set(shown) == {"review"}
        again = page.url
        await page.click("#further")
        assert await page.locator("#calls tbody tr").count() == 50
        await page.goto(again)
        assert await page.locator("#purpose").input_value() == "review"
        async with page.expect_download() as file:
            await page.click("#find a:text-is('CSV')")
        path = await (await file.value).path()
        assert {row["purpose"] for row in csv.DictReader(io.StringIO(path.read_text()))} == {"review"}


@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1280])
async def test_editing_a_limit_moves_nothing(door: Door, width: int) -> None:
    places = (
        "() => JSON.stringify([...document.querySelectorAll('#people :not(form, form *)')]"
        ".map(each => { const box = each.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }))"
    )
    async with door.visit(door.api.key, width=width) as visit:
        await visit.go("/dashboard/team")
        await visit.page.wait_for_selector("button.edit")
        await visit.page.locator("button.edit").nth(2).scroll_into_view_if_needed()
        before = await visit.page.evaluate(places)
        await visit.page.locator("button.edit").nth(2).click()
        await visit.page.wait_for_selector("form.inline")
        assert await visit.page.evaluate(places) == before
        assert await visit.page.evaluate(
            "() => { const box = document.querySelector('form.inline').getBoundingClientRect(); return box.left >= 0 && box.right <= innerWidth; }"
        )


@pytest.mark.slow
async def test_on_a_phone_rows_are_cards_that_name_their_figures(door: Door) -> None:
    async with door.visit(door.api.key, width=375, height=800) as visit:
        for path in ("team", "spend", "calls", f"developers/{quote('elif')}"):
            await visit.go(f"/dashboard/{path}")
            cards = visit.page.locator("table.cards").first
            assert await cards.locator("thead").is_hidden(), path
            unnamed = await cards.locator("tbody tr:first-child td:visible").evaluate_all(
                "all => all.filter(each => !each.dataset.label).length"
            )
            assert unnamed == 0, path
            assert not await visit.page.evaluate(OVERFLOW), path
