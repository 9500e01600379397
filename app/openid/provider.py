"""A provider: its description (discovery), its keys, and the exchange of a code for what it says of a person."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

from app.errors import NotAuthenticated, Unavailable
from app.openid.http import RETRY_SECONDS, UNAVAILABLE, ProviderDocument, ProviderHttp
from app.settings import OpenIdSettings
from app.settings.openid import is_trusted_scheme

DISCOVERY: Final = "/.well-known/openid-configuration"
KEPT_SECONDS: Final = 3600.0
"""Age from which the description and the keys are read anew."""
ROTATION_SECONDS: Final = 30.0
"""The shortest time between two readings of the keys for tokens whose key is unknown: forged ones would make us ask each time."""
MAX_KEYS: Final = 100
BASIC, POST = "client_secret_basic", "client_secret_post"
EXPIRED: Final = "The sign-in has expired, or was used already: start it again."

Key = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProviderDescription:
    """The discovery document of a provider, as far as it is used.

    `secret_in_form`: it takes the client's secret only there. `tells_issuer`: its answers name it, against mix-ups (RFC 9207).
    """

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    secret_in_form: bool
    tells_issuer: bool


@dataclass(frozen=True, slots=True, repr=False)
class ReceivedTokens:
    """The tokens that a code was exchanged for. Neither is stored or logged."""

    id_token: str
    access_token: str | None


class Provider:
    """Asks one provider, and keeps its description and keys for an hour."""

    def __init__(self, settings: OpenIdSettings) -> None:
        assert settings.issuer is not None
        self._settings = settings
        self.issuer = settings.issuer
        self.http = ProviderHttp(settings.name, seconds=settings.timeout_seconds)
        self._lock = asyncio.Lock()
        self._failure: tuple[float, str] | None = None
        self._description: tuple[float, ProviderDescription] | None = None
        self._keys: tuple[float, Sequence[Key]] | None = None

    async def describe(self) -> ProviderDescription:
        """Return the provider's description, read again once it is an hour old. Unavailable: it can't be read or used."""
        asked_at = time.monotonic()
        async with self._lock:
            if self._description is None or time.monotonic() - self._description[0] > KEPT_SECONDS:
                reply = await self._read(self.issuer.rstrip("/") + DISCOVERY, asked_at)
                self._description = (time.monotonic(), self._described(reply))
            return self._description[1]

    async def keys(self, *, unknown: bool = False) -> Sequence[Key]:
        """Return the keys that sign tokens. `unknown`: a token's key isn't among them: read them again, if they weren't just now."""
        asked_at = time.monotonic()  # before it waits for whoever reads
        description = await self.describe()
        async with self._lock:
            kept = ROTATION_SECONDS if unknown else KEPT_SECONDS
            if self._keys is None or time.monotonic() - self._keys[0] > kept:
                self._keys = (time.monotonic(), self._keys_in(await self._read(description.jwks_uri, asked_at)))
            return self._keys[1]

    async def _read(self, url: str, asked_at: float) -> ProviderDocument:
        """Read a document for whoever has waited since `asked_at`: a failure since then is theirs too, or each would wait for its own."""
        if self._failure is not None and self._failure[0] > asked_at:
            raise Unavailable(self._failure[1], retry_after=RETRY_SECONDS, code=UNAVAILABLE)
        try:
            return await self.http.get(url)
        except Unavailable as error:
            self._failure = (time.monotonic(), error.message)
            raise

    async def exchange(self, code: str, *, redirect_uri: str, verifier: str) -> ReceivedTokens:
        """Exchange a code for tokens. NotAuthenticated: the code has expired, was used or isn't ours. Unavailable: the provider fails."""
        description = await self.describe()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        fields, headers = self._client_authentication(in_form=description.secret_in_form)
        reply = await self.http.post(description.token_endpoint, {**form, **fields}, headers=headers)
        if reply.status != 200:
            if reply.body.get("error") == "invalid_grant":
                raise NotAuthenticated(EXPIRED)
            raise self.http.unusable(f"it refused to exchange the code ({_word(reply.body.get('error'), reply.status)})")
        id_token, access_token = reply.body.get("id_token"), reply.body.get("access_token")
        if not isinstance(id_token, str) or not id_token:
            raise self.http.unusable("it sent no id_token")
        return ReceivedTokens(id_token, access_token if isinstance(access_token, str) and access_token.isprintable() else None)

    async def userinfo(self, tokens: ReceivedTokens, *, subject: str) -> Mapping[str, Any]:
        """Return what the provider says of a person beside the token; nothing where it has no such address, or speaks of somebody else."""
        url = (await self.describe()).userinfo_endpoint
        if url is None or tokens.access_token is None:
            return {}
        reply = await self.http.get(url, headers={"authorization": f"Bearer {tokens.access_token}"})
        return reply.body if reply.status == 200 and reply.body.get("sub") == subject else {}

    def _client_authentication(self, *, in_form: bool) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the (form fields, headers) by which this server authenticates itself."""
        client, secret = self._settings.client_id, self._settings.client_secret
        if secret is None:
            return {"client_id": client}, {}
        if in_form:
            return {"client_id": client, "client_secret": secret.get_secret_value()}, {}
        pair = f"{quote_plus(client)}:{quote_plus(secret.get_secret_value())}"  # RFC 6749, 2.3.1: encoded first
        return {}, {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}

    def _described(self, reply: ProviderDocument) -> ProviderDescription:
        found = reply.body
        if reply.status != 200:
            raise self.http.unusable(f"it has no discovery document (status {reply.status}): openid.issuer may be mistyped")
        if found.get("issuer") != self.issuer:
            raise self.http.unusable(f"it calls itself {_word(found.get('issuer'), 'nothing')}, and openid.issuer is {self.issuer}")
        methods = found.get("token_endpoint_auth_methods_supported")
        listed = methods if isinstance(methods, list) else [BASIC]
        return ProviderDescription(
            authorization_endpoint=self._endpoint(found, "authorization_endpoint"),
            token_endpoint=self._endpoint(found, "token_endpoint"),
            jwks_uri=self._endpoint(found, "jwks_uri"),
            userinfo_endpoint=self._endpoint(found, "userinfo_endpoint") if found.get("userinfo_endpoint") else None,
            secret_in_form=BASIC not in listed and POST in listed,
            tells_issuer=found.get("authorization_response_iss_parameter_supported") is True,
        )

    def _endpoint(self, found: Mapping[str, Any], name: str) -> str:
        url = found.get(name)
        if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url or not self._may_lead_to(url):
            raise self.http.unusable(f"its discovery document has no {name} with https")
        return url

    def _may_lead_to(self, url: str) -> bool:
        """Tell whether this provider may name an address: https, or http on this machine, where it runs there itself."""
        return is_trusted_scheme(url) and (urlsplit(url).scheme == "https" or urlsplit(self.issuer).scheme == "http")

    def _keys_in(self, reply: ProviderDocument) -> Sequence[Key]:
        listed = reply.body.get("keys")
        if reply.status != 200 or not isinstance(listed, list):
            raise self.http.unusable(f"its keys can't be read (status {reply.status})")
        signing = [each for each in listed[:MAX_KEYS] if isinstance(each, dict) and each.get("use", "sig") == "sig"]
        return [each for each in signing if each.get("kty") in {"RSA", "EC", "OKP"}]  # a published shared secret is none


def _word(value: object, otherwise: object) -> str:
    """Return what a provider says of itself, short and printable; else what we know."""
    found = value if isinstance(value, str) and value.isprintable() else ""
    return found[:200] or str(otherwise)
