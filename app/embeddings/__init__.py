"""Turns text into vectors: 384 dims with all-MiniLM-L6-v2, 1536 for a long text. torch is needed only for the export and on a GPU."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.cache.memory import MemoryCache
from app.embeddings import cpu, cuda
from app.embeddings.bulk import BulkAdmission, BulkLane, TwoLanes
from app.embeddings.cache import CachedEmbedder, is_vector
from app.embeddings.coalescing import CoalescingEmbedder
from app.embeddings.embedder import Embedder, Encoded, TokenEmbedder
from app.embeddings.lazy import LazyEmbedder
from app.embeddings.longform import LongForm, local_long_form
from app.embeddings.model import NAME, ensure_exported
from app.embeddings.supervision import EmbeddingProcess
from app.settings import EmbeddingsSettings

__all__ = [
    "Bulk",
    "BulkAdmission",
    "CachedEmbedder",
    "Embedder",
    "Encoded",
    "LongForm",
    "TokenEmbedder",
    "ensure_exported",
    "is_vector",
    "local_long_form",
    "open_bulk",
    "open_embedder",
]

SLICE_SECONDS = 0.1
"""Longest time of one caller's slice while another caller waits."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """The bulk lane: its embedder, and the admission control in front of it."""

    embedder: CachedEmbedder
    admission: BulkAdmission


@asynccontextmanager
async def open_embedder(
    options: EmbeddingsSettings, models: Path, memory: MemoryCache, *, ttl_seconds: float, batches: bool = False
) -> AsyncIterator[CachedEmbedder]:
    """Open this machine's embedder, with its cache in `memory`. Exports the model on first use: 10 to 20 seconds on two cores.

    `batches`: the process embeds many texts at once, so it uses a GPU if there is one. A model that can't be exported or loaded is retried
    in the background; `unavailable_reason` says why until then. Raises ConfigurationError only if the settings require a GPU that
    can't be used.
    """
    on_gpu = await asyncio.to_thread(cuda.use_gpu, options, batches=batches)

    async def loaded() -> TokenEmbedder:
        model = await ensure_exported(models)
        if on_gpu:
            return await asyncio.to_thread(cuda.load, model, options)
        return await asyncio.to_thread(cpu.load, model, options, models / "compiled", lane="batches" if batches else "questions")

    late = LazyEmbedder(loaded, model=NAME)
    retrying = None if await late.load() else asyncio.create_task(late.run(), name="load embeddings")
    try:
        yield CachedEmbedder(CoalescingEmbedder(late), memory, ttl_seconds=ttl_seconds, unavailable_reason=lambda: late.unavailable_reason)
    finally:
        if retrying is not None:
            retrying.cancel()
            await asyncio.wait([retrying])


@asynccontextmanager
async def open_bulk(questions: CachedEmbedder, options: EmbeddingsSettings, models: Path) -> AsyncIterator[Bulk]:
    """Open the bulk lane, which shares the questions' cache. Its process starts with the first batch."""
    process = EmbeddingProcess.of(options, models)
    lane = BulkLane(process, slice_seconds=SLICE_SECONDS)
    admission = BulkAdmission(
        lane,
        max_texts_a_caller=options.bulk_texts_a_caller,
        max_texts=options.bulk_texts,
        max_wait_seconds=options.bulk_wait_seconds,
    )
    try:
        yield Bulk(questions.with_inner(TwoLanes(questions.inner, lane)), admission)
    finally:
        await lane.close()
        await process.close()
