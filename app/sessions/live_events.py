"""Events as a live session's program gives them, made into the journal's by the rules that read a transcript of the same events. Pure."""

from __future__ import annotations

import json

from app.sessions.event import Event, GivenEvent, GivenToolCall, Kind, Role, ToolUse
from app.sessions.formats.generic import outcome_of_call
from app.sessions.formats.tools import files_of
from app.sessions.formats.values import plausible_time
from app.sessions.formats.words import prompt_in

KINDS: dict[Role, Kind] = {"user": "prompt", "assistant": "reply", "tool": "tool", "system": "notice"}


def event_of(given: GivenEvent) -> Event:
    """Make the journal's event of a given one."""
    role, kind, text = given.role, KINDS[given.role], given.text
    tool = None if given.tool is None else _tool(given.tool)
    if tool is not None:
        kind = "tool"
    elif role == "user" and text.strip():
        typed = prompt_in(text)
        role, kind, text = ("user", "prompt", typed) if typed else ("system", "notice", text)
    return Event(
        id=given.id,
        role=role,
        kind=kind,
        text=text,
        locator=given.id,
        files=() if given.tool is None else files_of(given.tool.input),
        at=plausible_time(given.timestamp),
        speaker=given.speaker,
        tool=tool,
        outcome=None if tool is None else outcome_of_call(tool),
    )


def _tool(given: GivenToolCall) -> ToolUse:
    text = given.input if isinstance(given.input, str) else json.dumps(given.input, ensure_ascii=False, separators=(",", ":"))
    return ToolUse(given.name, text, given.output, given.exit_code)
