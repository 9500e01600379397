"""Signs in to the dashboard with a key: as a client that keeps cookies, and as somebody who fills in the form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import aiohttp

if TYPE_CHECKING:
    from playwright.async_api import Page

PLACE = "/dashboard/sign-in"


class Served(Protocol):
    """A server that is running."""

    @property
    def url(self) -> str: ...


@asynccontextmanager
async def signed_in(server: Served, key: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client that is signed in with this key."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.post(server.url + PLACE, data={"key": key}, allow_redirects=False) as reply:
            assert reply.status == 303, await reply.text()
        yield http


async def cookie_header(server: Served, key: str) -> str:
    """Sign in, and return the header by which another client is signed in, too."""
    async with signed_in(server, key) as http:
        return "; ".join(f"{each.key}={each.value}" for each in http.cookie_jar)


async def fill_in_key(page: Page, server: Served, key: str) -> None:
    """Sign in on a browser's page, with the form."""
    await page.goto(server.url + PLACE)
    await page.fill("#key", key)
    await page.click("button.main")
