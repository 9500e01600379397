"""Opens the door to models: providers, the engine, the caches around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.budget.ledger import Ledger
from app.budget.prices import Prices
from app.budget.requests import RequestLog
from app.cache.part import tiers, warmup_of
from app.cache.tiers import TieredCache
from app.embeddings.part import EmbeddingServices
from app.inference.cached import CachedEngine
from app.inference.catalog import Catalog
from app.inference.conversations import ConversationEngine
from app.inference.engine import InferenceEngine
from app.inference.logged import LoggedEngine, RequestRecorder
from app.inference.meter import Meter
from app.inference.refused_thinking import ThinkingRetryEngine
from app.inference.semantic import Semantic
from app.part import Levels, Loop, Opened, Part, Role
from app.settings import Settings
from app.storage.part import StorageServices
from app.supervision import background_task
from app.telemetry import metrics

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from app.inference.breaker_sync import BreakerSync

NAME = "inference"
TOKENIZER_SECONDS = 5.0
"""For which the opening waits for the tokenizers, mostly 0.2 s. What others allocate while tokens are read lies between their memory, which
then isn't given back: 16 MB.
"""
BREAKER_LEVELS = {"open": 1.0, "half-open": 0.5, "closed": 0.0}


@dataclass(frozen=True, slots=True)
class InferenceServices:
    """The one door to models, and who stands behind it. `conversations`: the same engine, for typed conversations of any dialect."""

    engine: CachedEngine
    catalog: Catalog

    @property
    def conversations(self) -> ConversationEngine:
        return ThinkingRetryEngine(self.engine)


@asynccontextmanager
async def open_inference(
    settings: Settings,
    role: Role,
    *,
    storage: StorageServices,
    embeddings: EmbeddingServices,
    ledger: Ledger,
    prices: Prices,
    requests: RequestLog,
) -> AsyncIterator[Opened[InferenceServices]]:
    """Open the engine; providers are reached when they are first asked. Closed before the ledger: cut streams are still settled."""
    sharing = _sharing(storage.redis)
    catalog = _catalog(settings, prices, embeddings, sharing)
    recorder = RequestRecorder(requests)
    inner = LoggedEngine(InferenceEngine(catalog, Meter(ledger, settings.budget), settings.inference), recorder)
    kept = settings.cache.completions
    completions = tiers("completions", kept, settings, storage)
    by_meaning = Semantic(embeddings.embedder, settings.cache.semantic) if settings.cache.semantic.enabled else None
    engine = CachedEngine(inner, recorder, catalog, completions, kept, by_meaning=by_meaning)
    loops: tuple[Loop, ...] = ()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.close)
        if role == "serve":
            await stack.enter_async_context(background_task(engine.prepare(), name="prepare models"))
            with suppress(TimeoutError):
                await asyncio.wait_for(catalog.tokenizers_loaded.wait(), TOKENIZER_SECONDS)
            warmup = warmup_of(completions, settings, storage)
            if warmup is not None:
                stack.push_async_callback(warmup.close)
                loops += warmup.loops()
            if sharing is not None:
                loops += sharing.loops(catalog.breakers)

        yield InferenceServices(engine, catalog), part_of(catalog, completions, role, loops=loops)


def part_of(catalog: Catalog, completions: TieredCache, role: Role, *, loops: tuple[Loop, ...] = ()) -> Part:
    """Return what is shown of a door to models: its breakers and its cache."""

    async def states() -> None:
        for name, breaker in catalog.breakers.items():
            metrics.set_breaker(name, breaker.state)

    async def levels() -> Levels:
        return {"breaker.open": {(name,): BREAKER_LEVELS[each.state] for name, each in catalog.breakers.items()}}

    return Part(name=NAME, loops=loops, gauges=[states], levels=[levels] if role == "serve" else (), caches=[completions])


def _catalog(settings: Settings, prices: Prices, embeddings: EmbeddingServices, sharing: BreakerSync | None) -> Catalog:
    """Read the providers and their chains. ConfigurationError where the answers' model is none of theirs."""
    changed = None if sharing is None else sharing.changed
    catalog = Catalog(settings.providers, settings.inference, prices, embedder=embeddings.bulk.embedder, changed=changed)
    if settings.knowledge.answer_model:
        catalog.require_configured(settings.knowledge.answer_model, setting="knowledge.answer_model")
    return catalog


def _sharing(redis: Redis | None) -> BreakerSync | None:
    """Share breakers over Redis, if there is one: only then is redis-py imported."""
    if redis is None:
        return None
    from app.inference.breaker_sync import BreakerSync

    return BreakerSync(redis)
