"""The dashboard as people see it: the whole application, a month of forty developers, and Debian's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests import month
from tests.conftest import ROOT
from tests.integration.api.conftest import Api, serving
from tests.signing_in import fill_in_key
from tests.waiting import PATIENCE_SECONDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTIFACTS = ROOT / "artifacts"
SESSIONS = ROOT / "examples" / "sessions"


@dataclass(slots=True)
class Visit:
    """A browser of its own, signed in; what it said and asked of others is held against the page."""

    api: Api
    context: BrowserContext
    page: Page
    said: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        await self.page.goto(self.api.url + path)

    async def value(self, selector: str) -> int:
        """The exact amount behind a figure, in nano-dollars."""
        return int(await self.page.locator(f"{selector} data").first.get_attribute("value") or "")

    async def shot(self, name: str, *, whole: bool = True) -> Path:
        """A screenshot, kept as an artifact; charts are drawn and still."""
        ARTIFACTS.mkdir(exist_ok=True)
        await self.page.wait_for_function("() => document.fonts.ready.then(() => true)")
        await self.page.evaluate(
            "async () => { for (let y = 0; y < document.body.scrollHeight; y += 500) { scrollTo(0, y); await new Promise(requestAnimationFrame); } scrollTo(0, 0); await new Promise(requestAnimationFrame); }"
        )
        path = ARTIFACTS / f"{name}.png"
        await self.page.screenshot(path=path, full_page=whole)
        return path


@pytest.fixture(scope="session")
async def api(short_folder: Path) -> AsyncIterator[Api]:
    """The application with a seeded month, what the example sessions teach, and a day of measurements."""
    async with serving(short_folder / "dashboard", dashboard={"live_seconds": 0.2}, budget={"team_tokens_a_day": 12_000_000}) as made:
        await month.seed(made.services)
        await month.seed_measures(made.services)
        for session in sorted(SESSIONS.iterdir()):
            await made.ingest(session.read_bytes(), name=session.name)
        yield made


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium isn't installed: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        await browser.close()


@dataclass(frozen=True, slots=True)
class Door:
    """Opens browsers."""

    api: Api
    chromium: Browser

    @asynccontextmanager
    async def visit(self, key: str | None = None, *, width: int = 1280, height: int = 900, dark: bool = False) -> AsyncIterator[Visit]:
        """A new browser; signed in where a key is given. At its end: no console error, no request to another host."""
        context = await self.chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        page = await context.new_page()
        visit = Visit(self.api, context, page)
        page.on("console", lambda message: visit.said.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: visit.said.append(str(error)))
        host = urlsplit(self.api.url).netloc
        page.on("request", lambda asked: visit.elsewhere.append(asked.url) if urlsplit(asked.url).netloc not in {host, ""} else None)
        if key is not None:
            await fill_in_key(page, self.api, key)
            await page.wait_for_selector("h1:not(:text('Sign in'))")
        try:
            yield visit
        finally:
            await context.close()
        assert not visit.said, visit.said
        assert not visit.elsewhere, visit.elsewhere


@pytest.fixture
def door(api: Api, chromium: Browser) -> Door:
    return Door(api, chromium)


async def key_of(api: Api, developer: str) -> str:
    made = await api.ask("POST", f"/v1/developers/{developer}/keys")
    assert made.status == 201, made.text
    return str(made.json["key"])
