"""Opens the door to models: providers, the engine, the caches around it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from app.embeddings import Bulk, Embedder
from app.inference.cached import CachedEngine
from app.inference.catalog import Catalog
from app.inference.engine import Engine
from app.inference.meter import Meter
from app.inference.semantic import Semantic
from app.services.caches import favoured, tiers
from app.services.services import Inference, Money, Role
from app.services.tasks import owned
from app.settings import Settings
from app.storage.database import Database
from app.storage.invalidations import Invalidations

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from app.inference.sharing import Sharing


async def open_inference(
    stack: AsyncExitStack,
    settings: Settings,
    role: Role,
    *,
    database: Database,
    budget: Money,
    embedder: Embedder,
    bulk: Bulk,
    redis: Redis | None,
    invalidations: Invalidations,
) -> Inference:
    """Providers are reached when they are first asked. Closed before the ledger: streams that are cut are still settled."""
    sharing = _sharing(redis)
    changed = None if sharing is None else sharing.changed
    catalog = Catalog(settings.providers, settings.inference, budget.prices, embedder=bulk.embedder, changed=changed)
    if settings.knowledge.answer_model:
        catalog.require_configured(settings.knowledge.answer_model, setting="knowledge.answer_model")
    inner = Engine(catalog, Meter(budget.ledger, settings.budget), budget.requests, settings.inference)
    kept = settings.cache.completions
    completions = tiers("completions", kept, settings, database=database, redis=redis, invalidations=invalidations)
    by_meaning = Semantic(embedder, settings.cache.semantic) if settings.cache.semantic.enabled else None
    engine = CachedEngine(inner, catalog, completions, kept, by_meaning=by_meaning)
    stack.push_async_callback(engine.close)
    if role == "serve":
        await stack.enter_async_context(owned(engine.prepare(), name="prepare models"))
        await stack.enter_async_context(favoured(settings, database, completions, invalidations))
        if sharing is not None:
            await stack.enter_async_context(owned(sharing.run(catalog.breakers), name="share breakers"))
    return Inference(engine, catalog, {completions.name: completions})


def _sharing(redis: Redis | None) -> Sharing | None:
    """redis-py is imported only where there is a Redis."""
    if redis is None:
        return None
    from app.inference.sharing import Sharing

    return Sharing(redis)
