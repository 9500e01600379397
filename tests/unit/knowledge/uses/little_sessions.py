"""Reads the little sessions that the tests of uses are written in: see the head of `sessions.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from app.knowledge.uses.noticing import NoticedUse, ServedText, notice_uses
from app.sessions.event import Event, Outcome, ToolUse

KNOWLEDGE = UUID(int=7)
_RESULTS: dict[str, Outcome] = {"ok": "ok", "failed": "failed", "rejected": "rejected"}
_TOOLS = {"run": "Bash", "edit": "Edit", "read": "Read"}


@dataclass(frozen=True)
class LittleSession:
    """A session of a few turns, what it was served, and the verdict that it should give: `accepted`, `refused` or `nothing`."""

    name: str
    says: str
    verdict: str
    turns: str

    @property
    def events(self) -> list[Event]:
        return list(_events(self.turns))

    @property
    def served_at(self) -> int:
        """The seq of the last event before it was served."""
        before, _, _ = self.turns.partition("\nserved\n")
        return len(list(_events(before)))

    def noticed(self) -> list[NoticedUse]:
        return notice_uses([ServedText(KNOWLEDGE, self.served_at, self.says)], enumerate(self.events, start=1))

    def found(self) -> str:
        """Return the verdict that the rules give."""
        uses = self.noticed()
        return "nothing" if not uses else "accepted" if uses[0].accepted else "refused"


def little_sessions(name: str) -> list[LittleSession]:
    """Read the sessions of a file beside this one."""
    written = tomllib.loads((Path(__file__).parent / name).read_text())["session"]
    return [LittleSession(**each) for each in written]


def _events(turns: str) -> Iterator[Event]:
    waiting: Event | None = None
    for number, line in enumerate(turns.strip().splitlines(), start=1):
        who, _, said = line.replace("⏎", "\n").partition(">")
        if who in _RESULTS:
            assert waiting is not None
            assert waiting.tool is not None
            yield replace(waiting, outcome=_RESULTS[who], tool=replace(waiting.tool, output=said.strip()))
            waiting = None
            continue
        if waiting is not None:
            yield replace(waiting, outcome="ok")
            waiting = None
        if who != "served":
            event = _event(who, said.strip(), number)
            if event.kind == "tool" and who != "read":
                waiting = event
            else:
                yield event
    if waiting is not None:
        yield replace(waiting, outcome="ok")


def _event(who: str, said: str, number: int) -> Event:
    place = (f"e{number}", f"L{number}")
    match who:
        case "person":
            return Event(place[0], "user", "prompt", said, place[1])
        case "agent":
            return Event(place[0], "assistant", "reply", said, place[1])
        case "notice":
            return Event(place[0], "system", "notice", said, place[1])
    path, _, text = said.partition(": ")
    given = {"edit": f"{path}\n{text}", "read": path}.get(who, said)
    name = _TOOLS.get(who) or who.removeprefix("tool ")
    shown = text if who == "read" else ""
    return Event(place[0], "tool", "tool", "", place[1], tool=ToolUse(name, given, shown), outcome="ok" if who == "read" else None)
