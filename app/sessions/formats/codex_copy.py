"""Tells what a forked rollout repeats of its parent from what is its own. A fork begins with its header, then its parent's, then a copy
of the parent's records, most often with the time at which they were copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.sessions.formats.values import mapping, string

PAUSE = timedelta(seconds=1)
"""A copy is written in one go: what comes later than this after the record before it is the fork's own."""
Record = dict[str, object]


@dataclass(slots=True)
class ForkedCopy:
    """State of reading one rollout. `began`: when the session did; `last`: the time of the last copied record."""

    session: str
    began: datetime | None
    active: bool = False
    ended: bool = False
    last: datetime | None = None

    def meet(self, header: str) -> None:
        """Note a further header: another session's, before anything of the fork's own, opens a copy of its records."""
        self.active = self.active or (header != self.session and not self.ended)

    def repeats(self, payload: Record, at: datetime | None) -> bool:
        """Tell whether a record is a copy of the parent's. The first that is not ends the copy."""
        if self.active and self._is_own(payload, at):
            self.active = False
        self.ended = self.ended or not self.active
        return self.active

    def _is_own(self, payload: Record, at: datetime | None) -> bool:
        """Judge by the turn's id, which tells when the turn began, else by the record's time."""
        ours, turn = _milliseconds(self.session), _milliseconds(_turn_of(payload))
        if ours is not None and turn is not None and turn != ours:
            return turn > ours
        if self.began is None:
            return True
        if at is None or at < self.began:
            return False
        paused = at - (self.last or self.began) >= PAUSE
        self.last = at
        return paused


def _turn_of(payload: Record) -> str | None:
    holders = (payload, mapping(payload.get("internal_chat_message_metadata_passthrough")), mapping(payload.get("metadata")))
    return next((found for holder in holders if (found := string(holder.get("turn_id")))), None)


def _milliseconds(name: str | None) -> int | None:
    """Return the time within a UUID of version 7; None for other ids."""
    try:
        found = UUID(name or "")
    except ValueError:
        return None
    return found.int >> 80 if found.version == 7 else None
