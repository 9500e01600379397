"""One keep-alive HTTP client per provider, and the faults of a broken connection. Knows no wire format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from io import BytesIO

import aiohttp

from app.inference import provider_errors
from app.inference.provider_errors import ProviderError, malformed
from app.inference.wires.wire import MAX_ANSWER_BYTES

KEEP_ALIVE_SECONDS = 30
LAST_BYTES_SECONDS = 0.05
MAX_RAW_BYTES = 2**20
MIN_KEY_CHARS = 8
"""Shorter keys are words such as "none", which occur in messages for other reasons: not masked."""
BROKEN = (aiohttp.ClientError, OSError, ValueError)


class Pool:
    """A pooled HTTP client. `headers`: sent with every request; `key`: the secret among them, masked in all messages."""

    def __init__(self, *, headers: Mapping[str, str], key: str | None, connect_seconds: float, connections: int) -> None:
        self._headers = {"user-agent": "cairn", **headers}
        self._key = key
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def posted(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """Post; yield a reply with status 200, whose connection is kept if it is read to its end. Raises ProviderError otherwise."""
        async with await self.send("POST", url, body, headers) as reply:
            try:
                yield reply
            except ProviderError as fault:
                self.clean(fault)
                raise

    async def send(self, method: str, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> aiohttp.ClientResponse:
        """Send a request; return a reply with status 200, which the caller must close. Raises ProviderError otherwise."""
        try:
            data = body if len(body) <= MAX_RAW_BYTES else BytesIO(body)  # aiohttp warns about larger byte strings
            reply = await self._client().request(method, url, data=data, headers=headers, allow_redirects=False)
        except BROKEN as error:
            raise _connection_fault(error) from error
        if reply.status == 200:
            return reply
        async with reply:
            try:
                detail = await self.read(reply)
            except ProviderError:
                detail = b""
            raise self.clean(provider_errors.of_status(reply.status, self._without_key(detail), reply.headers))

    async def read(self, reply: aiohttp.ClientResponse, *, max_bytes: int = MAX_ANSWER_BYTES) -> bytes:
        """Read the whole body. Raises ProviderError `malformed` if it breaks off, or is larger than `max_bytes`."""
        raw = bytearray()
        try:
            while piece := await reply.content.readany():
                raw += piece
                if len(raw) > max_bytes:
                    raise malformed(f"its answer is larger than {max_bytes:,} bytes")
        except BROKEN as error:
            raise malformed("its answer broke off") from error
        return bytes(raw)

    async def pieces(self, reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises ProviderError `cut` if it breaks off, after what had arrived."""
        try:
            while piece := await reply.content.readany():
                yield piece
        except BROKEN as error:
            if rest := reply.content._read_nowait(-1):  # noqa: SLF001 - aiohttp raises before it hands out what it has buffered
                yield rest
            raise ProviderError("cut", "its answer broke off", unknown=True) from error

    async def finish(self, reply: aiohttp.ClientResponse) -> None:
        """Read the rest of a reply if it comes at once, so that its connection can be reused."""
        with suppress(*BROKEN):
            async with asyncio.timeout(LAST_BYTES_SECONDS):
                while await reply.content.readany():
                    pass

    def clean(self, fault: ProviderError) -> ProviderError:
        """Mask our key in a fault, however the provider quotes it."""
        if self._key and len(self._key) >= MIN_KEY_CHARS:
            fault.message = fault.message.replace(self._key, "…")
            fault.code = fault.code and fault.code.replace(self._key, "…")
            fault.param = fault.param and fault.param.replace(self._key, "…")
        return fault

    def _without_key(self, detail: bytes) -> bytes:
        """Mask our key before the text is truncated: half a key would leak too."""
        return detail.replace(self._key.encode(), b"...") if self._key and len(self._key) >= MIN_KEY_CHARS else detail

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEP_ALIVE_SECONDS)
            self._session = aiohttp.ClientSession(
                connector=connector, headers=self._headers, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=2**18
            )
        return self._session


def _connection_fault(error: Exception) -> ProviderError:
    """Classify a missing reply. Unless there was no connection at all, the provider may have worked and charged."""
    name = type(error.__cause__ or error).__name__  # not its message: it may hold an internal address
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.InvalidURL():
            return provider_errors.unreachable(f"no connection ({name})")
        case aiohttp.ClientResponseError():
            return malformed("its answer is not valid HTTP")
        case aiohttp.ClientError() | OSError():
            return provider_errors.reset(f"the connection broke ({name})")
        case _:
            return malformed("its answer can't be read")
