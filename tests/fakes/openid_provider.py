"""An OpenID provider whose every answer can be bent: a token of another issuer, a document without end, a redirect, silence. Real HTTP.

It keeps to the standard unless told otherwise, PKCE and codes that work once included.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CLIENT, SECRET = "cairn", "the-secret-of-this-client-at-the-provider"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of a provider, and the name under which it is published."""

    kid: str
    private: rsa.RSAPrivateKey

    @classmethod
    def make(cls, kid: str, bits: int = 2048) -> SigningKey:
        return cls(kid, rsa.generate_private_key(65537, bits))

    def published(self) -> dict[str, Any]:
        """Return it as a key set lists it."""
        return {**jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True), "kid": self.kid, "use": "sig"}

    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


KEY, OTHER_KEY = SigningKey.make("first"), SigningKey.make("second")


def signed(claims: Mapping[str, Any], *, key: SigningKey = KEY, kid: str | None = None, algorithm: str = "RS256") -> str:
    """Sign claims, as a provider does. `kid`: another name than the key's."""
    return jwt.encode(dict(claims), key.private, algorithm=algorithm, headers={"kid": kid or key.kid})


def unsigned(claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), "", algorithm="none")


def signed_with_text(claims: Mapping[str, Any], secret: bytes) -> str:
    """Sign with a shared secret (HS256), whatever it is: PyJWT itself refuses to take a public key for one."""
    head = jwt.encode(dict(claims), "x" * 32, algorithm="HS256", headers={"kid": KEY.kid}).rpartition(".")[0]
    return f"{head}.{base64.urlsafe_b64encode(hmac_of(secret, head)).decode().rstrip('=')}"


def hmac_of(secret: bytes, text: str) -> bytes:
    import hmac

    return hmac.digest(secret, text.encode(), hashlib.sha256)


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class OpenIdFake:
    """`async with OpenIdFake() as fake:` serves at `fake.url`. `asked`: the paths that were asked for.

    describe  What is changed in the discovery document; None: left out.
    claims    What is changed in the token's claims; None: left out.
    sign      How claims become a token.
    userinfo  What it says at userinfo.
    keys      What it publishes.
    instead   Path → what answers there instead.
    """

    describe: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[Mapping[str, Any]], str] = signed
    userinfo: dict[str, Any] = field(default_factory=dict)
    keys: list[SigningKey] = field(default_factory=lambda: [KEY])
    instead: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def consent(self, address: str, **more: str) -> str:
        """Do what a person does who lets a client in: return the query of the callback for the address they were sent to."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return urlencode({"code": code, "state": asked["state"], **more})

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path)
        if (other := self.instead.get(request.path)) is not None:
            return await other(request)  # type: ignore[arg-type]
        match request.path:
            case "/.well-known/openid-configuration":
                return web.json_response(self._changed(self._description(), self.describe))
            case "/keys":
                return web.json_response({"keys": [each.published() for each in self.keys]})
            case "/token":
                return self._exchanged(request.headers.get("authorization", ""), parse_qs(await request.text()))
            case "/userinfo" if request.headers.get("authorization") == "Bearer access":
                return web.json_response({"sub": "ada-1", **self.userinfo})
        return web.json_response({"error": "not_found"}, status=404)

    def _description(self) -> dict[str, Any]:
        places = {
            name: f"{self.url}/{path}" for name, path in (("authorization", "authorize"), ("token", "token"), ("userinfo", "userinfo"))
        }
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **{f"{name}_endpoint": place for name, place in places.items()}}

    def _exchanged(self, authorization: str, form: Mapping[str, list[str]]) -> web.Response:
        if authorization != f"Basic {base64.b64encode(f'{CLIENT}:{SECRET}'.encode()).decode()}":
            return web.json_response({"error": "invalid_client"}, status=401)
        asked = self._codes.pop(form["code"][0], None)
        verifier = form["code_verifier"][0].encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).decode().rstrip("=")
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"][0] != asked["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": "access", "token_type": "Bearer", "id_token": self.sign(self.claims_of(asked["nonce"]))})

    def claims_of(self, nonce: str) -> dict[str, Any]:
        """Return the claims of a token for a sign-in with this nonce."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": "ada-1", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        return self._changed(claims | {"email": "ada@example.com", "email_verified": True}, self.claims)

    @staticmethod
    def _changed(found: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in (found | dict(changes)).items() if value is not None}


async def silence(request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def endless(request: web.Request) -> web.StreamResponse:
    """Answer with a document that doesn't end."""
    reply = web.StreamResponse(headers={"content-type": "application/json"})
    await reply.prepare(request)
    await reply.write(b'{"a": "')
    while True:
        await reply.write(b"a" * 65_536)


def text(body: str, *, status: int = 200, **headers: str) -> Answer:
    """Answer with a text."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=status, headers=headers, content_type="application/json")

    return answer
