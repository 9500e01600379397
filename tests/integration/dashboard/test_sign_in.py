"""Signing in by a person, and how often a wrong key may be tried. A server of its own: what is tried here is held against its address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.integration.api.conftest import Api, serving


@pytest.fixture(scope="module")
async def strict(short_folder: Path) -> AsyncIterator[Api]:
    async with serving(short_folder / "strict", dashboard={"sign_in_tries": 3, "sign_in_tries_together": 1000}) as made:
        yield made


async def test_wrong_keys_are_counted_and_then_not_even_the_right_one_is_looked_at(strict: Api) -> None:
    async with aiohttp.ClientSession() as http:
        for wrong in ("nonsense", "cairn_aaaaaaaaaaaa_" + "b" * 43, ""):
            async with http.post(f"{strict.url}/dashboard/sign-in", data={"key": wrong}) as reply:
                assert reply.status == 401
                assert "not valid" in await reply.text()
        async with http.post(f"{strict.url}/dashboard/sign-in", data={"key": strict.key}) as reply:
            assert reply.status == 429
            assert int(reply.headers["retry-after"]) > 200
            assert "Too many wrong keys from this address. Try again in" in await reply.text()
