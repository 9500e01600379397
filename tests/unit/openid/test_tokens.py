"""ID tokens: what is taken, and what is refused with which reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.openid.tokens import MAX_TOKEN_CHARS, TokenExpectations, TokenRefused, UnknownKey, verify
from tests.fakes.openid_provider import KEY, OTHER_KEY, SigningKey, signed, signed_with_text, unsigned

ISSUER, CLIENT, SECRET = "https://login.example.com", "cairn", "s" * 32
EXPECTED = TokenExpectations(issuer=ISSUER, client_id=CLIENT, nonce="n-1", algorithms=("RS256", "ES256"), secret=SECRET)
SHORT = SigningKey.make("short", bits=1024)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    found = {"iss": ISSUER, "sub": "ada-1", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": "n-1"} | changes
    return {name: value for name, value in found.items() if value is not None}


def test_a_token_as_it_should_be_is_taken() -> None:
    assert verify(signed(claims()), [KEY.published()], EXPECTED)["sub"] == "ada-1"
    assert verify(signed(claims(aud=[CLIENT])), [OTHER_KEY.published(), KEY.published()], EXPECTED)["sub"] == "ada-1"
    assert verify(signed(claims(aud=[CLIENT, "api"], azp=CLIENT)), [KEY.published()], EXPECTED)["sub"] == "ada-1"


def test_a_clock_that_differs_by_less_than_a_minute_is_no_reason() -> None:
    now = int(time.time())
    assert verify(signed(claims(iat=now + 20, exp=now + 300)), [KEY.published()], EXPECTED)
    assert verify(signed(claims(iat=now - 300, exp=now - 20)), [KEY.published()], EXPECTED)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://login.example.org"}, "another issuer"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"iss": None}, "lacks one of"),
        ({"aud": "another-client"}, r"another client \(aud\)"),
        ({"aud": None}, "lacks one of"),
        ({"aud": [CLIENT, "another-client"]}, r"another client \(azp\)"),
        ({"azp": "another-client"}, r"another client \(azp\)"),
        ({"exp": int(time.time()) - 3600}, "has expired"),
        ({"exp": None}, "lacks one of"),
        ({"iat": int(time.time()) + 36_000, "exp": int(time.time()) + 40_000}, "from the future"),
        ({"nbf": int(time.time()) + 36_000}, "from the future"),
        ({"iat": "yesterday"}, "malformed"),
        ({"nonce": "of-another-sign-in"}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"nonce": 7}, "another sign-in"),
        ({"sub": None}, "lacks one of"),
        ({"sub": ""}, "names nobody"),
        ({"sub": "a\x00b"}, "names nobody"),
        ({"sub": "x" * 256}, "names nobody"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(changes: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(TokenRefused, match=reason):
        verify(signed(claims(**changes)), [KEY.published()], EXPECTED)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (unsigned, "algorithm isn't allowed"),
        (lambda found: signed_with_text(found, KEY.pem()), "algorithm isn't allowed"),
        (lambda found: signed_with_text(found, SECRET.encode()), "algorithm isn't allowed"),
        (lambda found: signed(found, algorithm="RS512"), "algorithm isn't allowed"),
        (lambda found: signed(found, key=OTHER_KEY, kid=KEY.kid), "signature is wrong"),
        (lambda found: signed(found)[:-12] + "AAAAAAAAAAAA", "signature is wrong"),
        (lambda found: "nonsense", "malformed"),
        (lambda found: "a.b.c", "malformed"),
        (lambda found: "", "malformed"),
        (lambda found: "a" * (MAX_TOKEN_CHARS + 1), "too large"),
    ],
)
def test_a_token_with_a_wrong_signature_is_refused(make: Callable[[Mapping[str, Any]], str], reason: str) -> None:
    with pytest.raises(TokenRefused, match=reason):
        verify(make(claims()), [KEY.published()], EXPECTED)


def test_an_unknown_key_is_told_apart_for_it_may_be_a_new_one() -> None:
    with pytest.raises(UnknownKey):
        verify(signed(claims(), key=OTHER_KEY), [KEY.published()], EXPECTED)
    with pytest.raises(UnknownKey):
        verify(signed(claims()), [], EXPECTED)


def test_a_key_counts_only_for_the_algorithm_it_is_published_for() -> None:
    with pytest.raises(UnknownKey):
        verify(signed(claims()), [KEY.published() | {"alg": "RS512"}], EXPECTED)
    with pytest.raises(UnknownKey):
        verify(signed(claims()), [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": KEY.kid}], EXPECTED)


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits")  # of the fake, which signs with it
def test_a_key_that_is_too_short_is_refused() -> None:
    with pytest.raises(TokenRefused, match="key is too short"):
        verify(signed(claims(), key=SHORT), [SHORT.published()], EXPECTED)


def test_a_shared_secret_signs_only_where_the_settings_name_its_algorithm() -> None:
    expected = replace(EXPECTED, algorithms=("HS256",))
    assert verify(signed_with_text(claims(), SECRET.encode()), [KEY.published()], expected)["sub"] == "ada-1"
    with pytest.raises(TokenRefused, match="signature is wrong"):
        verify(signed_with_text(claims(), KEY.pem()), [KEY.published()], expected)


def test_a_refusal_repeats_nothing_of_the_token() -> None:
    with pytest.raises(TokenRefused) as refused:
        verify(signed(claims(aud="<script>alert(1)</script>")), [KEY.published()], EXPECTED)
    assert "script" not in str(refused.value)
