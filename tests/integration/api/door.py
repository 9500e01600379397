"""The door under test: the running application with an engine of its own, over fake providers, and a developer who pays."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import text

from app.cache.memory import MemoryCache
from app.cache.tiers import CacheTier, TieredCache
from app.embeddings import Embedder
from app.inference.cached import CachedEngine
from app.inference.catalog import Catalog
from app.inference.engine import InferenceEngine
from app.inference.logged import LoggedEngine, RequestRecorder
from app.inference.meter import Meter
from app.inference.part import NAME, InferenceServices, part_of
from app.inference.semantic import Semantic
from app.settings import (
    BreakerSettings,
    BudgetSettings,
    CompletionsCacheSettings,
    InferenceSettings,
    ProviderSettings,
    SemanticCacheSettings,
    TimeoutSettings,
)
from tests.fakes.hostile import HostileProvider
from tests.fakes.provider import FakeProvider
from tests.integration.api.conftest import Api, Reply

SECRET = "sk-the-key-of-the-provider-0123456789"
QUICK = TimeoutSettings(connect=10, first_token=2, idle=2, answer=2, total=60)
"""For tests that wait for one of them."""

PATIENT = TimeoutSettings(connect=30, first_token=30, idle=30, answer=30, total=120)
"""For all others: a busy machine is no fault of the provider's."""


@dataclass(slots=True)
class Door:
    """`fakes` by provider's name, in the chain's order."""

    api: Api
    fakes: Mapping[str, FakeProvider]
    catalog: Catalog
    engine: InferenceEngine
    front: CachedEngine | LoggedEngine
    key: str
    developer: str

    async def chat(
        self, prompt: str = "hello", *, key: str | None = None, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> Reply:
        body = {"model": "auto", "messages": [{"role": "user", "content": prompt}], **fields}
        return await self.api.ask("POST", "/v1/chat/completions", key=key or self.key, json=body, headers=dict(headers or {}))

    async def events(self, prompt: str = "hello", **fields: Any) -> tuple[Reply, list[Any]]:
        """A stream's reply and its events; the last is "[DONE]" where it came."""
        reply = await self.chat(prompt, stream=True, **fields)
        data = [line.removeprefix("data: ") for line in reply.text.splitlines() if line.startswith("data: ")]
        return reply, [each if each == "[DONE]" else json.loads(each) for each in data]

    async def asked(self) -> dict[str, int]:
        """How often each provider was asked."""
        return {name: len(fake.asked) for name, fake in self.fakes.items()}

    async def money(self) -> dict[str, Any]:
        """The developer's own budget, once every end is written."""
        await self.engine._meter.close()
        reply = await self.api.ask("GET", "/v1/budget", key=self.key)
        return reply.json

    async def holds(self) -> list[tuple[str, str, str | None]]:
        """(provider, state, mark of its movement) of this developer's holds, in order."""
        await self.engine._meter.close()
        query = text(
            "select h.provider, h.state, (select m.mark from budget_movements m where m.hold_id = h.id order by m.id desc limit 1)"
            " from budget_holds h join developers d on d.id = h.developer_id where d.name = :name order by h.created_at, h.attempt"
        )
        async with self.api.services.database.begin() as connection:
            return [tuple(row) for row in await connection.execute(query, {"name": self.developer})]  # type: ignore[misc]

    def breaker(self, name: str) -> Any:
        return self.catalog.breakers[name]


@asynccontextmanager
async def open_door(
    api: Api,
    *names: str,
    kinds: Mapping[str, str] | None = None,
    limit_usd: float = 8.33,
    timeouts: TimeoutSettings = PATIENT,
    breaker: BreakerSettings | None = None,
    budget: BudgetSettings | None = None,
    fakes: Mapping[str, Any] | None = None,
    provider: Mapping[str, Any] | None = None,
    cached: bool = False,
    semantic: SemanticCacheSettings | None = None,
    lower: Sequence[CacheTier] = (),
    embedder: Embedder | None = None,
    hostile: Mapping[str, HostileProvider] | None = None,
    **inference: Any,
) -> AsyncIterator[Door]:
    """`kinds`: by name, else "openai"; `provider`: more settings of each; `fakes`: options of the fake servers.

    `hostile`: these, by name, in the place of fake ones.
    """
    names = names or (*(hostile or {}),) or ("one", "two")
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(FakeProvider(**(fakes or {}))) for name in names if name not in (hostile or {})}
        urls = {name: fake.url for name, fake in {**servers, **(hostile or {})}.items()}
        settings = {name: _provider(name, urls[name], (kinds or {}).get(name, "openai"), provider or {}) for name in names}
        options = InferenceSettings(chain=names, timeouts=timeouts, breaker=breaker or BreakerSettings(), **inference)
        prices = api.services.budget.prices
        catalog = Catalog(settings, options, prices, embedder=api.services.embedder, environment={"FAKE_KEY": SECRET})
        engine = InferenceEngine(catalog, Meter(api.services.budget.ledger, budget or BudgetSettings()), options)
        recorder = RequestRecorder(api.services.budget.requests)
        logged = LoggedEngine(engine, recorder)
        tiers = TieredCache("completions", MemoryCache("lru", entries=100, max_bytes=2**20), lower or (), timeout_seconds=10)
        by_meaning = None if semantic is None else Semantic(embedder or api.services.embedder, semantic)
        front = CachedEngine(logged, recorder, catalog, tiers, CompletionsCacheSettings(), by_meaning=by_meaning) if cached else logged
        before = api.app.state.services
        parts = [part_of(catalog, tiers, "serve") if part.name == NAME else part for part in api.services.parts]
        doors = InferenceServices(front, catalog)  # type: ignore[arg-type]
        api.app.state.services = replace(api.services, inference=doors, parts=parts)
        name = await _developer(api, limit_usd)
        made = await api.ask("POST", f"/v1/developers/{name}/keys")
        try:
            yield Door(api, servers, catalog, engine, front, str(made.json["key"]), name)
        finally:
            api.app.state.services = before
            await front.close()


def _provider(name: str, url: str, kind: str, more: Mapping[str, Any]) -> ProviderSettings:
    base = {"groq": "/openai/v1", "anthropic": "", "gemini": ""}.get(kind, "/v1")
    given = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0, "embedding_usd_per_mtok": 1.0, **more}
    return ProviderSettings(kind=kind, model=f"{name}-model", api_base=url + base, api_key_env="FAKE_KEY", **given)


async def _developer(api: Api, limit_usd: float) -> str:
    from uuid import uuid4

    name = f"dev-{uuid4().hex[:12]}"
    made = await api.ask("POST", "/v1/developers", json={"name": name, "monthly_limit_usd": limit_usd})
    assert made.status == 201, made.text
    return name
