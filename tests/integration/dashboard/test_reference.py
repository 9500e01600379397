"""The API's reference at /docs in Chromium, without the internet; and scripts of another origin, with CORS and without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from tests.integration.api.conftest import Api, serving
from tests.integration.dashboard.conftest import Door
from tests.performance.page_checks import OVERFLOW

pytestmark = pytest.mark.slow

MAX_PACKED_BYTES = 150_000
OPEN_ALL = "() => document.querySelectorAll('details').forEach(each => { each.open = true; })"
ASK = """async ([url, key, more]) => {
  const headers = { authorization: `Bearer ${key}`, ...more };
  const reply = await fetch(url, { headers });
  return { status: reply.status, id: reply.headers.get('x-request-id'), tag: reply.headers.get('etag'), said: await reply.json() };
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_axe_finds_nothing_on_the_reference(door: Door, dark: bool) -> None:
    async with door.visit(dark=dark) as visit:
        await visit.go("/docs")
        await visit.page.evaluate(OPEN_ALL)
        results = await Axe().run(visit.page)
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in results.response["violations"]] == []


async def test_a_route_is_found_and_tried_on_the_reference(door: Door) -> None:
    async with door.visit() as visit:
        await visit.go("/docs")
        page = visit.page
        await page.fill("#key", door.api.key)
        await page.fill("#filter", "list projects")
        assert await page.locator(".route:visible").count() == 1
        await page.click(".route:visible summary")
        await page.click(".route:visible button[type=submit]")
        await page.wait_for_selector(".route:visible .reply pre:has-text('projects')")
        assert "200" in await page.locator(".route:visible .reply p").inner_text()
        shown = await page.locator(".route:visible .command").inner_text()
        assert "$CAIRN_KEY" in shown
        assert door.api.key not in shown
        await visit.shot("reference")


async def test_a_link_opens_the_schema_that_it_leads_to(door: Door) -> None:
    async with door.visit() as visit:
        await visit.go("/docs#schema-ProjectReply")
        assert await visit.page.locator("#schema-ProjectReply").get_attribute("open") is not None


async def test_the_reference_fits_a_phone(door: Door) -> None:
    async with door.visit(width=360, height=780) as visit:
        await visit.go("/docs")
        await visit.page.evaluate(OPEN_ALL)
        assert not await visit.page.evaluate(OVERFLOW)
        await visit.shot("reference-360", whole=False)


async def test_the_reference_reads_without_a_script(door: Door) -> None:
    context = await door.chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{door.api.url}/docs")
    await page.click("summary:has-text('/v1/projects')")
    assert await page.locator("table:visible").count() > 0
    assert await page.locator("form:visible").count() == 0
    await context.close()


async def test_the_reference_is_light(door: Door) -> None:
    packed = 0
    for path in ("/docs", "/docs/reference.css", "/docs/reference.js"):
        reply = await door.api.ask("GET", path, key=None)
        assert reply.headers["content-encoding"] == "gzip"
        packed += int(reply.headers["content-length"])
    assert packed < MAX_PACKED_BYTES


@pytest.fixture(scope="module")
async def elsewhere() -> AsyncIterator[str]:
    """A page of another origin."""

    async def empty(request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><link rel=icon href='data:,'><title>elsewhere</title>", content_type="text/html")

    application = web.Application()
    application.router.add_get("/", empty)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def fetched(chromium: Browser, page_url: str, api: Api, **more: str) -> object:
    """What a script of the page gets of /v1/projects; the name of the error where the browser refuses."""
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(page_url)
    try:
        return await page.evaluate(ASK, [f"{api.url}/v1/projects", api.key, more])
    except Exception as error:
        return str(error)
    finally:
        await context.close()


@pytest.fixture(scope="module")
async def open_to_elsewhere(elsewhere: str, short_folder: Path) -> AsyncIterator[Api]:
    async with serving(short_folder / "cors", server={"cors_origins": (elsewhere,)}) as api:
        yield api


async def test_a_script_of_a_listed_origin_reads_replies_and_their_headers(
    chromium: Browser, elsewhere: str, open_to_elsewhere: Api
) -> None:
    found = await fetched(chromium, elsewhere, open_to_elsewhere)
    assert isinstance(found, dict), found
    assert found["status"] == 200
    assert found["id"]
    assert found["tag"]
    refused = await fetched(chromium, elsewhere, open_to_elsewhere, **{"x-cairn-team": "nobody"})
    assert isinstance(refused, dict), refused
    assert refused["status"] == 404
    assert refused["said"]["error"]["request_id"] == refused["id"]


async def test_a_script_of_another_origin_is_refused_by_the_browser(door: Door, elsewhere: str) -> None:
    assert "Failed to fetch" in str(await fetched(door.chromium, elsewhere, door.api))
