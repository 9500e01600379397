"""Forget this: what one process changed, the others drop from their memory. Over PostgreSQL, which both sizes have. Knows no domain.

At most once, best effort: a cache's own time to live stays the floor. Who was not listening for a while forgets everything, for
nobody knows what was missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from app.part import Loop
from app.storage.notices import Notices

CHANNEL = "cairn_invalidations"
"""Of LISTEN and NOTIFY."""
LONGEST = 500

Forget: TypeAlias = Callable[[str | None], None]
"""Gets what is out of date; None: anything may be. It must not wait."""


class Invalidations:
    """`publish("knowledge", project)` here calls every `subscribe("knowledge", …)` in the other processes. Without `notices`: nobody's."""

    def __init__(self, notices: Notices | None = None) -> None:
        self._notices = notices
        self._topics: dict[str, list[Forget]] = {}

    def subscribe(self, topic: str, forget: Forget) -> None:
        self._topics.setdefault(topic, []).append(forget)

    def publish(self, topic: str, what: str | None = None) -> None:
        """To the other processes, within moments: this one has forgotten it already. A `topic` is one word. None: all of it.

        Call it once the change can be read: who hears it may read again at once.
        """
        if self._notices is None:
            return
        one = what is not None and len(what) <= LONGEST and what.isprintable()
        self._notices.tell(f"{topic} {what}" if one else topic, crowded=topic)

    async def begun(self, *, most_seconds: float) -> None:
        """Wait until this process listens: what it holds in memory until then it forgets once, for it may have missed a word."""
        if self._notices is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(most_seconds):
                    await self._notices.begun.wait()

    def loops(self) -> tuple[Loop, ...]:
        """Return the listener; nothing where nobody else is told."""
        if self._notices is None:
            return ()
        meanwhile = "What other processes change is seen here only once a cache's own time to live is over."
        return self._notices.loops("storage.invalidations", self._heard, meanwhile=meanwhile)

    def _heard(self, words: str | None) -> None:
        if words is not None:
            topic, _, what = words.partition(" ")
            self._forget(topic, what or None)
        elif self._notices is not None and self._notices.listening:  # again: while it was away, what is kept is better than nothing
            for topic in self._topics:
                self._forget(topic, None)

    def _forget(self, topic: str, what: str | None) -> None:
        for forget in self._topics.get(topic, ()):
            forget(what)
