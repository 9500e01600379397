"""Prepares events for storage: secrets redacted, characters that PostgreSQL refuses removed, lengths limited. Pure CPU work, no I/O."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from app.redaction import redact
from app.redaction.stored_fields import stored_id, stored_name, without_invalid_chars
from app.sessions.event import Event
from app.sessions.served import without_served

MAX_EXIT_CODE = 2**31
PROVISIONAL = "provisional:"
"""Prefix of the id of a provisional prompt, reply or notice, so that no transcript's record can have it."""
ADOPTED_BY_TEXT = frozenset({"prompt", "reply", "notice"})


@dataclass(frozen=True, slots=True)
class Storable:
    """One event's columns. `secrets`: secrets removed, by kind; `result_secrets`: those removed from the tool's output.

    `served`: ids of the knowledge that Cairn served with it.
    """

    row: dict[str, Any]
    secrets: Counter[str] = field(default_factory=Counter)
    result_secrets: Counter[str] = field(default_factory=Counter)
    served: tuple[UUID, ...] = ()


def storable(events: Sequence[Event], *, max_chars: int) -> list[Storable]:
    """Redact the events, each id once: a repeated event can only add the usage, or the result of its tool call, that it lacked.

    What Cairn itself served is taken out first (`served`), whichever way the events came.
    """
    folded: dict[str, Event] = {}
    for event in map(without_served, events):
        first = folded.get(event.id)
        folded[event.id] = event if first is None else replace(_with_result(first, event), usage=first.usage or event.usage)
    return [_storable(event, max_chars) for event in folded.values()]


def size(events: Iterable[Event]) -> int:
    """Return the number of characters that redaction has to read."""
    return sum(sum(map(len, _texts(event))) for event in events)


def _texts(event: Event) -> Iterator[str]:
    """Yield all text of an event: each part is as long as whoever sent it wanted."""
    yield from (event.text, event.id, event.locator, event.speaker or "", event.model or "", event.parent or "", *event.files)
    if event.tool is not None:
        yield from (event.tool.name, event.tool.input, event.tool.output)


def _with_result(first: Event, again: Event) -> Event:
    if first.tool is None or again.tool is None or first.tool.output or not (again.tool.output or again.outcome):
        return first
    tool = replace(first.tool, output=again.tool.output, exit_code=again.tool.exit_code)
    return replace(first, tool=tool, outcome=again.outcome or first.outcome, served=first.served + again.served)


def _storable(event: Event, max_chars: int) -> Storable:
    secrets, result_secrets = Counter[str](), Counter[str]()
    tool = event.tool
    event_id = stored_id(event.id)
    if event.provisional and tool is None:
        event_id = stored_id(PROVISIONAL + event.id)
    text = _redacted_and_cut(event.text, max_chars, secrets)
    output = _redacted_and_cut(tool.output, max_chars, result_secrets) if tool else None
    row = {
        "event_id": event_id,
        "role": event.role,
        "kind": event.kind,
        "speaker": stored_name(event.speaker) if event.speaker else None,
        "text": text,
        "tool_name": stored_name(tool.name) if tool else None,
        "tool_input": _redacted_and_cut(tool.input, max_chars, secrets) if tool else None,
        "tool_output": output,
        "exit_code": _exit_code(tool.exit_code) if tool else None,
        "outcome": event.outcome,
        "locator": stored_name(event.locator),
        "at": event.at,
        "sidechain": event.sidechain,
        "model": stored_name(event.model) if event.model else None,
        "input_tokens": event.usage.input if event.usage else None,
        "output_tokens": event.usage.output if event.usage else None,
        "cached_tokens": event.usage.cached if event.usage else None,
        "cost_nanousd": event.usage.cost_nanousd if event.usage else None,
        "parent": stored_id(event.parent) if event.parent else None,
        "files": [stored_name(each) for each in event.files] or None,
        "provisional": event_id if event.provisional else None,
        "text_hash": _text_hash(event.kind, text) if event.kind in ADOPTED_BY_TEXT else None,
    }
    return Storable(row, secrets + result_secrets, result_secrets, event.served)


def _text_hash(kind: str, text: str) -> int | None:
    """Hash an event's words, whatever the spaces between them, to 64 bits; None if it has none."""
    words = " ".join(text.split())
    digest = hashlib.blake2b(f"{kind}\x1f{words}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) if words else None


def _exit_code(code: int | None) -> int | None:
    """Return the exit code; None if it is out of the column's range."""
    return code if code is not None and -MAX_EXIT_CODE <= code < MAX_EXIT_CODE else None


def _redacted_and_cut(text: str, max_chars: int, secrets: Counter[str]) -> str:
    """Redact a text, then cut it: cutting first could leave half a secret."""
    done = redact(without_invalid_chars(text))
    secrets.update(finding.kind for finding in done.findings)
    over = len(done.text) - max_chars
    return done.text if over <= 0 else f"{done.text[:max_chars]}… [cut: {over} characters]"
