"""Groups a session's events into exchanges: the prompt, what was done, and how the next prompt judged it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from app.knowledge.extraction.memory import SessionMemory
from app.sessions.event import Event
from app.trajectory.events import EDIT_TOOL, READ_TOOL, Ending, ending, reads, runs_tests

MAX_EVENTS = 2_000
"""Events of one exchange; an agent that works for hours without a prompt is read in parts."""
MAX_READ_CHARS = 40_000
MAX_VERDICT_CHARS = 600
_SERVED_TOOL = re.compile(r"cairn", re.IGNORECASE)
_SERVED_INPUT = re.compile(r"/v1/knowledge/query|\bcairn (?:query|mcp)\b")


@dataclass(slots=True)
class Exchange:
    """One prompt and all that followed until the next. `prompt` is None for what comes before the first."""

    prompt: Event | None
    events: list[Event] = field(default_factory=list)
    ending: Ending = "open"
    verdict: str = ""
    """The beginning of the person's next prompt."""

    @property
    def replies(self) -> list[Event]:
        return [event for event in self.events if event.kind == "reply" and not event.sidechain]

    @property
    def tools(self) -> list[Event]:
        return [event for event in self.events if event.kind == "tool" and event.tool is not None]

    @property
    def changed_files(self) -> bool:
        return any(event.tool is not None and EDIT_TOOL.search(event.tool.name) and event.outcome == "ok" for event in self.tools)

    @property
    def tests_passed(self) -> bool:
        """True where the exchange's last test run succeeded."""
        runs = [event.outcome for event in self.tools if runs_tests(event)]
        return bool(runs) and runs[-1] == "ok"

    @property
    def asked(self) -> str:
        return self.prompt.text if self.prompt is not None else ""


def exchanges(events: Iterable[Event], memory: SessionMemory) -> Iterator[Exchange]:
    """Group events into exchanges; each is yielded once the next prompt, or the end, has shown how it ended."""
    current = Exchange(None)
    for event in events:
        if mark_sources(event, memory):
            continue
        if event.kind == "prompt" and not event.sidechain:
            current.ending, current.verdict = ending(event.text), event.text[:MAX_VERDICT_CHARS]
            yield current
            current = Exchange(event)
        elif event.kind != "thinking":
            current.events.append(event)
            if len(current.events) >= MAX_EVENTS:
                yield current
                current = Exchange(current.prompt)
    yield current


def mark_sources(event: Event, memory: SessionMemory) -> bool:
    """Remember what an event brought in from a file, a notice or Cairn. Return True if Cairn served it: then it is no part of the session."""
    if event.kind == "tool" and event.tool is not None and _is_served(event):
        memory.mark_known(event.tool.output)
        return True
    if event.kind == "notice":
        memory.mark_known(event.text[:MAX_READ_CHARS])
    elif event.tool is not None and (READ_TOOL.search(event.tool.name) or reads(event.tool.input)):
        memory.mark_known(event.tool.output[:MAX_READ_CHARS])
    return False


def _is_served(event: Event) -> bool:
    assert event.tool is not None
    return bool(_SERVED_TOOL.search(event.tool.name) or _SERVED_INPUT.search(event.tool.input[:2000]))
