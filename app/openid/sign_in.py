"""The authorization code flow with PKCE: where a browser is sent, and who comes back.

What binds a sign-in to a browser is one random `state`, signed, in a short-lived cookie. The nonce and PKCE's verifier are derived from it
with the server's secret: neither is stored, and whoever sees the address of the redirect can derive neither.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Unpadded
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import structlog

from app import clock
from app.errors import NotAuthenticated, Unavailable
from app.openid import tokens
from app.openid.claims import REFUSED, ExternalIdentity, identity_of, joined_claims, needed_claims
from app.openid.http import UNAVAILABLE
from app.openid.provider import EXPIRED, Provider
from app.settings import OpenIdSettings

log = structlog.get_logger()

ATTEMPT_SECONDS: Final = 600
"""The time that somebody may take at the provider."""
MAX_WANTED_CHARS: Final = 1_000
"""The longest address of a page that is opened afterwards; a longer one isn't kept: cookies are small."""
MAX_CODE_CHARS: Final = 4_000
MAX_UNDER_WAY: Final = 20
"""Sign-ins that ask the provider at once; more are refused: each may last for some seconds."""
MAX_DETAIL_CHARS: Final = 200
OTHER_BROWSER: Final = (
    "This sign-in was not begun in this browser, or more than 10 minutes ago, or another one was begun after it: start it again."
)


class NotBegunHere(NotAuthenticated):
    """Raised for an answer that belongs to no sign-in of this browser. The provider wasn't asked."""


@dataclass(frozen=True, slots=True, repr=False)
class SignInAttempt:
    """A sign-in that was begun: the address to send the browser to, and the cookie's value."""

    url: str
    cookie: str


class OpenIdSignIn:
    """Begins and completes sign-ins with one provider. `callback`: the whole address that it sends people back to."""

    def __init__(self, settings: OpenIdSettings, *, callback: str, secret_key: str) -> None:
        self.settings = settings
        self.callback = callback
        self.provider = Provider(settings)
        self._secret = secret_key.encode()
        self._under_way = asyncio.Semaphore(MAX_UNDER_WAY)

    async def begin(self, wanted: str) -> SignInAttempt:
        """Begin a sign-in that leads to the page `wanted`. Unavailable where the provider doesn't answer."""
        async with self._slot():
            description = await self.provider.describe()
        state = secrets.token_urlsafe(32)
        challenge = hashlib.sha256(self._derived("verifier", state).encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.callback,
            "scope": " ".join(self.settings.scopes),
            "state": state,
            "nonce": self._derived("nonce", state),
            "code_challenge": _encoded(challenge),
            "code_challenge_method": "S256",
        }
        parts = urlsplit(description.authorization_endpoint)
        url = parts._replace(query="&".join(filter(None, (parts.query, urlencode(query)))), fragment="").geturl()
        return SignInAttempt(url, self._sealed(state, wanted))

    async def complete(self, cookie: str | None, answer: Mapping[str, str]) -> tuple[ExternalIdentity, str]:
        """Return (who signs in, the page they wanted) by the provider's `answer`, the query of the callback.

        NotAuthenticated: the sign-in isn't this browser's, has expired, was refused or can't be verified. Unavailable: the provider fails.
        """
        state, wanted = self._opened(cookie)
        if not hmac.compare_digest(answer.get("state", "").encode("utf-8", "replace"), state.encode()):
            raise NotBegunHere(OTHER_BROWSER)
        async with self._slot():
            description = await self.provider.describe()
            issuer = answer.get("iss")
            if issuer != self.provider.issuer and (issuer is not None or description.tells_issuer):
                raise self._unverified("the answer is of another issuer (iss)")
            if "error" in answer:
                raise self._refused(answer)
            code = answer.get("code", "")
            if not 1 <= len(code) <= MAX_CODE_CHARS or not code.isprintable():
                raise NotAuthenticated(EXPIRED)
            claims = await self._claims(code, state)
        return identity_of(self.settings, claims), wanted

    async def _claims(self, code: str, state: str) -> Mapping[str, Any]:
        """Exchange the code, and verify the token; what it lacks is asked for at the provider's userinfo."""
        received = await self.provider.exchange(code, redirect_uri=self.callback, verifier=self._derived("verifier", state))
        secret = self.settings.client_secret
        expected = tokens.TokenExpectations(
            issuer=self.provider.issuer,
            client_id=self.settings.client_id,
            nonce=self._derived("nonce", state),
            algorithms=frozenset(self.settings.algorithms),
            secret=secret.get_secret_value() if secret else None,
        )
        try:
            try:
                claims = await self._verified(received.id_token, expected)
            except tokens.UnknownKey:
                claims = await self._verified(received.id_token, expected, unknown=True)
        except tokens.TokenRefused as error:
            raise self._unverified(str(error)) from None
        if needed_claims(self.settings) <= claims.keys():
            return claims
        return joined_claims(claims, await self.provider.userinfo(received, subject=claims["sub"]))

    async def _verified(self, token: str, expected: tokens.TokenExpectations, *, unknown: bool = False) -> Mapping[str, Any]:
        keys = await self.provider.keys(unknown=unknown)
        return await asyncio.to_thread(partial(tokens.verify, token, keys, expected))

    def _slot(self) -> asyncio.Semaphore:
        if self._under_way.locked():
            raise Unavailable("Too many people are signing in at this moment: try again.", retry_after=2, code=UNAVAILABLE)
        return self._under_way

    def _refused(self, answer: Mapping[str, str]) -> NotAuthenticated:
        """Return the error for a sign-in that the provider refused. Its words are shown, short and as plain text: they say what to do."""
        said = answer.get("error_description") or answer["error"]
        detail = "".join(char if char.isprintable() else " " for char in said).strip()[:MAX_DETAIL_CHARS]
        log.info("openid.refused", provider=self.settings.name, error=answer["error"][:80])
        if answer["error"] == "access_denied":
            return NotAuthenticated(f"{self.settings.name} didn't let you in, or you cancelled. It says: {detail}", code=REFUSED)
        return NotAuthenticated(f"{self.settings.name} refused the sign-in: ask an admin if that stays so. It says: {detail}", code=REFUSED)

    def _unverified(self, reason: str) -> NotAuthenticated:
        log.warning("openid.unverified", provider=self.settings.name, reason=reason)
        return NotAuthenticated(
            f"What {self.settings.name} sent can't be trusted: {reason}. Start again; if that stays so, tell an admin.", code=REFUSED
        )

    def _sealed(self, state: str, wanted: str) -> str:
        kept = wanted if len(wanted) <= MAX_WANTED_CHARS else ""
        content = _encoded(json.dumps([state, int(clock.now().timestamp()), kept]).encode())
        return f"{content}.{self._derived('cookie', content)}"

    def _opened(self, cookie: str | None) -> tuple[str, str]:
        """Return the (state, wanted page) of a cookie. NotAuthenticated: forged, expired or missing."""
        content, _, signature = (cookie or "").partition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._derived("cookie", content).encode()):
            raise NotBegunHere(OTHER_BROWSER)
        try:
            state, begun, wanted = json.loads(urlsafe_b64decode(content + "=" * (-len(content) % 4)))
        except (Unpadded, ValueError):
            raise NotBegunHere(OTHER_BROWSER) from None
        if clock.now().timestamp() - begun > ATTEMPT_SECONDS:
            raise NotBegunHere(OTHER_BROWSER)
        return state, wanted

    def _derived(self, purpose: str, text: str) -> str:
        """Derive a text for one purpose, this provider and this client: another provider's answer fits nothing of it."""
        of = json.dumps(["openid", purpose, self.provider.issuer, self.settings.client_id, text]).encode()
        return _encoded(hmac.digest(self._secret, of, hashlib.sha256))


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
