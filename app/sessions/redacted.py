"""Events as they may be stored: no secret, nothing PostgreSQL refuses, nothing over the limits. Pure: CPU work, no I/O."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.redaction import redact
from app.sessions.event import Event

SHORT_CHARS = 1000
"""Titles, names and locators longer than this are cut."""
ID_BYTES = 1000
"""Ids longer than this are hashed: PostgreSQL's indexes hold up to 2,700 bytes."""
MOST_EXIT_CODE = 2**31
_USER = re.compile(r"(?<=://)[^/\s]*@")


@dataclass(frozen=True, slots=True)
class Storable:
    """One event's columns. `secrets`: what was taken out of it, by kind; `result_secrets`: out of the tool's output alone."""

    row: dict[str, Any]
    secrets: Counter[str] = field(default_factory=Counter)
    result_secrets: Counter[str] = field(default_factory=Counter)


def storable(events: Sequence[Event], *, most_chars: int) -> list[Storable]:
    """The events, each id once: said again, an event adds at most a result that its tool call still lacked."""
    folded: dict[str, Event] = {}
    for event in events:
        first = folded.get(event.id)
        folded[event.id] = event if first is None else _with_result(first, event)
    return [_storable(event, most_chars) for event in folded.values()]


def size(events: Iterable[Event]) -> int:
    """Characters that redaction has to read."""
    return sum(len(event.text) + (len(event.tool.input) + len(event.tool.output) if event.tool else 0) for event in events)


def identity(text: str) -> str:
    """An id as it is stored. One that holds a secret or is very long becomes its hash: still stable, and still nobody else's."""
    plain = _sayable(text)
    if len(plain.encode()) <= ID_BYTES and not redact(plain).findings:
        return plain
    return f"sha256:{hashlib.sha256(plain.encode()).hexdigest()}"


def address(url: str) -> str:
    """A repository's URL, without the name and password that it may hold."""
    return short(_USER.sub("", url, count=1))


def short(text: str) -> str:
    """A title, a name, a locator: redacted and cut."""
    return redact(_sayable(text)).text[:SHORT_CHARS]


def _with_result(first: Event, again: Event) -> Event:
    if first.tool is None or again.tool is None or first.tool.output or not (again.tool.output or again.outcome):
        return first
    tool = replace(first.tool, output=again.tool.output, exit_code=again.tool.exit_code)
    return replace(first, tool=tool, outcome=again.outcome or first.outcome)


def _storable(event: Event, most: int) -> Storable:
    secrets, result_secrets = Counter[str](), Counter[str]()
    tool = event.tool
    output = _long(tool.output, most, result_secrets) if tool else None
    row = {
        "event_id": identity(event.id),
        "role": event.role,
        "kind": event.kind,
        "speaker": short(event.speaker) if event.speaker else None,
        "text": _long(event.text, most, secrets),
        "tool_name": short(tool.name) if tool else None,
        "tool_input": _long(tool.input, most, secrets) if tool else None,
        "tool_output": output,
        "exit_code": _exit_code(tool.exit_code) if tool else None,
        "outcome": event.outcome,
        "locator": short(event.locator),
        "at": event.at,
        "sidechain": event.sidechain,
        "model": short(event.model) if event.model else None,
        "input_tokens": event.usage.input if event.usage else None,
        "output_tokens": event.usage.output if event.usage else None,
        "cached_tokens": event.usage.cached if event.usage else None,
        "cost_nanousd": event.usage.cost_nanousd if event.usage else None,
        "parent": identity(event.parent) if event.parent else None,
        "files": [short(each) for each in event.files] or None,
    }
    return Storable(row, secrets + result_secrets, result_secrets)


def _exit_code(code: int | None) -> int | None:
    """None also for a number that no process ever returned."""
    return code if code is not None and -MOST_EXIT_CODE <= code < MOST_EXIT_CODE else None


def _long(text: str, most: int, secrets: Counter[str]) -> str:
    """Redacted first and cut after, so that no half of a secret is left at the cut."""
    done = redact(_sayable(text))
    secrets.update(finding.kind for finding in done.findings)
    over = len(done.text) - most
    return done.text if over <= 0 else f"{done.text[:most]}… [cut: {over} characters]"


def _sayable(text: str) -> str:
    """PostgreSQL's text takes neither NUL nor lone surrogates. Before redaction: either could split a secret."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
