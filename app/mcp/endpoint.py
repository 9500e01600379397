"""Holds the place of the MCP server until a first request comes. Its SDK takes 26 MB and half a second to import: a server that no agent
asks is spared both. Knows nothing of the protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from app.supervision import background_task

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager


class Endpoint:
    """The MCP server as an ASGI application. `run` starts it once a request asks for it."""

    def __init__(self, *, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._asked = asyncio.Event()
        self._started: asyncio.Future[StreamableHTTPSessionManager] = asyncio.get_running_loop().create_future()

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the first ones wait for the start. Raises what the start raised."""
        self._asked.set()
        manager = await asyncio.shield(self._started)
        await manager.handle_request(scope, receive, send)

    async def run(self) -> None:
        """Wait for a first request, then serve until cancelled: the SDK's task group must end in the task that began it."""
        try:
            await self._asked.wait()
            manager = await asyncio.to_thread(self._made)
            async with manager.run():
                self._started.set_result(manager)
                await asyncio.Event().wait()
        except Exception as error:
            if self._started.done():
                raise
            self._started.set_exception(error)  # every request is told, and logs it
        finally:
            self._started.cancel()

    def _made(self) -> StreamableHTTPSessionManager:
        """Import the server and make it; blocks for as long as the import takes."""
        from app.mcp.server import make_endpoint

        return make_endpoint(max_body_bytes=self._max_body_bytes)


@asynccontextmanager
async def open_endpoint(*, max_body_bytes: int) -> AsyncIterator[Endpoint]:
    """Open the endpoint for the life of the application."""
    endpoint = Endpoint(max_body_bytes=max_body_bytes)
    async with background_task(endpoint.run(), name="mcp"):
        yield endpoint
