"""Reads from a provider's verified claims who a person is, by the settings. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.errors import NotAuthenticated
from app.settings import OpenIdSettings
from app.settings.openid import ANY_DOMAIN, SignInRole

MAX_SUBJECT_CHARS: Final = 255
"""The longest `sub`, by the standard."""
MAX_VALUE_CHARS: Final = 300
MAX_ROLE_VALUES: Final = 1_000
REFUSED: Final = "openid_refused"
"""Code of an error of somebody whom the provider knows, and Cairn doesn't let in."""
_RANK: Final[Sequence[SignInRole]] = ("admin", "lead", "developer", "auditor")


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """A person at a provider: `issuer` and `subject` say who, for ever. `name`: what the claim that names developers holds, now.

    `email`: lower-case, only where verified. `role`: what the provider's values give; None: roles aren't the provider's matter.
    """

    issuer: str
    subject: str
    name: str
    email: str | None
    role: SignInRole | None


def subject_of(claims: Mapping[str, Any]) -> str | None:
    """Return who a token speaks of; None: no valid subject."""
    found = claims.get("sub")
    valid = isinstance(found, str) and 1 <= len(found) <= MAX_SUBJECT_CHARS and found.isprintable()
    return found if valid else None


def needed_claims(settings: OpenIdSettings) -> frozenset[str]:
    """Return the claims that tell who somebody is here. What the token lacks of them is asked for at the provider's userinfo."""
    verified = {"email_verified"} if settings.claim == "email" else set()
    return frozenset({settings.claim, settings.role_claim, *verified} - {""})


def joined_claims(token: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
    """Join a token's claims with those of userinfo: what is signed counts first, and "verified" only of the address that it was said of."""
    joined = {**more, **token}
    if token.get("email") is not None and token["email"] != more.get("email"):
        joined["email_verified"] = token.get("email_verified")
    elif "email" not in token and "email" in more:
        joined["email_verified"] = more.get("email_verified")
    return joined


def identity_of(settings: OpenIdSettings, claims: Mapping[str, Any]) -> ExternalIdentity:
    """Return who signs in. NotAuthenticated where a claim is missing or unverified, or the e-mail's domain isn't allowed."""
    name = _text(claims.get(settings.claim))
    if name is None:
        raise NotAuthenticated(
            f"{settings.name} didn't say your {settings.claim}, by which Cairn finds you. An admin adds the scope that tells it"
            " (openid.scopes), or names another claim (openid.claim).",
            code=REFUSED,
        )
    if not _is_plain(name):
        plain = unicodedata.normalize("NFKC", name)
        raise NotAuthenticated(
            f"Your {settings.claim} at {settings.name}, {name}, has characters that look like others: with them one could pass for"
            f" somebody else. Write {plain} there, then sign in again.",
            code=REFUSED,
        )
    email = _verified_email(claims)
    if settings.claim == "email":
        if email is None:
            raise NotAuthenticated(
                f"{settings.name} says that your e-mail address {name} isn't verified: verify it there, then sign in again.", code=REFUSED
            )
        name = email
    _check_domain(settings, name)
    subject = subject_of(claims)
    assert subject is not None, "tokens.py refuses a token without"
    return ExternalIdentity(str(claims["iss"]), subject, name, email, _role(settings, claims))


def _check_domain(settings: OpenIdSettings, name: str) -> None:
    if not settings.domains or ANY_DOMAIN in settings.domains:
        return
    before, _, domain = name.rpartition("@")
    if not before or domain.lower() not in settings.domains:
        allowed = ", ".join(settings.domains)
        raise NotAuthenticated(
            f"{name} can't sign in here: only addresses of {allowed} can. Choose another account at {settings.name}, or ask an admin.",
            code=REFUSED,
        )


def _verified_email(claims: Mapping[str, Any]) -> str | None:
    email, verified = _text(claims.get("email")), claims.get("email_verified")
    if email is None or "@" not in email or not _is_plain(email) or (verified is not True and verified != "true"):  # some send it as text
        return None
    return email.lower()


def _role(settings: OpenIdSettings, claims: Mapping[str, Any]) -> SignInRole | None:
    """Return the role that the provider's values give: of several the one that may most, of none the settings' own."""
    if not settings.role_claim:
        return None
    found = claims.get(settings.role_claim)
    values = found[:MAX_ROLE_VALUES] if isinstance(found, list) else [found]
    given = {settings.roles[each] for each in values if isinstance(each, str) and each in settings.roles}
    return next((role for role in _RANK if role in given), settings.role)


def _is_plain(text: str) -> bool:
    """Tell whether no character of a text stands for another: the Kelvin sign is a `k` in lower case, and would be another's address."""
    return unicodedata.is_normalized("NFKC", text)


def _text(value: object) -> str | None:
    """Return a claim's text; None for what is no text, empty, too long or can't be printed."""
    found = value.strip() if isinstance(value, str) else ""
    return found if 1 <= len(found) <= MAX_VALUE_CHARS and found.isprintable() else None
