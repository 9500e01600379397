"""Sessions made up event by event, and an analyzer that counts: small, deterministic, with state and findings that change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from app.sessions.event import Event, ReplyUsage, ToolUse
from app.trajectory.analyzers.analyzer import SessionFinding, Snapshot
from app.trajectory.events.steps import SessionStep

AT = datetime(2026, 10, 1, 9, tzinfo=UTC)


def prompt(seq: int, text: str = "Mend the login") -> Event:
    return Event(str(seq), "user", "prompt", text, str(seq), at=AT + timedelta(seconds=seq))


def reply(seq: int, text: str = "Done.", *, usage: ReplyUsage | None = None) -> Event:
    return Event(str(seq), "assistant", "reply", text, str(seq), at=AT + timedelta(seconds=seq), usage=usage)


def call(seq: int, line: str = "make build", output: str = "", *, code: int | None = 0, tool: str = "Bash") -> Event:
    used = ToolUse(tool, line, output, code)
    return Event(str(seq), "assistant", "tool", "", str(seq), at=AT + timedelta(seconds=seq), tool=used)


def numbered(events: Iterable[Event]) -> Iterator[tuple[int, Event]]:
    return iter(list(enumerate(events, start=1)))


@dataclass(slots=True)
class FailureStreaks:
    """Tells each streak of failed calls from its second call on, and again as it grows and ends."""

    name: str = "streaks"
    version: str = "1"
    first: int = 0
    count: int = 0
    last: int = 0

    def add(self, step: SessionStep) -> Iterable[SessionFinding]:
        if step.tool and step.result == "failed":
            self.first, self.count, self.last = self.first or step.seq, self.count + 1, step.seq
            if self.count > 1:
                yield self._told(is_open=True)
        elif step.tool:
            if self.count > 1:
                yield self._told(is_open=False)
            self.first = self.count = 0

    def _told(self, *, is_open: bool) -> SessionFinding:
        because = f"It failed {self.count} times."
        return SessionFinding("loop", "failures", self.first, self.last, (self.first, self.last), because, is_open)

    def snapshot(self) -> Snapshot:
        return {"first": self.first, "count": self.count, "last": self.last}

    def restore(self, snapshot: Snapshot) -> None:
        self.first, self.count, self.last = snapshot["first"], snapshot["count"], snapshot["last"]  # type: ignore[assignment]


def _event(kind: str, word: str) -> Event:
    if kind == "prompt":
        return prompt(1, word)
    if kind == "reply":
        return reply(1, word, usage=ReplyUsage(10, 2, cost_nanousd=5))
    return call(1, word, word, code=1 if kind == "failed" else 0)


kinds = st.sampled_from(("prompt", "reply", "ok", "failed", "failed"))
words = st.sampled_from(("Thanks, great", "No, that is wrong", "make build", "pytest -q", "git status", "\ud800", "修好了"))
events = st.builds(_event, kinds, words)
sessions = st.lists(events, max_size=80)
