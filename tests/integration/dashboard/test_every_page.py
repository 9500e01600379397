"""Every page that the router has, as a visitor's browser shows it; the checks themselves; what charts tell."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.integration.api.conftest import Api
from tests.integration.dashboard.conftest import Door
from tests.performance.check_pages import SHORT, addresses_of, check_all, table
from tests.performance.page_checks import BROKEN, CLIPPED, OVERFLOW, PATIENCE_MS, STRUCTURE

pytestmark = pytest.mark.slow

WHOLE = '<html lang="en"><title>T</title><meta name="viewport" content="width=device-width"><main><h1>T</h1>'


async def test_every_page_is_accessible_light_quiet_and_whole_at_any_width(api: Api, chromium: Browser) -> None:
    keys, addresses = await addresses_of(api, developer="elif")
    checked = await check_all(chromium, api.url, keys, addresses, SHORT)
    assert len(checked) >= len(SHORT) * 20
    assert not [each for each in checked if each.misses], table(checked)


@pytest.mark.parametrize(
    ("page", "probe", "told"),
    [
        ("<main><p>No title</p>", STRUCTURE, ["no title", "no lang", "0 h1", "no meta viewport"]),
        (f"{WHOLE}<p style='width: 900px'>wide</p>", OVERFLOW, ["wider than the window by"]),
        (f"{WHOLE}<p style='overflow: hidden; width: 20px; white-space: nowrap'>cut off</p>", CLIPPED, ["text is clipped in p"]),
        (f"{WHOLE}<p style='width: 3ch; word-break: break-all'>Schifffahrt</p>", BROKEN, ['"Schifffahrt" is broken']),
        (f"{WHOLE}<p style='width: 3ch; overflow-wrap: anywhere'><code>src/Schifffahrt</code></p>", BROKEN, []),
        (f"{WHOLE}<p>whole</p>", OVERFLOW, []),
    ],
    ids=["structure", "overflow", "clipped", "broken word", "a path may break", "nothing"],
)
async def test_what_is_wrong_with_a_page_is_told(chromium: Browser, page: str, probe: str, told: list[str]) -> None:
    window = await chromium.new_page(viewport={"width": 375, "height": 700})
    window.set_default_timeout(PATIENCE_MS)
    await window.set_content(page)
    found = await window.evaluate(probe)
    await window.close()
    assert len(found) == len(told), found
    assert all(any(words in each for each in found) for words in told), found


async def test_a_chart_tells_the_figures_under_the_pointer_as_its_table_does(door: Door) -> None:
    async with door.visit(door.api.key) as visit:
        page = visit.page
        await visit.go("/dashboard/spend")
        await page.wait_for_function("() => Charts.of('chart-by-day')")
        await page.hover("#chart-by-day", position={"x": 60, "y": 40})
        row = await page.locator("#card-by-day tbody tr").first.evaluate(
            "row => [row.cells[0], row.cells[row.cells.length - 1]].map(each => each.textContent)"
        )
        told = await page.inner_text("#card-by-day .tip")
        assert row[0] in told
        assert row[1] in told
        await page.mouse.move(2, 2)
        assert await page.locator("#card-by-day .tip").is_hidden()


async def test_systems_charts_lead_to_their_figures_which_are_told_under_the_pointer(door: Door) -> None:
    async with door.visit(door.api.key) as visit:
        page = visit.page
        await visit.go("/dashboard/system")
        await page.wait_for_function("() => Charts.of('chart-load')")
        await page.hover("#chart-load", position={"x": 200, "y": 40})
        told = (await page.inner_text("#over-load .tip")).split("\n")
        await page.click("#over-load a:text-is('Show as a table')")
        assert await page.inner_text("h1") == "CPU and memory of the machine"
        cells = await page.locator(f"#figures tr:has(th:text-is('{told[0]}')) td").all_inner_texts()
        assert sorted(each.split("  ")[0].strip() for each in told[1:] if each.strip()) == sorted(cells)
