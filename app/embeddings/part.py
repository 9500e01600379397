"""Opens the embedders: for questions, for callers' batches (the bulk lane) and for long texts; and the cache that they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.cache.part import tiers, warmup_of
from app.embeddings import Bulk, CachedEmbedder, LongForm, ensure_exported, is_vector, local_long_form, open_bulk, open_embedder
from app.part import OK, Condition, Opened, Part, ReadinessCheck, Role
from app.settings import Settings
from app.storage.part import StorageServices

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EmbeddingServices:
    """The open embedders. `bulk`: for callers' batches (`/v1/embeddings`), which never delay a question."""

    embedder: CachedEmbedder
    bulk: Bulk
    long_form: LongForm


@asynccontextmanager
async def exporting_model(models: Path) -> AsyncIterator[None]:
    """Export the model, where a first start has to, while the body runs; wait for it at the end.

    What fails here fails again when the model is loaded, which says why and retries.
    """
    task = asyncio.create_task(_try_to_export(models), name="export model")
    try:
        yield
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _try_to_export(models: Path) -> None:
    try:
        await ensure_exported(models)
    except Exception as error:  # noqa: BLE001 - told when the model is loaded
        log.info("embeddings.export.postponed", reason=str(error))


@asynccontextmanager
async def open_embeddings(settings: Settings, role: Role, *, storage: StorageServices) -> AsyncIterator[Opened[EmbeddingServices]]:
    """Open the embedders and their cache. A model that can't be loaded is retried in the background; `/readyz` says why until then."""
    options, cached, models = settings.embeddings, settings.cache.embeddings, storage.folder.models
    async with AsyncExitStack() as stack:
        cached_vectors = tiers("embeddings", cached, settings, storage, redis=False)
        embedder = await stack.enter_async_context(
            open_embedder(options, models, cached_vectors.memory, ttl_seconds=cached.ttl_seconds, batches=role == "worker")
        )
        bulk = await stack.enter_async_context(open_bulk(embedder, options, models))
        warmup = None
        if role == "serve":
            warmup = warmup_of(cached_vectors, settings, storage, valid=is_vector, own_ttl_seconds=cached.ttl_seconds)
        if warmup is not None:
            stack.push_async_callback(warmup.close)

        async def condition() -> Condition:
            reason = embedder.unavailable_reason
            if reason is None:
                return OK
            return Condition(
                "degraded", f"{reason}. Loading is retried automatically; until then searches are lexical only, and ingested sessions wait."
            )

        part = Part(
            name="embeddings",
            loops=() if warmup is None else warmup.loops(),
            ready=[ReadinessCheck("embeddings", condition)],
            caches=[cached_vectors],
        )
        yield EmbeddingServices(embedder, bulk, local_long_form(embedder, models)), part
