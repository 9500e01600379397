"""Opens the embedding models: one for questions, a lane for other programs' batches, one for long texts, and the cache around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.cache.part import favourites_of, tiers
from app.embeddings import Bulk, CachedEmbedder, LongForm, is_vector, local_long_form, open_bulk, open_embedder
from app.part import OK, Condition, Opened, Part, ReadinessCheck, Role
from app.settings import Settings
from app.storage.part import StorageServices


@dataclass(frozen=True, slots=True)
class EmbeddingServices:
    """`bulk`: batches of other programs, which never wait in a question's way."""

    embedder: CachedEmbedder
    bulk: Bulk
    long_form: LongForm


@asynccontextmanager
async def open_embeddings(settings: Settings, role: Role, *, storage: StorageServices) -> AsyncIterator[Opened[EmbeddingServices]]:
    """Open the models and their cache. One that can't be loaded is tried again behind the answers: `/readyz` says why until then."""
    options, cached, models = settings.embeddings, settings.cache.embeddings, storage.folder.models
    async with AsyncExitStack() as stack:
        before = tiers("embeddings", cached, settings, storage, redis=False)
        embedder = await stack.enter_async_context(
            open_embedder(options, models, before.memory, ttl_seconds=cached.ttl_seconds, batches=role == "worker")
        )
        bulk = await stack.enter_async_context(open_bulk(embedder, options, models))
        favourites = None
        if role == "serve":
            favourites = favourites_of(before, settings, storage, valid=is_vector, own_ttl_seconds=cached.ttl_seconds)
        if favourites is not None:
            stack.push_async_callback(favourites.close)

        async def condition() -> Condition:
            why = embedder.away
            if why is None:
                return OK
            return Condition(
                "degraded", f"{why}. It is tried again by itself: until then searches answer by words, and what is ingested waits."
            )

        part = Part(
            name="embeddings",
            loops=() if favourites is None else favourites.loops(),
            ready=[ReadinessCheck("embeddings", condition)],
            caches=[before],
        )
        yield EmbeddingServices(embedder, bulk, local_long_form(embedder, models)), part
