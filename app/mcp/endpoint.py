"""Holds the place of the MCP server until a first request comes. Its SDK takes 26 MB and half a second to import: a server that no agent
asks is spared both. Knows nothing of the protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from starlette.types import Receive, Scope, Send

from app.supervision import background_task, cancelled

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

log = structlog.get_logger()


class Endpoint:
    """The MCP server as an ASGI application. `run` starts it once a request asks for it."""

    def __init__(self, *, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._asked = asyncio.Event()
        self._started = _unstarted()

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the first ones wait for the start. Raises what the start raised; the next request starts it again."""
        self._asked.set()
        manager = await asyncio.shield(self._started)
        await manager.handle_request(scope, receive, send)

    async def run(self) -> None:
        """Serve whenever a request has asked for it, until cancelled: the SDK's task group must end in the task that began it."""
        try:
            while True:
                await self._asked.wait()
                await self._serve()
        finally:
            self._started.cancel()

    async def _serve(self) -> None:
        """Start the server and serve. An error of the start is raised by each request that waits for it, and logged there."""
        try:
            manager = await asyncio.to_thread(self._made)
            async with manager.run():
                self._started.set_result(manager)
                await asyncio.Event().wait()
        except Exception as error:
            if cancelled():
                raise
            ended, self._started = self._started, _unstarted()
            self._asked.clear()
            if ended.done():
                log.exception("mcp.ended")
            else:
                ended.set_exception(error)

    def _made(self) -> StreamableHTTPSessionManager:
        """Import the server and make it; blocks for as long as the import takes."""
        from app.mcp.server import make_endpoint

        return make_endpoint(max_body_bytes=self._max_body_bytes)


def _unstarted() -> asyncio.Future[StreamableHTTPSessionManager]:
    return asyncio.get_running_loop().create_future()


@asynccontextmanager
async def open_endpoint(*, max_body_bytes: int) -> AsyncIterator[Endpoint]:
    """Open the endpoint for the life of the application."""
    endpoint = Endpoint(max_body_bytes=max_body_bytes)
    async with background_task(endpoint.run(), name="mcp"):
        yield endpoint
