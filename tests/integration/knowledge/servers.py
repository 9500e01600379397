"""What stands before search on each of a team's servers: memories of their own over one PostgreSQL and one vector store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from app.accounts.accounts import Accounts
from app.cache.memory import Memory
from app.cache.tiers import Tier, Tiers
from app.knowledge.cached import CachedSearch
from app.knowledge.index import Index
from app.knowledge.search import Search
from app.knowledge.versions import Versions
from app.settings import Database as DatabaseSettings
from app.settings import QueriesCache, Settings
from app.storage.direct import Direct
from tests.integration.knowledge.conftest import Bench


@asynccontextmanager
async def server(bench: Bench, url: str, *, lower: Sequence[Tier] = (), options: QueriesCache | None = None) -> AsyncIterator[CachedSearch]:
    """Nothing is shared with another server but the database, the vector store and `lower`."""
    options = options or QueriesCache()
    limits = Settings().knowledge
    direct = Direct(DatabaseSettings(), url, name="versions", timeout_seconds=30)
    accounts = Accounts(bench.database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)
    index = Index(bench.database, bench.vectors)
    search = Search(
        database=bench.database,
        accounts=accounts,
        journal=bench.journal,
        index=index,
        vectors=bench.vectors,
        embedder=bench.embedder,
        limits=limits,
    )
    memory = Memory(options.policy, entries=options.entries, most_bytes=options.max_bytes)
    tiers = Tiers("queries", memory, lower, timeout_seconds=10)
    try:
        yield CachedSearch(search, tiers, Versions(direct), accounts=accounts, index=index, options=options, tuned="test")
    finally:
        await tiers.close()
        await direct.close()
