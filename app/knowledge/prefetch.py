"""Prefetching around the cached search: searches for what usually follows a question while nobody asks. Off by default.

Keeps an order-1 table (which question followed which) for each developer and project. Never runs a model: a question whose vector isn't
cached is skipped. Its use and waste are counted (docs/decisions/0012-query-cache.md).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

import cachebox
import structlog

from app.errors import CairnError
from app.knowledge.answer import Answer, Query
from app.knowledge.cached import CachedSearch
from app.part import Loop
from app.settings import PrefetchSettings
from app.telemetry import metrics

log = structlog.get_logger()

MAX_CHARS = 500
"""Longer questions are hardly ever repeated word for word, and the table holds their text."""
MAX_FOLLOWERS = 4
MAX_WAITING = 8
MAX_AHEAD = 100
"""Half of the default cache size, so that prefetched answers never evict the other half."""


@dataclass(slots=True)
class Prefetched:
    """Counters: answers prefetched; of those, used in time, and wasted (expired, evicted, or invalidated by a write)."""

    ahead: int = 0
    used: int = 0
    wasted: int = 0


class PrefetchingSearch:
    """Search with prefetching, the same interface as `CachedSearch`. `knows`: tells whether a text's vector is cached."""

    def __init__(
        self,
        search: CachedSearch,
        options: PrefetchSettings,
        *,
        knows: Callable[[str], bool],
        ttl_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._search = search
        self._options = options
        self._knows = knows
        self._ttl = ttl_seconds
        self._now = now
        self._last: cachebox.LRUCache[bytes, Query] = cachebox.LRUCache(options.remembered)
        self._followers: cachebox.LRUCache[bytes, dict[Query, int]] = cachebox.LRUCache(options.remembered)
        self._waiting: deque[tuple[UUID, Query]] = deque(maxlen=MAX_WAITING)
        self._ahead: dict[tuple[UUID, Query], float] = {}
        self._under_way = 0
        self._asked_at = 0.0
        self._wanted = asyncio.Event()
        self.counts = Prefetched()

    async def query(self, team_id: UUID, query: Query) -> Answer:
        """Answer as `CachedSearch.query` does, and queue the likely next question for the loop."""
        self._under_way += 1
        self._asked_at = self._now()
        try:
            answer = await self._search.query(team_id, query)
        finally:
            self._under_way -= 1
        plain = replace(query, cache="auto", asker=None)
        self._judge((team_id, plain), came=answer.cache != "miss")
        if query.cache == "auto" and len(query.text) <= MAX_CHARS:
            self._note(team_id, query.asker, plain)
        return answer

    def loops(self) -> tuple[Loop, ...]:
        """Return the search ahead: one question, each time after a quiet moment."""
        pause, meanwhile = self._options.quiet_seconds, "Nothing is searched ahead."
        return (Loop(name="knowledge.prefetch", step=self._look_ahead, pause=pause, wake=self._wanted, meanwhile=meanwhile),)

    async def _look_ahead(self) -> None:
        if self._under_way or self._now() - self._asked_at < self._options.quiet_seconds:
            return
        if not self._waiting:
            self._wanted.clear()
            return
        team_id, query = self._waiting.pop()
        if not self._waiting:
            self._wanted.clear()
        try:
            await self.fetch(team_id, query)
        except CairnError as error:
            log.info("prefetch.left", code=error.code)

    async def fetch(self, team_id: UUID, query: Query) -> bool:
        """Prefetch a query. Returns False if its answer is cached already, its vector isn't, or the search was degraded."""
        if not self._knows(query.text) or await self._search.is_cached(team_id, query):
            return False
        answer = await self._search.query(team_id, replace(query, cache="refresh"))
        if answer.degraded:
            return False
        self._judge((team_id, query), came=False)
        self._ahead[team_id, query] = self._now() + self._ttl
        self._count("ahead")
        while len(self._ahead) > MAX_AHEAD:
            self._judge(next(iter(self._ahead)), came=False)
        return True

    def _note(self, team_id: UUID, asker: UUID | None, query: Query) -> None:
        """Record that this question followed the developer's last one in the project; queue its own most frequent follower."""
        who = _digest(team_id, asker, query.project)
        before, self._last[who] = self._last.get(who), query
        if before is not None:
            place = _digest(who, before)
            after = self._followers.get(place) or {}
            after[query] = after.get(query, 0) + 1
            if len(after) > MAX_FOLLOWERS:
                del after[min((each for each in after if each != query), key=lambda each: after[each])]
            self._followers[place] = after
        likely = self._followers.get(_digest(who, query)) or {}
        guess = max(likely, key=lambda each: likely[each], default=None)
        if guess is not None and likely[guess] >= self._options.min_seen:
            self._waiting.append((team_id, guess))
            self._wanted.set()

    def _judge(self, place: tuple[UUID, Query], *, came: bool) -> None:
        ends = self._ahead.pop(place, None)
        if ends is not None:
            self._count("used" if came else "wasted")
        for old in [each for each, until in self._ahead.items() if until <= self._now()]:
            del self._ahead[old]
            self._count("wasted")

    def _count(self, outcome: str) -> None:
        setattr(self.counts, outcome, getattr(self.counts, outcome) + 1)
        metrics.prefetched(outcome)


def _digest(*parts: object) -> bytes:
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
