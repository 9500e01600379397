"""How an answer leaves: its pace, and the faults of the connection and of the stream. Knows no format but through `Wire`.

A wait ends when the client leaves or the server stops: both cancel the request's task.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

from aiohttp import web

from tests.fakes.provider.faults import FaultName
from tests.fakes.provider.record import Asked
from tests.fakes.provider.wire import Script, Wire

KEEP_ALIVE_SECONDS = 0.05
"""Between two comments of a stream that has nothing to say."""
UNREAD_SECONDS = 0.05
"""Before a reset in an answer: what the client hasn't read by then is lost with it."""
MISSING_BYTES = 64
"""By how much a stream with `short_body` falls short of its content-length."""

_LINGER_0 = struct.pack("ii", 1, 0)


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One answer on its way. `first`, `each`: seconds before the first token and before each further one. `pause`: None for ever."""

    request: web.BaseRequest
    asked: Asked
    headers: dict[str, str]
    first: float
    each: float
    fault: FaultName | None
    after_tokens: int
    pause: float | None
    wire: Wire

    async def whole(self, body: bytes, tokens: int, *, status: int = 200, content_type: str = "application/json") -> web.StreamResponse:
        """A body in one piece."""
        if self.first or self.each:
            await asyncio.sleep(self.first + self.each * max(0, tokens - 1))
        headers = {"content-type": content_type, **self.headers}
        if self.fault == "malformed":
            body = body[: len(body) // 2]
        if self.fault in {"silent", "comments_only", "stall", "cut", "reset", "short_body"}:
            response = web.StreamResponse(headers=headers)
            await self._halves(response, body)
        else:
            response = web.Response(body=body, status=status, headers=headers)
        if not self.asked.ended_by_us:
            self.asked.tokens_sent = tokens
            self.asked.finished = True
        return response

    async def stream(self, script: Script) -> web.StreamResponse:
        """Server-sent events: the head, the tokens, the tail, and the fault at its place."""
        if self.first:
            await asyncio.sleep(self.first)
        response = web.StreamResponse(
            headers={"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **self.headers}
        )
        if self.fault == "short_body":
            response.content_length = len(script.head) + sum(map(len, script.tokens)) + len(script.tail) + MISSING_BYTES
        await response.prepare(self.request)
        rest = await self._until_fault(response, script)
        if rest is not None:
            await self._send(response, rest)
            self.asked.finished = True
            if self.fault == "short_body":
                self.close()
        return response

    async def wait(self) -> None:
        """The fault's pause."""
        if self.pause is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(self.pause)

    def close(self) -> None:
        """End the connection after what is written, whether or not the answer is whole."""
        self.asked.ended_by_us = True
        if self.request.transport is not None:
            self.request.transport.close()

    def reset(self) -> None:
        """End the connection with a RST."""
        self.asked.ended_by_us = True
        transport = self.request.transport
        if transport is not None:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            transport.abort()

    async def _until_fault(self, response: web.StreamResponse, script: Script) -> Script | None:
        """The stream up to the fault, and the fault. Returns what comes after it, None where it ends the stream."""
        match self.fault:
            case "silent":
                await self.wait()
                return script
            case "comments_only":
                await self._comments(response, self.wire.waiting)
                return script
            case "stall" | "malformed" | "cut" | "reset" | "eof" | "error_in_stream":
                await self._send(response, Script(script.head, script.tokens[: self.after_tokens], b""))
                rest = Script(b"", script.tokens[self.after_tokens :], script.tail)
            case _:
                return script
        match self.fault:
            case "stall":
                await self.wait()
                return rest
            case "malformed":
                broken = rest.tokens[0] if rest.tokens else rest.tail
                await response.write(broken[: len(broken) // 2].rstrip() + b"\n\n")
                return Script(b"", rest.tokens[1:], rest.tail)
            case "cut":
                self.close()
            case "reset":
                await asyncio.sleep(UNREAD_SECONDS)
                self.reset()
            case "error_in_stream":
                await response.write(self.wire.error_event)
            case _:
                pass
        self.asked.ended_by_us = True
        return None

    async def _halves(self, response: web.StreamResponse, body: bytes) -> None:
        """A body in one piece whose fault falls before it or at its middle."""
        if self.fault == "comments_only":
            await response.prepare(self.request)
            await self._comments(response, b"\n")
            await response.write(body)
            return
        response.content_length = len(body)
        await response.prepare(self.request)
        if self.fault == "silent":
            await self.wait()
        half = len(body) // 2
        await response.write(body[:half])
        match self.fault:
            case "cut" | "short_body":
                self.close()
                return
            case "reset":
                await asyncio.sleep(UNREAD_SECONDS)
                self.reset()
                return
            case "stall":
                await self.wait()
            case _:
                pass
        await response.write(body[half:])

    async def _send(self, response: web.StreamResponse, script: Script) -> None:
        """At no pace all in one write; otherwise each token when its time has come, whatever the writes took."""
        if not self.each:
            await response.write(b"".join((script.head, *script.tokens, script.tail)))
            self.asked.tokens_sent += len(script.tokens)
            return
        await response.write(script.head)
        loop = asyncio.get_running_loop()
        due = loop.time()
        for token in script.tokens:
            if self.asked.tokens_sent:
                due += self.each
                await asyncio.sleep(due - loop.time())
            await response.write(token)
            self.asked.tokens_sent += 1
        await response.write(script.tail)

    async def _comments(self, response: web.StreamResponse, comment: bytes) -> None:
        """Signs of life, until the pause is over."""
        loop = asyncio.get_running_loop()
        end = None if self.pause is None else loop.time() + self.pause
        while end is None or loop.time() < end:
            await response.write(comment)
            await asyncio.sleep(KEEP_ALIVE_SECONDS)
