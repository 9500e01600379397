"""Asks a provider over HTTP: within a time and a size, and never led elsewhere by a redirect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import structlog

from app.errors import Unavailable
from app.nesting import may_be_deep, too_deep

log = structlog.get_logger()

MAX_BYTES: Final = 512 * 1024
"""The size of an answer at most. The largest known are key sets and tokens with many groups, of some tens of kilobytes."""
UNAVAILABLE: Final = "openid_unavailable"
RETRY_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class ProviderDocument:
    """A provider's answer: a status below 500 that is no redirect, and a JSON object."""

    status: int
    body: Mapping[str, Any]


class ProviderHttp:
    """Sends requests to one provider. `name`: as people know it; what went wrong in detail is for the log."""

    def __init__(self, name: str, *, seconds: float) -> None:
        self._name = name
        self._timeout = aiohttp.ClientTimeout(total=seconds)

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> ProviderDocument:
        """Read a document. Unavailable where there is none."""
        return await self._ask("GET", url, headers=headers)

    async def post(self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None) -> ProviderDocument:
        """Send a form. Errors as for `get`."""
        return await self._ask("POST", url, form=form, headers=headers)

    def unusable(self, reason: str) -> Unavailable:
        """Return the error for a provider whose answers can't be used, and log why."""
        log.warning("openid.unusable", provider=self._name, reason=reason)
        return Unavailable(
            f"{self._name} can't be used to sign in at the moment: {reason}. Sign in with your key. An admin finds out more with"
            " `cairn doctor` and in the server's log.",
            retry_after=RETRY_SECONDS,
            code=UNAVAILABLE,
        )

    async def _ask(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> ProviderDocument:
        sent = {"accept": "application/json", **(headers or {})}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True) as client,
                client.request(method, url, data=form, headers=sent, allow_redirects=False) as reply,
            ):
                return ProviderDocument(reply.status, self._object(reply.status, await self._bounded(reply)))
        except TimeoutError:
            raise self.unusable(f"it didn't answer within {self._timeout.total:g} s (openid.timeout_seconds)") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self.unusable(f"it can't be reached ({type(error).__name__})") from error

    async def _bounded(self, reply: aiohttp.ClientResponse) -> bytes:
        if 300 <= reply.status < 400:
            raise self.unusable("it leads to another address, which is not followed: openid.issuer must be its final one")
        if reply.status >= 500:
            raise self.unusable(f"it answered with the status {reply.status}")
        found = bytearray()
        async for piece in reply.content.iter_chunked(2**16):
            found += piece
            if len(found) > MAX_BYTES:
                raise self.unusable(f"its answer is larger than {MAX_BYTES // 1024} KB")
        return bytes(found)

    def _object(self, status: int, raw: bytes) -> Mapping[str, Any]:
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            raise self.unusable(f"its answer (status {status}) is no JSON") from None
        if not isinstance(found, dict) or (may_be_deep(raw) and too_deep(found)):
            raise self.unusable("its answer is no JSON object, or nested too deeply")
        return found
