"""Opens the embedders: for questions, for other programs' batches (bulk), for long texts; and the cache around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.cache.part import tiers, warmup_of
from app.embeddings import Bulk, CachedEmbedder, LongForm, is_vector, local_long_form, open_bulk, open_embedder
from app.part import OK, Condition, Opened, Part, ReadinessCheck, Role
from app.settings import Settings
from app.storage.part import StorageServices


@dataclass(frozen=True, slots=True)
class EmbeddingServices:
    """The open embedders. `bulk`: for batches of other programs, which never delay a question."""

    embedder: CachedEmbedder
    bulk: Bulk
    long_form: LongForm


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
