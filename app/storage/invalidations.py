"""Cache invalidation between processes, over PostgreSQL's NOTIFY, which both sizes have. Knows no domain.

At most once, best effort: each cache's TTL remains the bound on staleness. After a gap in listening everything is dropped, since
what was missed is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from app.part import Loop
from app.storage.notify_listener import NotifyListener

CHANNEL = "cairn_invalidations"
"""The channel of LISTEN and NOTIFY."""
LONGEST = 500

Forget: TypeAlias = Callable[[str | None], None]
"""Receives the key that is out of date; None: any may be. Must not block."""


class Invalidations:
    """Publishes invalidations by topic to the subscribers in other processes. Without `notices` there are no other processes."""

    def __init__(self, notices: NotifyListener | None = None) -> None:
        self._notices = notices
        self._topics: dict[str, list[Forget]] = {}

    def subscribe(self, topic: str, forget: Forget) -> None:
        self._topics.setdefault(topic, []).append(forget)

    def publish(self, topic: str, what: str | None = None) -> None:
        """Invalidate a key (None: the whole topic) in the other processes; this one has dropped it already. `topic`: one word.

        Call after the change is committed: receivers may read again at once.
        """
        if self._notices is None:
            return
        one = what is not None and len(what) <= LONGEST and what.isprintable()
        self._notices.notify(f"{topic} {what}" if one else topic, overflow=topic)

    async def begun(self, *, max_seconds: float) -> None:
        """Wait, up to `max_seconds`, until this process listens; it then drops its caches once, as it may have missed something."""
        if self._notices is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(max_seconds):
                    await self._notices.begun.wait()

    def loops(self) -> tuple[Loop, ...]:
        """Return the listener; none without other processes."""
        if self._notices is None:
            return ()
        meanwhile = "What other processes change is seen here only once a cache's own time to live is over."
        return self._notices.loops("storage.invalidations", self._received, meanwhile=meanwhile)

    def _received(self, words: str | None) -> None:
        if words is not None:
            topic, _, what = words.partition(" ")
            self._forget(topic, what or None)
        elif self._notices is not None and self._notices.listening:  # listening again: drop all; while disconnected, caches are kept
            for topic in self._topics:
                self._forget(topic, None)

    def _forget(self, topic: str, what: str | None) -> None:
        for forget in self._topics.get(topic, ()):
            forget(what)
