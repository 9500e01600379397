"""Sessions in a few lines: what a person asked, what the agent said and ran."""

from __future__ import annotations

from collections.abc import Iterable

from app.knowledge.extraction import extract
from app.knowledge.item import ItemCandidate
from app.sessions.event import Event, Outcome, ToolUse

Turn = tuple[str, str] | tuple[str, str, str] | tuple[str, str, str, Outcome]


def events(*turns: Turn) -> list[Event]:
    """("ask", text), ("say", text), ("think", text), ("remind", text), ("run", command, output, outcome), ("edit", file)."""
    made: list[Event] = []
    for place, turn in enumerate(turns):
        what, text = turn[0], turn[1]
        id = f"e{place}"
        at = f"L{place + 1}"
        match what:
            case "ask":
                made.append(Event(id, "user", "prompt", text, at))
            case "say":
                made.append(Event(id, "assistant", "reply", text, at))
            case "think":
                made.append(Event(id, "assistant", "thinking", text, at))
            case "remind":
                made.append(Event(id, "system", "notice", text, at))
            case "edit":
                made.append(Event(id, "tool", "tool", text, at, tool=ToolUse("Edit", text, "ok"), outcome="ok"))
            case _:
                name = "Bash" if what == "run" else what
                output = turn[2] if len(turn) > 2 else ""
                outcome: Outcome = turn[3] if len(turn) > 3 else "ok"  # type: ignore[misc]
                made.append(Event(id, "tool", "tool", f"{text}\n{output}", at, tool=ToolUse(name, text, output), outcome=outcome))
    return made


def learnt(*turns: Turn) -> list[ItemCandidate]:
    return list(extract(events(*turns)))


def texts(found: Iterable[ItemCandidate]) -> list[str]:
    return [each.text for each in found]
