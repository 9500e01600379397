"""A provider that answers with what a test wrote, in any format: whole JSON, or server-sent events. Real HTTP on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

Event = Mapping[str, Any] | str


@dataclass(frozen=True, slots=True)
class Streamed:
    """Events of a stream: JSON, or a text sent as it is ("[DONE]"). `breaks`: the connection is cut after them; `stays`: nothing follows."""

    events: Sequence[Event]
    breaks: bool = False
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """An error status with its body."""

    status: int
    body: Mapping[str, Any]


class ScriptedProvider:
    """`async with ScriptedProvider(reply, …) as fake:` serves at `fake.url`. Each request takes the next reply, the last one again and again.

    `asked`: the bodies that came. `left`: callers that hung up on a stream that stays.
    """

    def __init__(self, *replies: Streamed | Failed | Mapping[str, Any]) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.left = 0
        self._replies = list(replies)
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer, handler_cancellation=True, access_log=None), shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def reply_to(self, body: Mapping[str, Any]) -> Streamed | Failed | Mapping[str, Any]:
        """Choose the reply to a request."""
        del body
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(msgspec.json.decode(await request.read()))
        reply = self.reply_to(self.asked[-1])
        if isinstance(reply, Failed):
            return web.Response(status=reply.status, body=msgspec.json.encode(reply.body), content_type="application/json")
        if not isinstance(reply, Streamed):
            return web.Response(body=msgspec.json.encode(reply), content_type="application/json")
        return await self._stream(request, reply)

    async def _stream(self, request: web.BaseRequest, script: Streamed) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        try:
            for event in script.events:
                name = b"event: %b\n" % event["type"].encode() if isinstance(event, Mapping) and "type" in event else b""
                data = event.encode() if isinstance(event, str) else msgspec.json.encode(event)
                await reply.write(name + b"data: %b\n\n" % data)
            if script.stays:
                await asyncio.Event().wait()
        except (ConnectionError, asyncio.CancelledError):
            self.left += 1
            raise
        if script.breaks and request.transport is not None:
            request.transport.close()
        return reply
