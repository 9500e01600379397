"""The vector store: an index of PostgreSQL that can be rebuilt. `store.py` is its Protocol; knows no domain.

Imports nothing heavy: the engine's process comes through here too, and a server's client is loaded only where a server is used.
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
    """The store that the settings name: a Qdrant server, or the embedded engine.

    `owner`: start and watch the engine's process (`cairn serve`); otherwise connect to the one that runs.
    ConfigurationError when another process owns the folder already. An index that can't be opened is set aside: see `host.py`.
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
    from app.storage.vectors.place import Place

    place = await asyncio.to_thread(Place.at, folder)
    host = await stack.enter_async_context(EngineHost(place, settings.vectors, schema).running()) if owner else None
    return EdgeStore(place.live, settings.vectors, host)


def _server_store() -> type[ServerStore]:
    """In a thread: importing qdrant-client takes a second."""
    from app.storage.vectors.server import ServerStore

    return ServerStore
