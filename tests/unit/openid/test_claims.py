"""Claims: who somebody is here, by the settings."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import NotAuthenticated
from app.openid.claims import ExternalIdentity, identity_of, joined_claims, needed_claims
from app.settings import OpenIdSettings

SAID = {"iss": "https://login.example.com", "sub": "ada-1", "email": "Ada@Example.com", "email_verified": True, "groups": ["dev", "leads"]}


def settings(**more: Any) -> OpenIdSettings:
    return OpenIdSettings(issuer="https://login.example.com", client_id="cairn", name="Acme", **more)


def test_a_verified_address_names_the_developer_in_lower_case() -> None:
    found = identity_of(settings(), SAID)
    assert found == ExternalIdentity("https://login.example.com", "ada-1", "ada@example.com", "ada@example.com", None)


@pytest.mark.parametrize("verified", [False, None, "false", 1, "yes"])
def test_an_address_that_is_not_verified_names_nobody(verified: object) -> None:
    with pytest.raises(NotAuthenticated, match="isn't verified"):
        identity_of(settings(), SAID | {"email_verified": verified})


def test_a_provider_may_write_verified_as_text() -> None:
    assert identity_of(settings(), SAID | {"email_verified": "true"}).email == "ada@example.com"


@pytest.mark.parametrize("value", [None, "", "  ", 7, ["ada@example.com"], "a\nb@example.com", "x" * 400])
def test_a_claim_without_a_name_is_refused_and_the_message_says_which_one_is_missing(value: object) -> None:
    with pytest.raises(NotAuthenticated, match="Acme didn't say your email") as refused:
        identity_of(settings(), SAID | {"email": value})
    assert "openid.scopes" in refused.value.message


@pytest.mark.parametrize("address", ["\u212aelvin@example.com", "kelvin@\u212acme.com", "ada\uff20example.com", "\ufb01nn@example.com"])
@pytest.mark.parametrize("claim", ["email", "upn"])
def test_a_character_that_stands_for_another_names_nobody(address: str, claim: str) -> None:
    with pytest.raises(NotAuthenticated, match="look like others"):
        identity_of(settings(claim=claim, domains="*"), SAID | {claim: address})
    other = identity_of(settings(claim="upn"), SAID | {"upn": "kelvin", "email": address})
    assert (other.name, other.email) == ("kelvin", None), "nor does it take a link"


def test_an_address_in_another_script_is_a_name_like_any() -> None:
    found = identity_of(settings(domains="bücher.example"), SAID | {"email": "Zoë@Bücher.example"})
    assert found.email == "zoë@bücher.example"


def test_another_claim_may_name_the_developer() -> None:
    found = identity_of(settings(claim="preferred_username"), SAID | {"preferred_username": "ada", "email_verified": False})
    assert (found.name, found.email) == ("ada", None)


@pytest.mark.parametrize("address", ["eve@example.org", "eve@sub.example.com", "eve@example.com.evil.org", "example.com", "@example.com"])
def test_only_addresses_of_the_allowed_domains_get_in(address: str) -> None:
    with pytest.raises(NotAuthenticated, match=r"only addresses of example\.com can"):
        identity_of(settings(claim="upn", domains="Example.com"), SAID | {"upn": address})


def test_a_domain_counts_in_either_case_and_a_star_is_any() -> None:
    assert identity_of(settings(domains=("EXAMPLE.com",)), SAID).name == "ada@example.com"
    assert identity_of(settings(domains=("*",)), SAID).name == "ada@example.com"


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["leads", "dev"], "lead"),
        (["dev", "admins", "leads"], "admin"),
        ("admins", "admin"),
        (["unknown"], "auditor"),
        ([], "auditor"),
        (None, "auditor"),
        ({"admins": True}, "auditor"),
        ([["admins"], 7], "auditor"),
    ],
)
def test_the_providers_values_give_the_role_that_may_most(groups: object, role: str) -> None:
    mapped = settings(role_claim="groups", roles={"admins": "admin", "leads": "lead", "dev": "developer"}, role="auditor")
    assert identity_of(mapped, SAID | {"groups": groups}).role == role


def test_without_a_role_claim_roles_are_not_the_providers_matter() -> None:
    assert identity_of(settings(), SAID).role is None


def test_what_a_token_must_say_depends_on_the_settings() -> None:
    assert needed_claims(settings()) == {"email", "email_verified"}
    assert needed_claims(settings(claim="upn", role_claim="groups")) == {"upn", "groups"}


def test_userinfo_adds_to_a_token_and_overrides_nothing_of_it() -> None:
    assert joined_claims({"sub": "1"}, {"sub": "2", "email": "a@b", "email_verified": True}) == {
        "sub": "1",
        "email": "a@b",
        "email_verified": True,
    }
    assert joined_claims({"email": "a@b"}, {"email": "a@b", "email_verified": True})["email_verified"] is True


def test_verified_counts_only_of_the_address_that_it_was_said_of() -> None:
    assert joined_claims({"email": "boss@b"}, {"email": "eve@b", "email_verified": True})["email_verified"] is None
    assert joined_claims({"email_verified": True}, {"email": "eve@b"})["email_verified"] is None
    assert joined_claims({"email": ["boss@b"]}, {"email": {"boss@b": 1}, "email_verified": True})["email_verified"] is None
