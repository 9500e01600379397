"""Signing in by a person, and how often a wrong key may be tried. A server of its own: what is tried here is held against its address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.integration.api.conftest import Api, serving

WRONG = ("nonsense", "cairn_aaaaaaaaaaaa_" + "b" * 43, "")


@pytest.fixture(scope="module")
async def strict(short_folder: Path) -> AsyncIterator[Api]:
    async with serving(short_folder / "strict", dashboard={"sign_in_tries": 3}, server={"trusted_proxies": ["127.0.0.1"]}) as made:
        yield made


async def signed_in(api: Api, key: str, address: str | None, **headers: str) -> tuple[int, str, str | None]:
    """(status, page, retry-after) of a sign-in through a proxy that says whose it is."""
    sent = headers if address is None else {"x-forwarded-for": address} | headers
    url = f"{api.url}/dashboard/sign-in"
    async with aiohttp.ClientSession() as http, http.post(url, data={"key": key}, headers=sent, allow_redirects=False) as reply:
        return reply.status, await reply.text(), reply.headers.get("retry-after")


async def test_wrong_keys_are_slowed_and_the_right_one_always_gets_in(strict: Api) -> None:
    for wrong in WRONG:
        status, page, _ = await signed_in(strict, wrong, "203.0.113.1")
        assert status == 401
        assert "not valid" in page
    status, page, retry_after = await signed_in(strict, WRONG[0], "203.0.113.1")
    assert status == 429
    assert int(retry_after or 0) > 200
    assert "too many wrong keys came from your address. Try again in" in page
    for _ in range(2):
        assert (await signed_in(strict, strict.key, "203.0.113.1"))[0] == 303
    assert (await signed_in(strict, WRONG[0], "203.0.113.1"))[0] == 429  # a right key between wrong ones buys no tries


async def test_strangers_behind_the_same_proxy_lock_nobody_out(strict: Api) -> None:
    for number in range(40):
        assert (await signed_in(strict, WRONG[0], f"203.0.113.{100 + number}"))[0] == 401
    assert (await signed_in(strict, WRONG[0], "198.51.100.1"))[0] == 401
    assert (await signed_in(strict, strict.key, "198.51.100.2"))[0] == 303


async def test_an_address_that_a_client_forwards_itself_frees_nobody_of_their_count(strict: Api) -> None:
    for number in range(4):
        found = await signed_in(strict, WRONG[0], f"192.0.2.{number}, 203.0.113.9", forwarded=f"for=192.0.2.{number}")
    assert found[0] == 429


async def test_an_ipv6_network_has_the_tries_of_one_address(strict: Api) -> None:
    for number in range(4):
        found = await signed_in(strict, WRONG[0], f"2001:db8:1:1::{number}")
    assert found[0] == 429


async def test_the_cookie_is_secure_where_the_proxy_says_https(strict: Api) -> None:
    url, data = f"{strict.url}/dashboard/sign-in", {"key": strict.key}
    async with aiohttp.ClientSession() as http:
        for proto, secure in (("https", True), ("http", False)):
            headers = {"x-forwarded-for": "198.51.100.7", "x-forwarded-proto": proto}
            async with http.post(url, data=data, headers=headers, allow_redirects=False) as reply:
                assert ("Secure" in reply.headers["set-cookie"]) is secure
