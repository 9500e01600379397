"""A caching layer around Search: a repeated question is answered from the cache until the knowledge in its scope changes.

The scope's version is read from PostgreSQL for each question and is part of the cache key, so an answer from before an acknowledged write
is never served after it, by any server. Degraded answers aren't cached (docs/decisions/0012-query-cache.md).
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, replace
from time import perf_counter
from uuid import UUID

import msgspec
import structlog

from app import __version__, clock
from app.accounts.accounts import Accounts
from app.cache.tiers import TieredCache
from app.errors import Unavailable
from app.knowledge.index import Index
from app.knowledge.results import Query, Result, SearchResults
from app.knowledge.search import Search
from app.knowledge.versions import Scope, Versions
from app.settings import QueriesCacheSettings
from app.storage.replicas.read_session import require_primary_reads

log = structlog.get_logger()


class _CachedResults(msgspec.Struct, frozen=True, array_like=True):
    """Cached results, their team, and how long the search took."""

    team_id: UUID
    results: tuple[Result, ...]
    took_ms: float
    tokens: int


class CachedSearch:
    """Search with a cache, the same interface as `Search`. `fingerprint`: what else results depend on, part of
    the cache key: the embedder's model, the thresholds.
    """

    def __init__(
        self,
        search: Search,
        tiers: TieredCache,
        versions: Versions,
        *,
        accounts: Accounts,
        index: Index,
        options: QueriesCacheSettings,
        fingerprint: str,
    ) -> None:
        self._search = search
        self._tiers = tiers
        self._versions = versions
        self._accounts = accounts
        self._index = index
        self._options = options
        self._fingerprint = f"{__version__} {fingerprint}"

    async def query(self, team_id: UUID, query: Query) -> SearchResults:
        """Answer as `Search.query` does, with the same errors; the answer's `cache` names the cache tier that had it."""
        began = perf_counter()
        scope = await self._scope(team_id, query)
        key = None if scope is None else await self._key(scope, query)
        if scope is None or key is None:
            return await self._search.query(team_id, query)
        if query.cache != "refresh":
            value = await self._tiers.get(key)
            if value is not None and (found := _decoded(value.value, team_id)) is not None:
                took = (perf_counter() - began) * 1000
                if not found.results:
                    self._search.record_unanswered(team_id, query, scope.project_id)
                self._tiers.record_saved(value.tier, seconds=max(0.0, found.took_ms - took) / 1000)
                return SearchResults(found.results, round(took, 3), (), cache=value.tier, tokens=found.tokens)
        require_primary_reads()  # the version was read from the primary, so the results cached under it must be as new
        answer = await self._search.query(team_id, query)
        if not answer.degraded and self._index.complete:
            self._tiers.set(
                key,
                msgspec.msgpack.encode(_CachedResults(team_id, answer.results, answer.took_ms, answer.tokens)),
                self._options.ttl_seconds,
            )
        return replace(answer, took_ms=round((perf_counter() - began) * 1000, 3))

    async def _scope(self, team_id: UUID, query: Query) -> Scope | None:
        """Return what is searched. None: don't use the cache, or there is no such project, which may be created at any moment."""
        if not self._options.enabled or query.cache == "never" or not self._index.complete:
            return None
        if query.project is None:
            return Scope(team_id, None, query.closed)
        try:
            project_id = await self._accounts.project_named(team_id, query.project, closed=query.closed)
        except Unavailable as error:
            log.warning("search.uncached", code=error.code)
            return None
        return None if project_id is None else Scope(team_id, project_id, query.closed)

    async def _key(self, scope: Scope, query: Query) -> bytes | None:
        """Return the cache key: a hash of everything that changes the answer, whom projects are closed to too. None: don't use the cache.

        The version is read before the search, so that what is found is at least as new.
        """
        try:
            version = await self._versions.current(Scope(scope.team_id, scope.project_id))
        except Unavailable as error:
            log.warning("search.uncached", code=error.code)
            return None
        asked = astuple(replace(query, cache="auto", asker=None, closed=frozenset(), intents=tuple(sorted(set(query.intents)))))
        day = clock.now().date()  # freshness and "last week" depend on the day
        # repr: unambiguous, whatever the values contain
        material = repr((self._fingerprint, scope.team_id.hex, version, day, asked, sorted(map(str, scope.closed))))
        return hashlib.blake2b(material.encode(), digest_size=24).digest()


def _decoded(value: bytes, team_id: UUID) -> _CachedResults | None:
    """Decode cached results; None if it is unreadable, of another layout, or another team's."""
    try:
        cached = msgspec.msgpack.decode(value, type=_CachedResults)
    except msgspec.MsgspecError:
        return None
    return cached if cached.team_id == team_id else None
