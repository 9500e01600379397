"""The vector store: an index of PostgreSQL that can be rebuilt. `store.py` is its Protocol; knows no domain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from app.settings import Settings
from app.storage.vectors.store import IndexSchema, VectorStore


@asynccontextmanager
async def open_store(settings: Settings, schema: IndexSchema, *, folder: Path, owner: bool) -> AsyncIterator[VectorStore]:
    """The store that the settings name: a Qdrant server, or the embedded engine.

    `owner`: start and watch the engine's process (`cairn serve`); otherwise connect to the one that runs.
    """
    async with AsyncExitStack() as stack:
        store: VectorStore
        if settings.qdrant.url is not None:
            from app.storage.vectors.server import ServerStore

            store = await ServerStore.open(settings, schema)
        else:
            from app.storage.vectors.edge import EdgeStore, EngineHost, live_socket

            host = None
            if owner:
                made = await asyncio.to_thread(EngineHost, folder, settings.vectors, schema)
                host = await stack.enter_async_context(made.running())
            store = EdgeStore(await asyncio.to_thread(live_socket, folder), settings.vectors, host)
        stack.push_async_callback(store.close)
        yield store
