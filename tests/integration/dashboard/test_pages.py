"""Pages for everybody: readable by a screen reader, usable from 360 px, unmoved by hostile names, light, and quiet."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.integration.api.conftest import lesson
from tests.integration.dashboard.conftest import Door, key_of
from tests.performance.page_checks import OVERFLOW, named_violations

pytestmark = pytest.mark.slow

PAGES = (
    "team",
    "spend",
    "spend?by=session&range=year",
    "calls",
    "calls?range=90d&developer=nobody&min_cost=x",
    "now",
    "developers/elif",
    "people",
    "people?q=nobody-of-this-name",
    "people/elif",
    "people/elif/remove",
    "invitations",
    "projects",
    "knowledge",
    "knowledge/items",
    "sessions",
    "sessions?project=nowhere&since=2999-01-01&subject=NATS&order=oldest",
    "prompts",
    "prompts?developer=nobody",
    "knowledge/items?state=recorded&session=x",
    "knowledge?q=why+did+we+pick+NATS+over+Kafka",
    "system",
    "nowhere",
)
HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror=window.hacked=1>",
    "gnp.exe \u05de\u05d9\u05db\u05dc \u0645\u0644\u0641",
    "W" * 200,
    "{{ 7 * 7 }} ' \" & </script><!--",
)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_axe_finds_nothing_serious_on_any_page(door: Door, dark: bool) -> None:
    found: list[str] = []
    async with door.visit(dark=dark) as visit:
        await visit.go("/dashboard/sign-in")
        found += await named_violations(visit.page, "sign-in")
    async with door.visit(await key_of(door.api, "elif"), dark=dark) as visit:
        found += await named_violations(visit.page, "budget")
    async with door.visit(door.api.key, dark=dark) as visit:
        for page in PAGES:
            await visit.go(f"/dashboard/{page}")
            await visit.page.evaluate("() => document.querySelectorAll('details').forEach(each => { each.open = true; })")
            found += await named_violations(visit.page, page)
            if page == "nowhere":
                visit.said.clear()  # the browser logs the 404 that was asked for
    assert not found, "\n".join(found)


async def test_hostile_names_are_shown_and_nothing_more(door: Door) -> None:
    """As the ledger might hold them from elsewhere: the room of accounts refuses most of them."""
    team, services = f"hostile-{uuid4().hex[:8]}", door.api.services
    assert (await door.api.ask("POST", "/v1/teams", json={"name": team})).status == 201
    async with services.database.begin() as connection:
        for each in HOSTILE:
            await connection.execute(
                text(
                    "insert into developers (id, team_id, name, monthly_limit_nanousd) select gen_random_uuid(), id, :name, 8330000000 from teams where name = :team"
                ),
                {"name": each, "team": team},
            )
            await connection.execute(
                text(
                    "insert into request_log (request_id, developer_id, team_id, purpose, project, model_asked, provider, model_answered, attempts,"
                    " cache, nanousd, saved_nanousd, milliseconds, status)"
                    " select :request, id, team_id, :other, :other, :other, :other, :other, 1, 'miss', 0, 0, 5, 200 from developers where name = :name"
                ),
                {"name": each, "other": f"\u202e{each}", "request": uuid4().hex},
            )
            await connection.execute(
                text("insert into knowledge_unanswered (team_id, question) select id, :name from teams where name = :team"),
                {"name": each, "team": team},
            )
    await door.api.ingest(lesson("hostile").replace("hostile", "<b onclick=1>"), team=team, name="<script>1</script>.jsonl", project="<i>x")
    async with door.visit(door.api.key, width=360, height=780) as visit:
        page = visit.page
        for path in ("team", "spend", "calls", "calls?by=project", "knowledge", "knowledge?q=%3Cscript%3Ewindow.hacked=1%3C/script%3E"):
            await visit.go(f"/dashboard/{path}{'&' if '?' in path else '?'}team={team}")
            assert await page.evaluate("() => window.hacked") is None
            assert not await page.evaluate(OVERFLOW), path
        await visit.go(f"/dashboard/team?team={team}")
        shown = await page.locator("#people tbody th bdi").evaluate_all("all => all.map(each => each.textContent)")
        assert set(shown) == set(HOSTILE)
        await visit.shot("hostile-360")
        for link in await page.locator("#people tbody th a").evaluate_all("all => all.map(each => each.getAttribute('href'))"):
            await visit.go(link)
            assert await page.locator("#calls tbody tr").count() == 1, link
            assert await page.evaluate("() => window.hacked") is None
            assert not await page.evaluate(OVERFLOW), link
        answer = await visit.context.request.get(f"{door.api.url}/dashboard/team.csv?team={team}")
        assert (await answer.text()).count("\n") == 1 + len(HOSTILE)


@pytest.mark.parametrize("width", [360, 768, 1280, 3840])
async def test_no_page_is_wider_than_its_window(door: Door, width: int) -> None:
    async with door.visit(door.api.key, width=width) as visit:
        for page in ("team", "spend", "calls", "now", "developers/elif", "knowledge?q=deploy", "system"):
            await visit.go(f"/dashboard/{page}")
            await visit.page.wait_for_function(
                "() => !document.querySelector('script[data-chart]') || Charts.of(document.querySelector('.plot canvas').id)"
            )
            assert not await visit.page.evaluate(OVERFLOW), page


async def test_everything_can_be_reached_and_done_with_the_keyboard(door: Door) -> None:
    async with door.visit(door.api.key) as visit:
        page = visit.page
        await page.keyboard.press("Tab")
        assert await page.evaluate("() => document.activeElement.className") == "skip"
        seen = set()
        for _ in range(40):
            await page.keyboard.press("Tab")
            seen.add(await page.evaluate("() => document.activeElement.id || document.activeElement.textContent.trim().slice(0, 20)"))
        assert {"Cairn", "Knowledge", "System", "theme", "Sign out", "filter", "CSV", "Spent"} <= seen
        await page.focus("button.edit >> nth=0")
        await page.keyboard.press("Enter")
        assert await page.evaluate("() => document.activeElement.name") == "amount_usd"
        await page.keyboard.press("Escape")
        assert await page.evaluate("() => document.activeElement.className") == "edit"


async def test_the_theme_is_chosen_by_a_button_and_stays(door: Door) -> None:
    async with door.visit(door.api.key) as visit:
        paper = "() => getComputedStyle(document.body).backgroundColor"
        before = await visit.page.evaluate(paper)
        await visit.page.click("#theme")
        after = await visit.page.evaluate(paper)
        assert before != after
        await visit.go("/dashboard/knowledge")
        assert await visit.page.evaluate(paper) == after


async def test_a_key_is_made_shown_once_and_revoked_after_a_question(door: Door) -> None:
    async with door.visit(door.api.key) as visit:
        page = visit.page
        await visit.go("/dashboard/people/uma")
        await page.click("button:text-is('Create a key')")
        key = await page.input_value("#secret")
        assert (await door.api.ask("GET", "/v1/budget", key=key)).json["developer"] == "uma"
        await visit.go("/dashboard/people/uma")
        assert key not in await page.content()
        await page.locator("a.danger").first.click()
        await page.click("a:text-is('Keep it')")
        assert (await door.api.ask("GET", "/v1/budget", key=key)).status == 200
        await page.locator("a.danger").first.click()
        await page.click("button:text-is('Revoke the key')")
        await page.wait_for_selector(".chip:text-is('revoked')")
        assert (await door.api.ask("GET", "/v1/budget", key=key)).status == 401


async def test_knowledge_cites_its_source_and_what_finds_nothing_is_remembered_without_its_secret(door: Door) -> None:
    async with door.visit(await key_of(door.api, "ada")) as visit:  # the session is another's
        await visit.go("/dashboard/knowledge?q=why+did+we+pick+NATS+over+Kafka")
        await visit.page.locator("#answer figcaption a").first.click()
        assert "NATS" not in await visit.page.inner_text("#cited")
        assert await visit.page.locator("#not-shown").count() == 1
    async with door.visit(door.api.key) as visit:  # who sent the session
        page = visit.page
        await visit.go("/dashboard/knowledge?q=why+did+we+pick+NATS+over+Kafka")
        assert "NATS" in await page.locator("#answer").inner_text()
        await page.locator("#answer figcaption a").first.click()
        assert await page.locator("#cited").count() == 1
        await visit.go("/dashboard/knowledge?q=why+did+we+pick+NATS+over+Kafka")
        await page.locator(".result figcaption a").first.click()
        assert "NATS" in await page.inner_text("#cited")
        for kind, other in (("passage", "item"), ("item", "passage")):
            await visit.go(f"/dashboard/knowledge?q=why+did+we+pick+NATS+over+Kafka&type={kind}")
            assert await page.locator(f"#results .result.{kind}").count() >= 1
            assert await page.locator(f"#results .result.{other}").count() == 0
            assert await page.locator("#type").input_value() == kind
        await visit.go("/dashboard/knowledge?q=why+did+we+pick+NATS+over+Kafka&type=passage")
        await page.locator(".result.passage figcaption a").first.click()
        assert "NATS" in await page.inner_text("#cited")
        secret = "sk-ant-api03-" + "Zq8" * 20
        question = f"zebra xylophone {secret} quokka"
        await visit.go(f"/dashboard/knowledge?q={question.replace(' ', '+')}")
        assert await page.locator("#results .result, #answer").count() == 0
        await page.wait_for_selector("#unanswered li:has-text('zebra xylophone')")
        assert secret not in await page.inner_text("#unanswered")


async def test_a_developer_without_a_call_and_a_team_without_knowledge_are_told_so(door: Door) -> None:
    team = f"new-{uuid4().hex[:8]}"
    key = await door.api.developer(team)
    async with door.visit(key) as visit:
        page = visit.page
        assert await page.inner_text("#left") == "$8.33"
        assert "no spending yet" in await page.inner_text("#hero")
        assert "No call yet" in await page.inner_text("#calls")
        await visit.go("/dashboard/knowledge")
        assert "No sessions yet" in await page.inner_text("main")
        await visit.shot("empty")
