"""One kept-alive HTTP client for each provider, and what a broken connection means. Knows no wire format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from io import BytesIO

import aiohttp

from app.inference import faults
from app.inference.faults import Fault, malformed
from app.inference.wires.wire import MAX_ANSWER_BYTES

KEEP_ALIVE_SECONDS = 30
LAST_BYTES_SECONDS = 0.05
MAX_RAW_BYTES = 2**20
MIN_KEY_CHARS = 8
"""A shorter one is a word such as "none", and stands in messages for other reasons."""
BROKEN = (aiohttp.ClientError, OSError, ValueError)


class Pool:
    """`headers` go with every request; `key` is the secret among them, and never stands in a message."""

    def __init__(self, *, headers: Mapping[str, str], key: str | None, connect_seconds: float, connections: int) -> None:
        self._headers = {"user-agent": "cairn", **headers}
        self._key = key
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def posted(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """A reply with status 200, its connection kept if it is read to its end. Every way in which it may fail to come is a Fault."""
        async with await self.send("POST", url, body, headers) as reply:
            try:
                yield reply
            except Fault as fault:
                self.clean(fault)
                raise

    async def send(self, method: str, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> aiohttp.ClientResponse:
        """The same, to be closed by who asks."""
        try:
            data = body if len(body) <= MAX_RAW_BYTES else BytesIO(body)  # aiohttp warns of larger bytes
            reply = await self._client().request(method, url, data=data, headers=headers, allow_redirects=False)
        except BROKEN as error:
            raise _unanswered(error) from error
        if reply.status == 200:
            return reply
        async with reply:
            try:
                said = await self.read(reply)
            except Fault:
                said = b""
            raise self.clean(faults.of_status(reply.status, self._without_key(said), reply.headers))

    async def read(self, reply: aiohttp.ClientResponse, *, max_bytes: int = MAX_ANSWER_BYTES) -> bytes:
        """The whole body. `malformed` when it is shorter than it should be, or larger than any is."""
        raw = bytearray()
        try:
            while piece := await reply.content.readany():
                raw += piece
                if len(raw) > max_bytes:
                    raise malformed("its answer is larger than any should be")
        except BROKEN as error:
            raise malformed("its answer broke off") from error
        return bytes(raw)

    async def pieces(self, reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body as it comes. `cut` when it breaks off, after what had come by then."""
        try:
            while piece := await reply.content.readany():
                yield piece
        except BROKEN as error:
            if rest := reply.content._read_nowait(-1):  # noqa: SLF001 - aiohttp tells of the break first, and drops the rest
                yield rest
            raise Fault("cut", "its answer broke off", unknown=True) from error

    async def finish(self, reply: aiohttp.ClientResponse) -> None:
        """Nothing more is wanted of it. Where its end comes at once, its connection can be kept."""
        with suppress(*BROKEN):
            async with asyncio.timeout(LAST_BYTES_SECONDS):
                while await reply.content.readany():
                    pass

    def clean(self, fault: Fault) -> Fault:
        """No message ever holds our key, however the provider quotes it."""
        if self._key and len(self._key) >= MIN_KEY_CHARS:
            fault.message = fault.message.replace(self._key, "…")
            fault.code = fault.code and fault.code.replace(self._key, "…")
            fault.param = fault.param and fault.param.replace(self._key, "…")
        return fault

    def _without_key(self, said: bytes) -> bytes:
        """Before anything is cut: half a key is no less of a leak."""
        return said.replace(self._key.encode(), b"...") if self._key and len(self._key) >= MIN_KEY_CHARS else said

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


def _unanswered(error: Exception) -> Fault:
    """No reply came. Unless there was no connection at all, the provider may have worked for it."""
    name = type(error.__cause__ or error).__name__  # not its words: they may hold an address
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.InvalidURL():
            return faults.unreachable(f"no connection ({name})")
        case aiohttp.ClientResponseError():
            return malformed("its answer is no HTTP")
        case aiohttp.ClientError() | OSError():
            return faults.reset(f"the connection broke ({name})")
        case _:
            return malformed("its answer can't be read")
