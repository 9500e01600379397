"""Teams' heads in memory, read again after a while: another process may have fitted a new one."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic
from uuid import UUID

from app.trajectory.intent.classifier import Numbers
from app.trajectory.intent.store import IntentStore

HELD_SECONDS = 30.0
MAX_TEAMS = 256
"""Heads kept in memory, 30 kB each; the longest unused goes first."""


class StoredHeads:
    """Implements `classifying.TeamHeads` over the store."""

    def __init__(self, store: IntentStore) -> None:
        self._store = store
        self._held: OrderedDict[UUID, tuple[float, Numbers | None]] = OrderedDict()

    async def head_of(self, team_id: UUID) -> Numbers | None:
        """Return a team's head, at most HELD_SECONDS old; None: it has none."""
        known = self._held.get(team_id)
        if known is None or known[0] < monotonic():
            known = (monotonic() + HELD_SECONDS, await self._store.load_head(team_id))
            self._held[team_id] = known
            if len(self._held) > MAX_TEAMS:
                self._held.popitem(last=False)
        self._held.move_to_end(team_id)
        return known[1]

    def forget(self, team_id: UUID) -> None:
        """Drop a team's head from memory: it was fitted anew."""
        self._held.pop(team_id, None)
