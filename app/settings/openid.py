"""The section of OpenID Connect: who the provider is, what it is asked, and who may sign in with it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from app.settings.sections import Section

SignInRole = Literal["admin", "lead", "developer", "auditor"]
SignatureAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"
]
ANY_DOMAIN: Final = "*"
MIN_SHARED_SECRET_BYTES: Final = 32
"""The length of a client secret that signs tokens (RFC 7518, 3.2): with a shorter one they could be forged."""


def is_trusted_scheme(url: str) -> bool:
    """Tell whether a URL is https, or http on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_issuer(value: str | None) -> str | None:
    if value is None:
        return None
    if not is_trusted_scheme(value) or not value.isprintable() or any(char in value for char in "?# "):
        raise ValueError("must be an https address without ? and #, exactly as the provider calls itself; http only on this machine")
    return value


def _split(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _lower(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each.lower().removeprefix("@") for each in value)


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class OpenIdSettings(Section):
    """Sign-in to the dashboard with an OpenID Connect provider. Without an `issuer` there is none: people sign in with keys."""

    issuer: Annotated[str | None, AfterValidator(_check_issuer)] = Field(
        None, description="the provider's address, exactly as its discovery document calls it; none: people sign in with keys alone"
    )
    client_id: str = Field("", max_length=500, description="this server's id at the provider")
    client_secret: SecretStr | None = Field(None, description="this server's secret at the provider; none: a public client (PKCE alone)")
    name: str = Field("OpenID", min_length=1, max_length=40, description="the provider's name on the button: Sign in with NAME")
    scopes: Words = Field(("openid", "email"), description="scopes that are asked for, with white space between them")
    claim: str = Field(
        "email",
        min_length=1,
        max_length=100,
        description="claim that names the developer at the first sign-in; email counts only where the provider says that it is verified",
    )
    domains: Annotated[Words, AfterValidator(_lower)] = Field(
        (), description="domains of e-mail addresses that may sign in, with white space between them; none: any"
    )
    create: bool = Field(False, description="make a developer of somebody unknown; else they are refused, and told what to ask an admin")
    team: str = Field("default", min_length=1, max_length=100, description="team of developers that are made so")
    role: Literal["lead", "developer", "auditor"] = Field(
        "developer", description="role of developers that are made so, and, with role_claim, of whoever has none of the roles' values"
    )
    role_claim: str = Field(
        "", max_length=100, description="claim whose values give roles, at every sign-in; empty: roles are given in Cairn alone"
    )
    roles: dict[str, SignInRole] = Field({}, description="role by value of role_claim; of several the one that may most")
    algorithms: Annotated[tuple[SignatureAlgorithm, ...], NoDecode, BeforeValidator(_split)] = Field(
        ("RS256", "PS256", "ES256", "EdDSA"),
        min_length=1,
        description="signature algorithms that are accepted; HS256 and its like only where named, with a client secret of 32 bytes or more",
    )
    timeout_seconds: float = Field(5, gt=0, le=60, description="seconds of one request to the provider")

    @property
    def enabled(self) -> bool:
        return self.issuer is not None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.issuer is None:
            return self
        if not self.client_id:
            raise ValueError("openid.issuer needs openid.client_id: register this server at the provider, which gives it an id")
        if "openid" not in self.scopes:
            raise ValueError("openid.scopes must include openid: without it a provider tells nobody's identity")
        if self.create and not self.domains:
            raise ValueError(
                'openid.create needs openid.domains, such as ["example.com"]: else everybody with an account at the provider gets in'
                f' (["{ANY_DOMAIN}"] if that is meant)'
            )
        if self.roles and not self.role_claim:
            raise ValueError("openid.roles needs openid.role_claim, the claim that holds these values")
        secret = self.client_secret.get_secret_value() if self.client_secret else ""
        if any(each.startswith("HS") for each in self.algorithms) and len(secret.encode()) < MIN_SHARED_SECRET_BYTES:
            raise ValueError(f"openid.algorithms with HS256 needs an openid.client_secret of {MIN_SHARED_SECRET_BYTES} bytes or more")
        return self
