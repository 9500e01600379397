"""The titles of Claude Code's sessions: a file may name several sessions, and hold summaries of others that aren't in it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from app.sessions.formats.values import string

MAX_SUMMARIES, MAX_SESSIONS, MAX_RECORDS = 1000, 100, 100_000
GIVEN_TITLES = {"summary": 1, "ai-title": 2, "custom-title": 3}
"""Rank of each record kind that gives a title: a title chosen by a person beats a generated one."""
_FIELDS = ("customTitle", "aiTitle")
Record = dict[str, object]


@dataclass(slots=True)
class Title:
    """The best title of one session so far; rank 0: derived from its first prompt."""

    text: str | None = None
    rank: int = -1

    def offer(self, text: str | None, rank: int) -> bool:
        """Take a title if it outranks the current one; return whether it was taken."""
        if not text or rank < self.rank or (rank == 0 and self.rank == 0):
            return False
        self.text, self.rank = text, rank
        return True


@dataclass(slots=True)
class Titles:
    """The titles of a file's sessions. A summary is the title of the session that holds its leaf, wherever in the file that stands."""

    sessions: OrderedDict[str, Title] = field(default_factory=OrderedDict)
    waiting: dict[str, str] = field(default_factory=dict)
    leaves: dict[str, str] = field(default_factory=dict)

    def of(self, session: str) -> Title:
        """Return the title of a session, so far."""
        title = self.sessions.setdefault(session, Title())
        self.sessions.move_to_end(session)
        if len(self.sessions) > MAX_SESSIONS:
            self.sessions.popitem(last=False)
        return title

    def give(self, kind: str, record: Record, current: str | None) -> str | None:
        """Take the title that a record gives; return the session whose title changed. `current`: the session that is being read."""
        if kind == "summary":
            return self._summarised(string(record.get("summary")), string(record.get("leafUuid")), current)
        session = string(record.get("sessionId")) or current
        text = next((found for key in _FIELDS if (found := string(record.get(key)))), None)
        return session if session and self.of(session).offer(text, GIVEN_TITLES[kind]) else None

    def reach(self, uuid: str | None, session: str) -> bool:
        """Note a record of a session; return whether a summary that waited for it became its title."""
        if not uuid:
            return False
        if len(self.leaves) < MAX_RECORDS:
            self.leaves[uuid] = session
        return self.of(session).offer(self.waiting.pop(uuid, None), GIVEN_TITLES["summary"])

    def _summarised(self, summary: str | None, leaf: str | None, current: str | None) -> str | None:
        session = self.leaves.get(leaf) if leaf is not None else current
        if session is not None:
            return session if self.of(session).offer(summary, GIVEN_TITLES["summary"]) else None
        if summary and leaf is not None and len(self.waiting) < MAX_SUMMARIES:
            self.waiting[leaf] = summary
        return None
