"""Who may see what: by URL, by id, by cookie; what a stolen, forged or old cookie opens; what another site's form changes."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import pytest

from tests.integration.api.conftest import Api
from tests.integration.dashboard.conftest import key_of
from tests.signing_in import signed_in


def cookie_of(http: aiohttp.ClientSession) -> str:
    return next(each.value for each in http.cookie_jar if each.key == "cairn_dashboard")


async def token_of(api: Api, http: aiohttp.ClientSession, page: str = "/dashboard/knowledge") -> str:
    async with http.get(api.url + page) as reply:
        return (await reply.text()).split('name="csrf" value="')[1].split('"')[0]


async def status(http: aiohttp.ClientSession, api: Api, path: str) -> int:
    async with http.get(api.url + path, allow_redirects=False) as reply:
        return reply.status


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/team",
        "/dashboard/team.csv",
        "/dashboard/system",
        "/dashboard/developers/bjarne",
        "/dashboard/developers/bjarne/movements.csv",
        "/dashboard/budget?team=other",
        "/dashboard/live?of=team",
        "/dashboard/live?of=system",
        "/dashboard/live?of=budget&team=other",
        "/dashboard/live?of=budget&developer=bjarne",
        "/dashboard/spend?team=other",
        "/dashboard/calls?team=other",
        "/dashboard/spend?developer=bjarne",
        "/dashboard/spend.csv?developer=bjarne",
        "/dashboard/calls?developer=bjarne",
        "/dashboard/calls.csv?developer=bjarne",
    ],
)
async def test_a_developer_does_not_see_anothers_money(api: Api, path: str) -> None:
    await api.ask("POST", "/v1/teams", json={"name": "other"})
    async with signed_in(api, await key_of(api, "amir")) as http:
        assert await status(http, api, path) == 403
        async with http.get(api.url + "/dashboard/budget?developer=bjarne") as reply:
            assert "bjarne" not in await reply.text()


async def test_a_developer_changes_nothing_of_an_admins(api: Api) -> None:
    async with signed_in(api, await key_of(api, "amir")) as http:
        form = {"csrf": await token_of(api, http), "amount_usd": "999"}
        for path in ("developers/amir/limit", "people/bjarne/keys", f"people/bjarne/keys/{uuid4()}/revoke", "team/limit"):
            async with http.post(f"{api.url}/dashboard/{path}", data=form, allow_redirects=False) as reply:
                assert reply.status == 403, path


async def test_without_a_sign_in_every_page_asks_for_one_and_goes_on_to_it_afterwards(api: Api) -> None:
    async with aiohttp.ClientSession() as http:
        for path in ("", "/budget", "/team", "/spend", "/calls", "/calls.csv", "/knowledge", "/system", "/developers/ada", "/team.csv"):
            async with http.get(f"{api.url}/dashboard{path}", allow_redirects=False) as reply:
                assert reply.status == 303
                assert reply.headers["location"].startswith("/dashboard/sign-in")
        async with http.post(
            f"{api.url}/dashboard/sign-in?next=/dashboard/knowledge", data={"key": await key_of(api, "amir")}, allow_redirects=False
        ) as reply:
            assert reply.headers["location"] == "/dashboard/knowledge"


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/",
        "https:evil.example",
        "https:///dashboard",
        "//evil.example/dashboard",
        "///evil.example/dashboard",
        "/\\evil.example/dashboard",
        "/dashboard\\@evil.example",
        "/\t/evil.example/dashboard",
        "\x01//evil.example",
        "/dashboard/..//evil.example",
        "/dashboard/%2e%2e//evil.example",
        "/dashboard//evil.example",
        "/dashboardevil",
        "/v1/budget",
        "javascript:alert(1)",
        "//[",
    ],
)
async def test_a_sign_in_goes_on_to_pages_of_ours_only(api: Api, place: str) -> None:
    async with aiohttp.ClientSession() as http:
        sent = {"key": await key_of(api, "amir")}
        async with http.post(f"{api.url}/dashboard/sign-in", params={"next": place}, data=sent, allow_redirects=False) as reply:
            assert reply.headers["location"] == "/dashboard"


@pytest.mark.parametrize("path", ["/dashboard/", "//evil.example/..", "/v1/sessions/", "/docs/", "/dashboard/sign-in/", "//dashboard"])
async def test_no_redirect_names_a_host(api: Api, path: str) -> None:
    reader, writer = await asyncio.open_connection(*urlsplit(api.url).netloc.split(":"))
    writer.write(f"GET {path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n".encode())
    head = (await reader.read()).decode().partition("\r\n\r\n")[0]
    writer.close()
    places = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("location: ")]
    assert all(place.startswith("/") and not place.startswith("//") for place in places), places


async def test_the_cookie_holds_no_key_and_is_out_of_reach_of_scripts_and_other_sites(api: Api) -> None:
    key = await key_of(api, "amir")
    url = f"{api.url}/dashboard/sign-in"
    async with aiohttp.ClientSession() as http, http.post(url, data={"key": key}, allow_redirects=False) as reply:
        cookie = reply.headers["set-cookie"]
    _, lookup, secret = key.split("_", 2)
    assert lookup not in cookie
    assert secret not in cookie
    for word in ("HttpOnly", "SameSite=lax", "Max-Age=28800", "Path=/dashboard"):
        assert word in cookie


async def test_a_forged_or_changed_cookie_opens_nothing(api: Api) -> None:
    async with signed_in(api, await key_of(api, "amir")) as mine, signed_in(api, api.key) as admins:
        name, signature = cookie_of(admins).split(".")
        own_name, own_signature = cookie_of(mine).split(".")
        for forged in (f"{name}.{own_signature}", f"{own_name}.{signature}", name, f"{name}.", f"{uuid4()}.{signature}", "x", "é.é"):
            async with aiohttp.ClientSession(cookies={"cairn_dashboard": forged}) as http:
                assert await status(http, api, "/dashboard/budget") == 303, forged


async def test_a_revoked_key_ends_its_sign_in_with_the_next_page(api: Api) -> None:
    made = (await api.ask("POST", "/v1/developers/erik/keys")).json
    async with signed_in(api, made["key"]) as http:
        assert await status(http, api, "/dashboard/budget") == 200
        await api.services.accounts.keys.revoke(made["id"])
        async with http.get(f"{api.url}/dashboard/budget") as reply:
            assert "signed out" in await reply.text()


async def test_signing_out_ends_the_sign_in_not_only_the_cookie(api: Api) -> None:
    async with signed_in(api, await key_of(api, "amir")) as http:
        copy = cookie_of(http)
        async with http.post(f"{api.url}/dashboard/sign-out", data={"csrf": await token_of(api, http)}) as reply:
            assert reply.status == 200
    async with aiohttp.ClientSession(cookies={"cairn_dashboard": copy}) as thief:
        assert await status(thief, api, "/dashboard/budget") == 303


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}])
async def test_another_sites_form_changes_nothing(api: Api, headers: dict[str, str]) -> None:
    async with signed_in(api, api.key) as http:
        form = {"csrf": await token_of(api, http), "amount_usd": "1"}
        async with http.post(f"{api.url}/dashboard/developers/amir/limit", data=form, headers=headers, allow_redirects=False) as reply:
            assert reply.status == 403


@pytest.mark.parametrize("token", [None, "", "x", "AAAA", "é" * 40])
async def test_a_change_without_its_token_is_refused(api: Api, token: str | None) -> None:
    async with signed_in(api, api.key) as http:
        form = {"amount_usd": "1"} | ({} if token is None else {"csrf": token})
        async with http.post(f"{api.url}/dashboard/developers/amir/limit", data=form, allow_redirects=False) as reply:
            assert reply.status == 403


async def test_a_token_of_another_sign_in_is_refused(api: Api) -> None:
    async with signed_in(api, api.key) as one, signed_in(api, api.key) as other:
        form = {"csrf": await token_of(api, one), "amount_usd": "1"}
        async with other.post(f"{api.url}/dashboard/developers/amir/limit", data=form, allow_redirects=False) as reply:
            assert reply.status == 403


async def test_every_page_has_the_strict_headers_and_no_inline_script(api: Api) -> None:
    async with signed_in(api, api.key) as http:
        for path in ("team", "now", "developers/ada", "knowledge", "system", "nowhere"):
            async with http.get(f"{api.url}/dashboard/{path}") as reply:
                policy, page = reply.headers["content-security-policy"], await reply.text()
                assert "unsafe" not in policy
                assert "default-src 'none'" in policy
                assert reply.headers["cache-control"] == "no-store"
                assert " style=" not in page
                assert " onclick" not in page
                assert page.count("<script") == page.count('<script src="/dashboard/assets/') + page.count(
                    '<script type="application/json"'
                )


async def test_errors_are_pages_with_the_right_status(api: Api) -> None:
    async with signed_in(api, api.key) as http:
        for path, wanted in {
            "nowhere": 404,
            "developers/nobody": 404,
            f"sessions/{uuid4()}": 404,
            "sessions/x": 404,
            "team?team=none": 404,
        }.items():
            async with http.get(f"{api.url}/dashboard/{path}") as reply:
                assert reply.status == wanted, path
                assert reply.headers["content-type"].startswith("text/html")
        for nonsense in (
            "developers/%00",
            "sessions/x?at=%00",
            "knowledge?q=%00",
            "knowledge?q=a&type=b",
            "team?team=%ff",
            "system?span=%00",
        ):
            assert await status(http, api, f"/dashboard/{nonsense}") < 500, nonsense


@pytest.mark.parametrize(
    ("typed", "wanted"), [("12,50", 422), ("1,2", 422), ("-1", 422), ("1e9", 422), ("NaN", 422), ("1,200.50", 303), ("$ 7", 303)]
)
async def test_an_amount_that_can_be_misread_is_refused(api: Api, typed: str, wanted: int) -> None:
    async with signed_in(api, api.key) as http:
        form = {"csrf": await token_of(api, http), "amount_usd": typed}
        async with http.post(f"{api.url}/dashboard/developers/viktor/limit", data=form, allow_redirects=False) as reply:
            assert reply.status == wanted, await reply.text()


async def test_a_form_that_cannot_be_read_is_a_page_of_its_own(api: Api) -> None:
    async with signed_in(api, api.key) as http:
        sent = aiohttp.FormData()
        sent.add_field("amount_usd", b"x", filename="a.txt")
        async with http.post(f"{api.url}/dashboard/developers/viktor/limit", data=sent, allow_redirects=False) as reply:
            assert reply.status in {400, 403}
            assert reply.headers["content-type"].startswith("text/html")
