"""Claude Code's queue of prompts: written while it worked, then taken in the middle of a turn, sent as the next prompt, or taken back.

A queued prompt that becomes the next prompt is a record of its own. One that is taken in the middle of a turn is none: it stands in an
`attachment`, or, in older files, only where it was queued. It is a prompt once, where the agent got it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from app.sessions.event import Event
from app.sessions.formats.lines import Line
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.values import Occurrences, mapping, string, text_of
from app.sessions.formats.words import prompt_in

MAX_QUEUED = 1000
PEOPLE = frozenset({"human", "user", "keyboard", "person"})
TAKEN = ("absorbed", "consumed", "delivered")
"""Beginnings of the reasons for which a prompt left the queue and went to the agent."""
Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Queued:
    """A text in the queue, at its place in the file."""

    text: str
    line: Line
    at: datetime | None


@dataclass(slots=True)
class PromptQueue:
    """The queue of one file. `taken`: left it in the middle of a turn, and not told yet; `emitted`: told without their attachment."""

    tally: ParseTally
    queued: list[_Queued] = field(default_factory=list)
    taken: list[_Queued] = field(default_factory=list)
    emitted: Counter[str] = field(default_factory=Counter)
    ids: Occurrences = field(default_factory=Occurrences)

    def operate(self, record: Record, line: Line, at: datetime | None) -> None:
        """Follow one operation of the queue."""
        operation, text = record.get("operation"), text_of(record.get("content"))
        match operation:
            case "enqueue" if text.strip() and len(self.queued) < MAX_QUEUED:
                self.queued.append(_Queued(text, line, at))
            case "remove":
                self._remove(text, string(record.get("reason")))
            case "popAll" if text:
                self._drop(text)
            case "popAll":
                self.queued.clear()
            case "enqueue" | "dequeue":  # what is sent as the next prompt is a record of its own
                pass
            case other:
                self.tally.skip_kind("queue operation", other)

    def sent(self, text: str) -> None:
        """Note a text that is a record of its own: it no longer waits."""
        if self.queued or self.taken:
            self._drop(text)

    def attached(self, record: Record, line: Line, at: datetime | None) -> Iterator[Event]:
        """Yield the event of a queued text that reached the agent as an attachment."""
        given = mapping(record.get("attachment"))
        text = text_of(given.get("prompt"))
        self._drop(text)
        if self.emitted[_key(text)] > 0:
            self.emitted[_key(text)] -= 1
            return
        if not text.strip():
            return
        identity = string(record.get("uuid")) or self.ids.id("queued", text)
        yield _event(identity, text, line, at, typed=_is_typed(record, given), sidechain=record.get("isSidechain") is True)

    def answered(self) -> Iterator[Event]:
        """Yield what was taken and came as no attachment before the agent's next words."""
        waiting, self.taken = self.taken, []
        for each in waiting:
            self.emitted[_key(each.text)] += 1
            yield _event(self.ids.id("queued", each.text), each.text, each.line, each.at, typed=True, sidechain=False)

    def _remove(self, text: str, reason: str | None) -> None:
        """Move a text out of the queue: the named one, else what a person wrote first, before what software queued."""
        named = [each for each in self.queued if _key(each.text) == _key(text)] if text else []
        typed = [each for each in self.queued if prompt_in(each.text) is not None]
        if (found := next(iter(named or typed or self.queued), None)) is None:
            return
        self.queued.remove(found)
        if reason is None or reason.startswith(TAKEN):
            self.taken.append(found)

    def _drop(self, text: str) -> None:
        for waiting in (self.taken, self.queued):
            if (found := next((each for each in waiting if _key(each.text) == _key(text)), None)) is not None:
                waiting.remove(found)
                return


def _is_typed(record: Record, given: Record) -> bool:
    """Tell whether a person wrote an attached text: not another agent, and not Claude Code itself."""
    origin = mapping(given.get("origin"))
    kind = string(origin.get("kind"))
    by_person = (kind is None or kind.casefold() in PEOPLE) and not (origin.get("from") or origin.get("senderTaskId"))
    meta = record.get("isMeta") is True or given.get("isMeta") is True
    return by_person and not meta and given.get("commandMode", "prompt") == "prompt" and record.get("isSidechain") is not True


def _event(identity: str, text: str, line: Line, at: datetime | None, *, typed: bool, sidechain: bool) -> Event:
    words = prompt_in(text) if typed else None
    if words is None:
        return Event(identity, "system", "notice", text, line.locator, at, sidechain=sidechain)
    return Event(identity, "user", "prompt", words, line.locator, at)


def _key(text: str) -> str:
    return " ".join(text.split())
