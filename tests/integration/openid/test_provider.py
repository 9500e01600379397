"""The code flow against a provider over HTTP that keeps to the standard, or doesn't."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import pytest

from app import clock
from app.errors import NotAuthenticated, Unavailable
from app.openid import provider as provider_module
from app.openid.http import MAX_BYTES
from app.openid.sign_in import ATTEMPT_SECONDS, OpenIdSignIn
from app.settings import OpenIdSettings
from tests.fakes.openid_provider import (
    CLIENT,
    KEY,
    OTHER_KEY,
    SECRET,
    OpenIdFake,
    endless,
    signed,
    signed_with_text,
    silence,
    text,
    unsigned,
)

CALLBACK = "https://cairn.example.com/dashboard/sign-in/openid/callback"
Change = Callable[[OpenIdFake], None]


@pytest.fixture
async def fake() -> AsyncIterator[OpenIdFake]:
    async with OpenIdFake() as made:
        yield made


def client_of(fake: OpenIdFake, **more: Any) -> OpenIdSignIn:
    settings = OpenIdSettings(issuer=fake.url, client_id=CLIENT, name="Acme", **{"client_secret": SECRET, "timeout_seconds": 30} | more)
    return OpenIdSignIn(settings, callback=CALLBACK, secret_key="k" * 40)


async def signed_in(client: OpenIdSignIn, fake: OpenIdFake, **more: str) -> tuple[str, str]:
    """(subject, wanted page) of a sign-in by somebody who agrees."""
    attempt = await client.begin("/dashboard/spend")
    identity, wanted = await client.complete(attempt.cookie, dict(parse_qsl(fake.consent(attempt.url, **more))))
    return identity.subject, wanted


async def test_somebody_who_agrees_is_identified_and_led_to_the_page_they_wanted(fake: OpenIdFake) -> None:
    assert await signed_in(client_of(fake), fake) == ("ada-1", "/dashboard/spend")
    assert fake.asked == ["/.well-known/openid-configuration", "/token", "/keys"]


async def test_the_browser_is_sent_with_pkce_state_and_nonce_and_without_what_proves_them(fake: OpenIdFake) -> None:
    client = client_of(fake, scopes="openid email groups")
    first, second = [await client.begin("/dashboard") for _ in range(2)]
    asked, other = (dict(parse_qsl(urlsplit(each.url).query)) for each in (first, second))
    assert (asked["scope"], asked["redirect_uri"], asked["response_type"]) == ("openid email groups", CALLBACK, "code")
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name]) >= 43
        assert asked[name] != other[name]
        assert asked["nonce"] not in first.cookie
    assert SECRET not in first.url


async def test_a_provider_that_takes_the_secret_only_in_the_form_gets_it_there(fake: OpenIdFake) -> None:
    fake.describe = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    with pytest.raises(Unavailable, match="invalid_client"):  # the fake itself takes the header alone
        await signed_in(client_of(fake), fake)


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        ({"claims": {"iss": "https://another.example"}}, "another issuer"),
        ({"claims": {"aud": "another-client"}}, "another client"),
        ({"claims": {"azp": "another-client"}}, "another client"),
        ({"claims": {"exp": 1_000_000}}, "expired"),
        ({"claims": {"iat": 9_000_000_000, "exp": 9_000_000_300}}, "from the future"),
        ({"claims": {"nonce": "of-another-sign-in"}}, "another sign-in"),
        ({"sign": unsigned}, "algorithm isn't allowed"),
        ({"sign": lambda claims: signed_with_text(claims, KEY.pem())}, "algorithm isn't allowed"),
        ({"sign": lambda claims: signed_with_text(claims, SECRET.encode())}, "algorithm isn't allowed"),
        ({"sign": lambda claims: signed(claims, key=OTHER_KEY)}, "isn't among those that the provider publishes"),
        ({"sign": lambda claims: signed(claims, key=OTHER_KEY, kid=KEY.kid)}, "signature is wrong"),
        ({"sign": lambda claims: "nonsense"}, "malformed"),
    ],
)
async def test_a_token_that_is_not_what_it_should_be_signs_nobody_in(fake: OpenIdFake, bend: dict[str, Any], reason: str) -> None:
    for name, value in bend.items():
        setattr(fake, name, value)
    with pytest.raises(NotAuthenticated, match=reason):
        await signed_in(client_of(fake), fake)


async def test_a_token_signed_with_the_secret_counts_where_the_settings_say_so(fake: OpenIdFake) -> None:
    fake.sign = lambda claims: signed_with_text(claims, SECRET.encode())
    assert (await signed_in(client_of(fake, algorithms="HS256"), fake))[0] == "ada-1"


async def test_a_new_key_of_the_provider_is_fetched_once_and_forged_ones_are_not_asked_for_again(
    fake: OpenIdFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(fake)
    await signed_in(client, fake)
    monkeypatch.setattr(provider_module, "ROTATION_SECONDS", 0.0)
    fake.keys, fake.sign = [OTHER_KEY], lambda claims: signed(claims, key=OTHER_KEY)
    assert (await signed_in(client, fake))[0] == "ada-1"
    assert fake.asked.count("/keys") == 2
    monkeypatch.setattr(provider_module, "ROTATION_SECONDS", 3600.0)
    fake.sign = lambda claims: signed(claims, kid="forged")
    for _ in range(3):
        with pytest.raises(NotAuthenticated, match="isn't among those"):
            await signed_in(client, fake)
    assert fake.asked.count("/keys") == 2


@pytest.mark.parametrize("answer", ["", "state=", "state=another&code=x", "code=x"])
async def test_an_answer_with_another_state_is_refused_before_anybody_is_asked(fake: OpenIdFake, answer: str) -> None:
    client = client_of(fake)
    attempt = await client.begin("/dashboard")
    with pytest.raises(NotAuthenticated, match="not begun in this browser"):
        await client.complete(attempt.cookie, dict(parse_qsl(answer)))
    assert "/token" not in fake.asked


@pytest.mark.parametrize("cookie", [None, "", ".", "a.b", "W10.b", "é.ü"])
async def test_a_browser_without_the_cookie_that_began_is_refused(fake: OpenIdFake, cookie: str | None) -> None:
    client = client_of(fake)
    query = dict(parse_qsl(fake.consent((await client.begin("/dashboard")).url)))
    with pytest.raises(NotAuthenticated, match="not begun in this browser"):
        await client.complete(cookie, query)


async def test_the_cookie_of_another_browser_another_server_or_long_ago_is_refused(
    fake: OpenIdFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, attempt = client_of(fake), await client_of(fake).begin("/dashboard")
    query = dict(parse_qsl(fake.consent(attempt.url)))
    other = await client.begin("/dashboard")
    for cookie in (other.cookie, attempt.cookie[:-3] + "AAA"):
        with pytest.raises(NotAuthenticated, match="not begun in this browser"):
            await client.complete(cookie, query)
    with pytest.raises(NotAuthenticated, match="not begun in this browser"):
        await OpenIdSignIn(client.settings, callback=CALLBACK, secret_key="o" * 40).complete(attempt.cookie, query)
    later = clock.now().timestamp() + ATTEMPT_SECONDS + 1
    monkeypatch.setattr(clock, "now", lambda: clock.datetime.fromtimestamp(later, clock.UTC))
    with pytest.raises(NotAuthenticated, match="more than 10 minutes ago"):
        await client.complete(attempt.cookie, query)


async def test_a_code_works_once(fake: OpenIdFake) -> None:
    client = client_of(fake)
    attempt = await client.begin("/dashboard")
    query = dict(parse_qsl(fake.consent(attempt.url)))
    await client.complete(attempt.cookie, query)
    with pytest.raises(NotAuthenticated, match="has expired, or was used already"):
        await client.complete(attempt.cookie, query)


async def test_a_code_of_another_sign_in_is_refused_by_its_proof(fake: OpenIdFake) -> None:
    client = client_of(fake)
    mine, theirs = await client.begin("/dashboard"), await client.begin("/dashboard")
    stolen = dict(parse_qsl(fake.consent(theirs.url)))["code"]
    own = dict(parse_qsl(fake.consent(mine.url)))
    with pytest.raises(NotAuthenticated, match="has expired, or was used already"):
        await client.complete(mine.cookie, own | {"code": stolen})


@pytest.mark.parametrize("code", ["", "x" * 5_000, "a\nb"])
async def test_a_code_that_can_be_none_is_not_sent(fake: OpenIdFake, code: str) -> None:
    client = client_of(fake)
    attempt = await client.begin("/dashboard")
    with pytest.raises(NotAuthenticated, match="start it again"):
        await client.complete(attempt.cookie, dict(parse_qsl(fake.consent(attempt.url))) | {"code": code})
    assert "/token" not in fake.asked


async def test_an_answer_that_names_another_issuer_is_refused_and_so_is_one_that_should_name_its_own(fake: OpenIdFake) -> None:
    with pytest.raises(NotAuthenticated, match=r"another issuer \(iss\)"):
        await signed_in(client_of(fake), fake, iss="https://evil.example")
    assert (await signed_in(client_of(fake), fake, iss=fake.url))[0] == "ada-1"
    fake.describe = {"authorization_response_iss_parameter_supported": True}
    assert (await signed_in(client_of(fake), fake, iss=fake.url))[0] == "ada-1"
    with pytest.raises(NotAuthenticated, match=r"another issuer \(iss\)"):
        await signed_in(client_of(fake), fake)
    assert fake.asked.count("/token") == 2


async def test_what_the_provider_refuses_is_told_in_its_words_short_and_printable(fake: OpenIdFake) -> None:
    client = client_of(fake)
    attempt = await client.begin("/dashboard")
    state = dict(parse_qsl(urlsplit(attempt.url).query))["state"]
    with pytest.raises(NotAuthenticated, match=r"didn't let you in, or you cancelled\. It says: You are not in the group") as refused:
        await client.complete(
            attempt.cookie, {"state": state, "error": "access_denied", "error_description": "You are not in the group\x00\n" + "x" * 5000}
        )
    assert len(refused.value.message) < 400
    assert refused.value.message.isprintable()
    with pytest.raises(NotAuthenticated, match=r"refused the sign-in.*server_error"):
        await client.complete(attempt.cookie, {"state": state, "error": "server_error"})


async def test_what_a_token_lacks_is_asked_for_at_userinfo(fake: OpenIdFake) -> None:
    fake.claims = {"email": None, "email_verified": None}
    fake.userinfo = {"email": "Ada@example.com", "email_verified": True}
    client = client_of(fake)
    attempt = await client.begin("/dashboard")
    identity, _ = await client.complete(attempt.cookie, dict(parse_qsl(fake.consent(attempt.url))))
    assert (identity.name, identity.subject) == ("ada@example.com", "ada-1")
    fake.userinfo |= {"sub": "eve-2"}
    with pytest.raises(NotAuthenticated, match="didn't say your email"):
        await signed_in(client, fake)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        (endless, f"larger than {MAX_BYTES // 1024} KB"),
        (text("", status=302, location="https://evil.example/"), "leads to another address, which is not followed"),
        (text("{}", status=503), "answered with the status 503"),
        (text("<html>"), "no JSON"),
        (text("[]"), "no JSON object"),
        (text("[" * 200_000), "no JSON"),
        (text(json.dumps({"a": json.loads("[" * 150 + "]" * 150)})), "nested too deeply"),
    ],
)
async def test_a_provider_that_answers_with_nonsense_is_unavailable_and_says_why(
    fake: OpenIdFake, path: str, instead: Any, reason: str
) -> None:
    fake.instead = {path: instead}
    with pytest.raises(Unavailable, match=reason) as refused:
        await signed_in(client_of(fake), fake)
    assert "Sign in with your key" in refused.value.message


async def test_a_slow_provider_is_given_up(fake: OpenIdFake) -> None:
    fake.instead = {"/.well-known/openid-configuration": silence}
    with pytest.raises(Unavailable, match=r"didn't answer within 0\.2 s"):
        await client_of(fake, timeout_seconds=0.2).begin("/dashboard")


async def test_a_provider_that_is_away_is_asked_again_once_it_is_back(fake: OpenIdFake) -> None:
    client = client_of(fake)
    client.provider.issuer = "http://127.0.0.1:9"
    with pytest.raises(Unavailable, match="can't be reached"):
        await client.begin("/dashboard")
    client.provider.issuer = fake.url
    assert (await signed_in(client, fake))[0] == "ada-1"


@pytest.mark.parametrize(
    ("describe", "reason"),
    [
        ({"issuer": "https://evil.example"}, "calls itself https://evil.example, and openid.issuer is"),
        ({"issuer": None}, "calls itself nothing"),
        ({"token_endpoint": None}, "no token_endpoint with https"),
        ({"token_endpoint": "http://login.example.com/token"}, "no token_endpoint with https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "no authorization_endpoint with https"),
        ({"authorization_endpoint": "https://a b"}, "no authorization_endpoint with https"),
        ({"jwks_uri": 7}, "no jwks_uri with https"),
        ({"userinfo_endpoint": "file:///etc/passwd"}, "no userinfo_endpoint with https"),
    ],
)
async def test_a_description_that_can_not_be_trusted_is_refused(fake: OpenIdFake, describe: dict[str, Any], reason: str) -> None:
    fake.describe = describe
    with pytest.raises(Unavailable, match=reason):
        await client_of(fake).begin("/dashboard")


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
async def test_a_provider_elsewhere_leads_this_server_to_nothing_on_its_own_machine(fake: OpenIdFake, name: str) -> None:
    """The issuer is https here, and what it says is read from the fake."""
    client = OpenIdSignIn(
        OpenIdSettings(issuer="https://login.example.com", client_id=CLIENT, name="Acme"), callback=CALLBACK, secret_key="k" * 40
    )
    places = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
    said = {"issuer": "https://login.example.com", **{each: f"https://login.example.com/{each}" for each in places}}
    fake.instead = {"/said": text(json.dumps(said | {name: "HTTP://127.0.0.1:6379/"}))}
    read = client.provider.http.get
    with patch.object(client.provider.http, "get", lambda _: read(f"{fake.url}/said")), pytest.raises(Unavailable, match=f"no {name} with"):
        await client.begin("/dashboard")
    fake.instead = {"/said": text(json.dumps(said))}
    with patch.object(client.provider.http, "get", lambda _: read(f"{fake.url}/said")):
        assert (await client.begin("/dashboard")).url.startswith("https://login.example.com/authorization_endpoint?")


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
async def test_those_who_wait_for_a_silent_provider_wait_once_for_all(fake: OpenIdFake, path: str) -> None:
    fake.instead = {path: silence}
    client = client_of(fake)
    if path == "/keys":
        await client.begin("/dashboard")  # its description is known
    patient = client.provider.http
    client.provider.http = client_of(fake, timeout_seconds=1).provider.http
    ask = client.provider.keys if path == "/keys" else client.provider.describe
    found = await asyncio.gather(*(ask() for _ in range(6)), return_exceptions=True)
    assert [type(each) for each in found] == [Unavailable] * 6
    assert fake.asked.count(path) == 1
    fake.instead, client.provider.http = {}, patient
    assert (await signed_in(client, fake))[0] == "ada-1", "whoever comes later asks again"


async def test_a_mistyped_client_or_secret_is_told_to_the_admin(fake: OpenIdFake) -> None:
    with pytest.raises(Unavailable, match=r"refused to exchange the code \(invalid_client\)"):
        await signed_in(client_of(fake, client_secret="another"), fake)


async def test_an_answer_without_a_token_is_no_sign_in(fake: OpenIdFake) -> None:
    fake.instead = {"/token": text('{"access_token": "access"}')}
    with pytest.raises(Unavailable, match="sent no id_token"):
        await signed_in(client_of(fake), fake)
