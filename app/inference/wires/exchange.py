"""httpx transport under litellm, for one call: judges the provider's raw reply before litellm interprets it.

An error reply, an error object in a 2xx, an invalid or broken answer: each raises the ProviderError that `CompatibleWire` would raise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx

from app.inference import answers, provider_errors
from app.inference.answers import UNFINISHED
from app.inference.provider_errors import ProviderError, malformed
from app.inference.wires.pool import Pool
from app.inference.wires.sse import Events
from app.inference.wires.wire import MAX_ANSWER_BYTES

POOL_HEADERS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "user-agent"})
"""Headers that the pool sets itself."""


class LitellmTransport(httpx.AsyncBaseTransport):
    """The transport of one call's client. After its first fault it sends nothing more, which stops litellm's own retries."""

    def __init__(self, pool: Pool, *, stream: bool, answer: bytes | None = None, max_bytes: int = MAX_ANSWER_BYTES) -> None:
        """Prepare one call. `answer`: a reply received earlier, for litellm to translate; then nothing is sent."""
        self.fault: ProviderError | None = None
        self.sent = False
        self.event: Any = None
        """The JSON that litellm was given last: the answer, or a stream's event."""
        self.whole: bytes | None = None
        """A whole answer that came instead of a stream, which litellm can't read."""
        self._pool = pool
        self._stream = stream
        self._answer = answer
        self._max_bytes = max_bytes
        self._reply: aiohttp.ClientResponse | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.fault is not None:
            raise self.fault
        self.sent = True
        if self._answer is not None:
            self.event = _checked(self._answer)
            return httpx.Response(200, headers={"content-type": "application/json"}, content=self._answer)
        try:
            return await self._answered(request)
        except ProviderError as fault:
            self.fault = fault
            raise

    @property
    def model(self) -> str | None:
        """The model that the provider says answered; litellm would report the one that was asked for."""
        told = self.event if isinstance(self.event, dict) else {}
        named = (told.get("model"), told.get("modelVersion"), (told.get("message") or {}).get("model"))
        return next((each for each in named if isinstance(each, str)), None)

    @property
    def unfinished(self) -> bool:
        """True if Anthropic's answer or `message_delta` has no stop reason: litellm would invent "stop"."""
        match self.event:
            case {"type": "message", **told} | {"type": "message_delta", "delta": {**told}}:
                return told.get("stop_reason") in {None, *UNFINISHED}
            case _:
                return False

    def hang_up(self) -> None:
        """Close the connection of a reply that litellm has not read to its end; a finished one is back in the pool."""
        if self._reply is not None:
            self._reply.close()

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name not in POOL_HEADERS}
        self._reply = reply = await self._pool.send(request.method, str(request.url), await request.aread(), headers)
        kind = reply.content_type
        if self._stream and kind not in {"application/json", "text/html"}:
            body = _Body(self, self._events(reply) if kind == "text/event-stream" else self._pool.pieces(reply))
            return httpx.Response(200, headers={"content-type": kind}, stream=body)
        raw = await self._pool.read(reply, max_bytes=self._max_bytes)
        if kind in {"application/json", "text/html", "text/plain"}:
            self.event = _checked(raw)
            if self._stream:
                self.whole = raw
                raise malformed("it answered a streaming request without a stream")
        return httpx.Response(200, headers={"content-type": kind}, content=raw)

    async def _events(self, reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """Yield the events without comments and names, which litellm would parse for nothing."""
        events = Events()
        async for piece in self._pool.pieces(reply):
            for data in events.feed(piece):
                yield self._event(data)
        for data in events.end():
            yield self._event(data)

    def _event(self, data: bytes) -> bytes:
        if data.startswith(b"{"):
            self.event = _checked(data)
        return b"data: %b\n\n" % data.replace(b"\n", b" ")


class _Body(httpx.AsyncByteStream):
    """A streamed body that notes its fault in the exchange, since litellm wraps what it catches."""

    def __init__(self, exchange: LitellmTransport, pieces: AsyncIterator[bytes]) -> None:
        self._exchange = exchange
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces:
                yield piece
        except ProviderError as fault:
            self._exchange.fault = fault
            raise

    async def aclose(self) -> None:
        self._exchange.hang_up()


def _checked(raw: bytes) -> Any:
    """Decode a reply. Raises ProviderError if it is invalid or an error object."""
    content = answers.decoded(raw)
    first = content[0] if isinstance(content, list) and content else content
    if isinstance(first, dict) and first.get("error"):
        raise provider_errors.of_error_object(first["error"])
    return content
