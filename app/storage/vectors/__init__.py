"""The vector store: an index that can be rebuilt from PostgreSQL. `store.py` holds its Protocol. Knows no domain.

Imports nothing heavy: the engine's process loads this package too, and a server's client is loaded only if a server is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from app.settings import Settings
    from app.storage.vectors.server import ServerStore
    from app.storage.vectors.store import IndexSchema, VectorStore


@asynccontextmanager
async def open_store(settings: Settings, schema: IndexSchema, *, folder: Path, owner: bool) -> AsyncIterator[VectorStore]:
    """Open the configured store: a Qdrant server, or the embedded engine.

    `owner`: start and supervise the engine's process (`cairn serve`); otherwise connect to the running one.
    Raises ConfigurationError if another process owns the folder. An index that can't be opened is set aside: see `host.py`.
    """
    async with AsyncExitStack() as stack:
        store: VectorStore
        if settings.qdrant.url is not None:
            server = await asyncio.to_thread(_server_store)
            store = await asyncio.to_thread(server, settings, schema)
        else:
            store = await _embedded(stack, settings, schema, folder=folder, owner=owner)
        stack.push_async_callback(store.close)
        yield store


async def _embedded(stack: AsyncExitStack, settings: Settings, schema: IndexSchema, *, folder: Path, owner: bool) -> VectorStore:
    from app.storage.vectors.edge import EdgeStore
    from app.storage.vectors.host import EngineHost
    from app.storage.vectors.index_folder import IndexFolder

    place = await asyncio.to_thread(IndexFolder.at, folder)
    host = await stack.enter_async_context(EngineHost(place, settings.vectors, schema).running()) if owner else None
    return EdgeStore(place.live, settings.vectors, host)


def _server_store() -> type[ServerStore]:
    """Import the server's store. Call in a thread: importing qdrant-client takes a second."""
    from app.storage.vectors.server import ServerStore

    return ServerStore
