"""A search around a search: a question that was answered before is answered from memory, until the knowledge it covers has changed.

The version of that knowledge is read from PostgreSQL with every question and is part of the key: what was kept before a write that was
acknowledged is never found after it, on any server. Only whole answers are kept (docs/decisions/0012-query-cache.md).
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
from app.cache.tiers import Tiers
from app.errors import Unavailable
from app.knowledge.answer import Answer, Query, Result
from app.knowledge.index import Index
from app.knowledge.search import Search
from app.knowledge.versions import Scope, Versions
from app.settings import QueriesCache
from app.storage.replicas.read_session import read_newest

log = structlog.get_logger()


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A whole answer, whose it is, and what it took."""

    team_id: UUID
    results: tuple[Result, ...]
    took_ms: float
    tokens: int


class CachedSearch:
    """The same door as `Search`. `tuned`: what else its answers depend on, the embedder's model and the thresholds."""

    def __init__(
        self, search: Search, tiers: Tiers, versions: Versions, *, accounts: Accounts, index: Index, options: QueriesCache, tuned: str
    ) -> None:
        self._search = search
        self._tiers = tiers
        self._versions = versions
        self._accounts = accounts
        self._index = index
        self._options = options
        self._tuned = f"{__version__} {tuned}"

    async def query(self, team_id: UUID, query: Query) -> Answer:
        """As `Search.query`, with its errors; `cache` names the tier that had it."""
        began = perf_counter()
        key = await self._key(team_id, query)
        if key is None:
            return await self._search.query(team_id, query)
        if query.cache != "refresh":
            value = await self._tiers.get(key)
            if value is not None and (found := _unpacked(value.value, team_id)) is not None:
                took = (perf_counter() - began) * 1000
                if not found.results:
                    self._search.asked_in_vain(team_id, query)
                self._tiers.spared(value.tier, seconds=max(0.0, found.took_ms - took) / 1000)
                return Answer(found.results, round(took, 3), (), cache=value.tier, tokens=found.tokens)
        read_newest()  # the version was read at the primary: what is kept under it must be as new
        answer = await self._search.query(team_id, query)
        if not answer.degraded and self._index.complete:
            self._tiers.set(
                key, msgspec.msgpack.encode(_Kept(team_id, answer.results, answer.took_ms, answer.tokens)), self._options.ttl_seconds
            )
        return replace(answer, took_ms=round((perf_counter() - began) * 1000, 3))

    async def holds(self, team_id: UUID, query: Query) -> bool:
        """Whether memory has the answer. Counted as neither hit nor miss."""
        key = await self._key(team_id, query)
        return key is not None and key in self._tiers.memory

    async def _key(self, team_id: UUID, query: Query) -> bytes | None:
        """Of everything that changes the answer. None: nothing is to be read or kept.

        The version is read before anything is searched: what is then found is at least as new.
        """
        if not self._options.enabled or query.cache == "never" or not self._index.complete:
            return None
        try:
            project_id = None
            if query.project is not None:
                project_id = await self._accounts.project_named(team_id, query.project)
                if project_id is None:
                    return None  # quickly answered, and it may be made at any moment
            version = await self._versions.of(Scope(team_id, project_id))
        except Unavailable as error:
            log.warning("search.uncached", code=error.code)
            return None
        asked = astuple(replace(query, cache="auto", asker=None))
        day = clock.now().date()  # a passage's age and what "last week" means are those of the day
        whole = repr((self._tuned, team_id.hex, version, day, asked))  # repr: no two questions look the same, whatever they hold
        return hashlib.blake2b(whole.encode(), digest_size=24).digest()


def _unpacked(value: bytes, team_id: UUID) -> _Kept | None:
    """None for what another version kept, for what can't be read, and for another team's, however it came here."""
    try:
        kept = msgspec.msgpack.decode(value, type=_Kept)
    except msgspec.MsgspecError:
        return None
    return kept if kept.team_id == team_id else None
