"""What stands before search on each of a team's servers: memories of their own over one PostgreSQL and one vector store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from app.accounts.accounts import Accounts
from app.cache.memory import MemoryCache
from app.cache.tiers import CacheTier, TieredCache
from app.knowledge.cached_search import CachedSearch
from app.knowledge.index import Index
from app.knowledge.reads import Reads
from app.knowledge.search import Search
from app.knowledge.search_backend import SearchBackend
from app.knowledge.versions import Versions
from app.settings import QueriesCacheSettings, Settings
from app.storage.direct import DedicatedConnection
from tests.integration.knowledge.conftest import Bench
from tests.waiting import patient_database


@asynccontextmanager
async def server(
    bench: Bench, url: str, *, lower: Sequence[CacheTier] = (), options: QueriesCacheSettings | None = None
) -> AsyncIterator[CachedSearch]:
    """Nothing is shared with another server but the database, the vector store and `lower`."""
    options = options or QueriesCacheSettings()
    direct = DedicatedConnection(patient_database(), url, name="versions", timeout_seconds=30)
    accounts = Accounts(bench.database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)
    index = Index(bench.database, bench.vectors)
    backend = SearchBackend(Reads(bench.database), accounts, index, bench.vectors, Settings().knowledge)
    search = Search(backend, journal=bench.journal, embedder=bench.embedder)
    memory = MemoryCache(options.policy, entries=options.entries, max_bytes=options.max_bytes)
    tiers = TieredCache("queries", memory, lower, timeout_seconds=10)
    try:
        yield CachedSearch(search, tiers, Versions(direct), accounts=accounts, index=index, options=options, fingerprint="test")
    finally:
        await tiers.close()
        await direct.close()
