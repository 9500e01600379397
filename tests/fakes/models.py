"""The exported model, shared by all tests of one machine: its export takes seconds, and its folder checks itself by digests."""

from __future__ import annotations

import os
import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from app.cache.memory import MemoryCache
from app.embeddings import CachedEmbedder, open_embedder
from app.settings import EmbeddingsSettings


def models_folder() -> Path:
    """Where tests and measurements keep the exported model (`app.embeddings.model.exported` fills it)."""
    return Path(tempfile.gettempdir()) / f"cairn-test-models-{os.getuid()}"


def uncached_embedder(options: EmbeddingsSettings | None = None) -> AbstractAsyncContextManager[CachedEmbedder]:
    """This machine's embedder, as for batches, with a cache too small to help."""
    return open_embedder(options or EmbeddingsSettings(), models_folder(), MemoryCache("lru", entries=1, max_bytes=2**16), ttl_seconds=60)
