"""Embeddings: text → 384 dims with all-MiniLM-L6-v2. torch is needed once, for the export, in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.cache.memory import Memory
from app.embeddings.cache import CachedEmbedder
from app.embeddings.coalescing import CoalescingEmbedder
from app.embeddings.embedder import Embedder
from app.embeddings.model import exported
from app.embeddings.runtime import load
from app.settings import Embeddings

__all__ = ["CachedEmbedder", "Embedder", "open_embedder"]


@asynccontextmanager
async def open_embedder(options: Embeddings, models: Path, memory: Memory, *, ttl_seconds: float) -> AsyncIterator[CachedEmbedder]:
    """The embedder of this machine. The first time in a data folder it exports the model: 10 to 20 seconds on two cores.

    What it has embedded is kept in `memory`.
    """
    model = await exported(models)
    runtime = await asyncio.to_thread(load, model, options, models / "compiled")
    yield CachedEmbedder(CoalescingEmbedder(runtime), memory, ttl_seconds=ttl_seconds)
