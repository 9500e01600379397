"""Signing in with an OpenID provider: the whole application, and a provider from a package that runs on a thread of this process."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest

from app.dashboard.state import FAILED_RETURNS
from app.dashboard.throttle import Throttle
from tests.integration.api.conftest import Api, serving
from tests.integration.dashboard.test_privacy import token_of
from tests.signing_in import signed_in

pytestmark = pytest.mark.filterwarnings("default")  # the provider's deprecations would be errors of its answers
SECRET = "the-secret-of-this-client-at-the-provider"
BEGIN, CALLBACK = "/dashboard/sign-in/openid", "/dashboard/sign-in/openid/callback"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The address of a provider that lets in whoever says who they are."""
    from oidc_provider_mock import run_server_in_thread  # late: Flask and authlib are for these tests alone

    with run_server_in_thread(require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
async def office(short_folder: Path, provider: str) -> AsyncIterator[Api]:
    """A server that knows the provider, and ada, who is known there too."""
    openid = {"issuer": provider, "client_id": "cairn", "client_secret": SECRET, "name": "Acme & Co", "timeout_seconds": 60}
    async with serving(short_folder / "openid", openid=openid, server={"public_url": "http://localhost:8080"}) as made:
        await made.ask("POST", "/v1/developers", json={"name": "ada@example.com"})
        yield made


@pytest.fixture(scope="module")
async def away(short_folder: Path) -> AsyncIterator[Api]:
    """A server whose provider doesn't answer."""
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        openid = {"issuer": f"http://127.0.0.1:{taken.getsockname()[1]}", "client_id": "cairn", "name": "Acme", "timeout_seconds": 60}
        async with serving(short_folder / "away", openid=openid, server={"public_url": "https://cairn.example.com"}) as made:
            yield made


@dataclass(slots=True)
class Browser:
    """A browser that keeps cookies and follows no redirect by itself: the public address leads to the tests' server."""

    api: Api
    http: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, str, str]:
        """(status, page, location)."""
        async with self.http.get(self.api.url + path, allow_redirects=False) as reply:
            return reply.status, await reply.text(), reply.headers.get("location", "")

    async def agree(self, address: str, subject: str, **form: str) -> str:
        """Say to the provider who one is: returns the callback's path and query."""
        async with self.http.post(address, data={"sub": subject} | form, allow_redirects=False) as reply:
            assert reply.status == 302, await reply.text()
            back = urlsplit(reply.headers["location"])
        assert (back.scheme, back.netloc, back.path) == ("http", "localhost:8080", CALLBACK)
        return f"{back.path}?{back.query}"

    async def sign_in(self, subject: str, *, wanted: str = "") -> tuple[int, str, str]:
        status, _, address = await self.get(BEGIN + (f"?{urlencode({'next': wanted})}" if wanted else ""))
        assert status == 303
        return await self.get(await self.agree(address, subject))

    def cookies(self) -> set[str]:
        return {cookie.key for cookie in self.http.cookie_jar}


@pytest.fixture
async def browser(office: Api) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Browser(office, http)


@pytest.fixture(scope="module")
async def people(office: Api, provider: str) -> None:
    """Who the provider knows, and what it says of them."""
    for name in ("ada", "eve"):
        claims = {"email": f"{name}@example.com", "email_verified": True}
        async with office.http.put(f"{provider}/users/{name}-1", json=claims) as reply:
            assert reply.status == 204
    async with office.http.put(f"{provider}/users/mallory-1", json={"email": "ada@example.com", "email_verified": False}) as reply:
        assert reply.status == 204


async def test_the_sign_in_page_offers_the_provider_above_the_key_without_a_script(browser: Browser) -> None:
    status, page, _ = await browser.get("/dashboard/sign-in?next=/dashboard/spend")
    assert status == 200
    link = '<a class="button main" href="/dashboard/sign-in/openid?next=/dashboard/spend">Sign in with Acme &amp; Co</a>'
    assert link in page
    assert page.index(link) < page.index('id="key"')


async def test_a_developer_signs_in_sees_their_pages_and_signs_out(browser: Browser, people: None) -> None:
    status, _, place = await browser.sign_in("ada-1", wanted="/dashboard/knowledge?project=quay")
    assert (status, place) == (303, "/dashboard/knowledge?project=quay")
    assert browser.cookies() == {"cairn_dashboard"}  # the one of the way there is gone
    status, page, _ = await browser.get("/dashboard/budget")
    assert status == 200
    assert "ada@example.com" in page
    assert (await browser.get("/dashboard/team"))[0] == 403
    token = page.split('name="csrf" value="')[1].split('"')[0]
    async with browser.http.post(f"{browser.api.url}/dashboard/sign-out", data={"csrf": token}, allow_redirects=False) as reply:
        assert reply.status == 303
    assert (await browser.get("/dashboard/budget"))[2].startswith("/dashboard/sign-in")


async def test_without_a_page_asked_for_the_first_one_opens_and_no_other_sites(browser: Browser, people: None) -> None:
    for wanted in ("", "https://evil.example/", "//evil.example", "/v1/me", "/dashboard/../../x", "\\\\evil.example"):
        assert (await browser.sign_in("ada-1", wanted=wanted))[2] == "/dashboard"


async def test_cookies_are_kept_from_scripts_other_sites_and_other_pages(browser: Browser) -> None:
    async with browser.http.get(browser.api.url + BEGIN, allow_redirects=False) as reply:
        set_cookie = reply.headers["set-cookie"]
        assert "Secure" not in set_cookie  # the public address is http
        found = SimpleCookie(set_cookie)["cairn_openid"]
    assert (found["httponly"], found["samesite"], found["path"], found["max-age"]) == (True, "lax", BEGIN, "600")


async def test_a_disabled_developer_is_signed_out_at_once_and_told_so_when_they_try_again(browser: Browser, people: None) -> None:
    await browser.sign_in("ada-1")
    assert (await browser.get("/dashboard/budget"))[0] == 200
    try:
        assert (await browser.api.ask("PATCH", "/v1/developers/ada@example.com", json={"disabled": True})).status == 200
        assert (await browser.get("/dashboard/budget"))[0] == 303
        status, page, _ = await browser.sign_in("ada-1")
        assert status == 401
        assert "ada@example.com is disabled" in page
        assert 'id="key"' in page
    finally:
        await browser.api.ask("PATCH", "/v1/developers/ada@example.com", json={"disabled": False})


async def test_somebody_unknown_or_unverified_sees_what_to_do_and_may_use_a_key(browser: Browser, people: None) -> None:
    status, page, _ = await browser.sign_in("eve-1")
    assert status == 401
    assert "knows you as eve@example.com, and there is no developer of that name here" in page
    status, page, _ = await browser.sign_in("mallory-1")
    assert status == 401
    assert "isn&#39;t verified" in page
    assert 'id="key"' in page
    assert "cairn_dashboard" not in browser.cookies()


async def test_a_removed_developer_is_signed_out_told_so_and_signs_in_once_they_are_added_again(
    browser: Browser, provider: str, people: None
) -> None:
    api, claims = browser.api, {"email": "rei@example.com", "email_verified": True}
    async with api.http.put(f"{provider}/users/rei-1", json=claims) as reply:
        assert reply.status == 204
    for _ in range(2):
        assert (await api.ask("POST", "/v1/developers", json={"name": "rei@example.com"})).status == 201
        assert (await browser.sign_in("rei-1"))[0] == 303
        assert (await browser.get("/dashboard/budget"))[0] == 200
        assert (await api.ask("DELETE", "/v1/developers/rei@example.com?sessions=keep")).status == 200
        assert (await browser.get("/dashboard/budget"))[2].startswith("/dashboard/sign-in")
        status, page, _ = await browser.sign_in("rei-1")
        assert (status, "rei@example.com was removed. Ask an admin to add you again" in page, "is disabled" in page) == (401, True, False)


async def test_an_admin_links_and_unlinks_a_developer_by_the_api(browser: Browser, people: None) -> None:
    api = browser.api
    await api.ask("POST", "/v1/developers", json={"name": "eve"})
    linked = await api.ask("PUT", "/v1/developers/eve/openid", json={"email": "Eve@example.com"})
    assert (linked.status, linked.json["email"], linked.json["subject"]) == (200, "eve@example.com", None)
    assert (await browser.sign_in("eve-1"))[0] == 303
    assert "eve" in (await browser.get("/dashboard/budget"))[1]
    listed = (await api.ask("GET", "/v1/openid/accounts")).json["accounts"]
    assert [each["subject"] for each in listed if each["developer"] == "eve"] == ["eve-1"]
    assert (await api.ask("DELETE", "/v1/developers/eve/openid")).status == 204
    assert (await browser.get("/dashboard/budget"))[0] == 303
    assert (await api.ask("DELETE", "/v1/developers/eve/openid")).status == 404
    assert (await api.ask("PUT", "/v1/developers/eve/openid", json={"email": "nonsense"})).error["param"] == "email"
    assert (await api.ask("PUT", "/v1/developers/nobody/openid", json={"email": "a@example.com"})).status == 404


async def test_only_an_admin_sees_and_changes_accounts_at_the_provider(office: Api) -> None:
    key = await office.developer()
    for method, path in (("GET", "/v1/openid"), ("GET", "/v1/openid/accounts"), ("DELETE", "/v1/developers/ada@example.com/openid")):
        assert (await office.ask(method, path, key=key)).status == 403


async def test_whoever_cancels_at_the_provider_is_told_so(browser: Browser) -> None:
    _, _, address = await browser.get(BEGIN)
    state = dict(parse_qsl(urlsplit(address).query))["state"]
    words = urlencode({"state": state, "error": "access_denied", "error_description": "<script>alert(1)</script> no"})
    status, page, _ = await browser.get(f"{CALLBACK}?{words}")
    assert status == 401
    assert "&lt;script&gt;alert(1)&lt;/script&gt; no" in page
    assert "<script>alert" not in page


async def test_a_link_that_another_browser_began_signs_nobody_in(office: Api, browser: Browser, people: None) -> None:
    _, _, address = await browser.get(BEGIN)
    callback = await browser.agree(address, "ada-1")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        victim = Browser(office, http)
        for _ in range(2):  # also one that has begun a sign-in of its own
            status, page, _ = await victim.get(callback)
            assert status == 401
            assert "not begun in this browser" in page
            assert not victim.cookies() - {"cairn_openid"}
            await victim.get(BEGIN)
    assert (await browser.get(callback))[0] == 303
    assert (await browser.get(callback))[0] == 401  # once


async def test_an_address_whose_sign_ins_fail_again_and_again_waits_before_the_provider_is_asked(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Throttle(FAILED_RETURNS, tries=2, seconds=600)
    monkeypatch.setattr(browser.api.app.state.dashboard, "failed_returns", limit)
    for _ in range(3):  # nothing of this browser's: nobody is asked, and it doesn't count
        assert (await browser.get(f"{CALLBACK}?state=x&code=x"))[0] == 401
    for expected in (401, 401, 429):
        _, _, address = await browser.get(BEGIN)
        state = dict(parse_qsl(urlsplit(address).query))["state"]
        status, page, _ = await browser.get(f"{CALLBACK}?{urlencode({'state': state, 'error': 'access_denied'})}")
        assert status == expected
    assert "Too many sign-ins with the provider failed from your address" in page
    async with browser.http.post(f"{browser.api.url}/dashboard/sign-in", data={"key": browser.api.key}, allow_redirects=False) as reply:
        assert reply.status == 303


async def test_an_admin_is_told_whether_the_provider_can_be_used(office: Api, provider: str) -> None:
    found = (await office.ask("GET", "/v1/openid")).json
    assert found == {"name": "Acme & Co", "issuer": provider, "callback": f"http://localhost:8080{CALLBACK}", "problem": None}


async def test_a_provider_that_is_away_leaves_the_key(away: Api) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(away.url + BEGIN, allow_redirects=False) as reply:
            page = await reply.text()
            assert (reply.status, int(reply.headers["retry-after"]) > 0) == (503, True)
        assert "Acme can&#39;t be used to sign in at the moment: it can&#39;t be reached" in page
        assert 'id="key"' in page
        async with http.post(away.url + "/dashboard/sign-in", data={"key": away.key}, allow_redirects=False) as reply:
            assert (reply.status, "Secure" in reply.headers["set-cookie"]) == (303, True)  # the public address is https
    assert "can't be reached" in (await away.ask("GET", "/v1/openid")).json["problem"]


async def test_an_invitation_leads_to_the_public_address(away: Api, office: Api) -> None:
    made = await away.ask("POST", "/v1/developers/ada/invitations")
    assert made.json["link"].startswith("https://cairn.example.com/invite/")
    async with signed_in(office, office.key) as http:  # its cookie isn't for https alone
        form = {"csrf": await token_of(office, http), "once": "1", "expires": "", "team": "default", "role": "developer", "name": "bo"}
        for path, sent in (("people", form), ("people/bo/invitations", form | {"once": "2"})):
            async with http.post(f"{office.url}/dashboard/{path}", data=sent, allow_redirects=False) as reply:
                assert reply.status == 201
                assert 'value="http://localhost:8080/invite/' in await reply.text()


async def test_without_a_provider_nothing_of_it_is_offered(api: Api) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(api.url + "/dashboard/sign-in") as reply:
            assert "sign-in/openid" not in await reply.text()
        for path in (BEGIN, CALLBACK):
            async with http.get(api.url + path, allow_redirects=False) as reply:
                assert reply.status == 404
    assert (await api.ask("GET", "/v1/openid")).json == {"name": None, "issuer": None, "callback": None, "problem": None}
    await api.ask("POST", "/v1/developers", json={"name": "openid-off"})
    refused = await api.ask("PUT", "/v1/developers/openid-off/openid", json={"email": "a@example.com"})
    assert (refused.status, "off here" in refused.error["message"]) == (409, True)
