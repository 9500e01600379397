"""Cursor's agent transcripts: {role, message: {content: [blocks]}} a line, without ids or times; or its Markdown export."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from app.sessions.event import Event, SessionHeader
from app.sessions.formats import cursor_export
from app.sessions.formats.lines import Line, each_of, json_lines
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import Pending, PendingToolCall, files_of, tool_input
from app.sessions.formats.values import Occurrences, content_id, mapping, string, text_of, time_of
from app.sessions.formats.words import prompt_in, title_of

PROVIDER = "cursor"
UNUSED_RECORDS = frozenset({"turn_ended"})
"""Kinds of records that hold nothing that was said."""


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[SessionHeader | Event]:
    first = next((line for line in lines if line.text.strip()), None)
    if first is None:
        return
    lines = chain([first], lines)
    if not first.text.lstrip("\ufeff \t").startswith("{"):
        yield from cursor_export.parse(lines)
        return
    records = json_lines(lines, tally)
    opening = [each for _, each in zip(range(2), records, strict=False)]
    if not opening:
        return
    session = content_id(*(text_of(mapping(record.get("message")).get("content")) for _, record in opening))
    yield SessionHeader(PROVIDER, session, None, time_of(opening[0][1].get("timestamp"), tally))
    pending, ids, titled = Pending(), Occurrences(), False
    for line, record in chain(opening, records):
        if string(record.get("role")) not in {"user", "assistant"}:
            tally.skip_kind("record", record.get("type"), UNUSED_RECORDS)
            continue
        for event in each_of(_events(record, line, pending, ids, tally), line.locator, tally):
            if not titled and event.kind == "prompt":
                titled = True
                yield SessionHeader(PROVIDER, session, title_of(event.text))
            yield event
    yield from pending.rest()


def _events(record: dict[str, object], line: Line, pending: Pending, ids: Occurrences, tally: ParseTally) -> Iterator[Event]:
    at, user = time_of(record.get("timestamp"), tally), record.get("role") == "user"
    model = None if user else string(record.get("model")) or string(mapping(record.get("message")).get("model"))
    content = mapping(record.get("message")).get("content", record.get("content"))
    for block in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        given = mapping(block)
        match given.get("type"):
            case "text":
                text = text_of(given)
                if not text.strip():
                    continue
                typed = prompt_in(text) if user else None
                if not user:
                    yield Event(ids.id("reply", text.strip()), "assistant", "reply", text, line.locator, at, model=model)
                elif typed is None:
                    yield Event(ids.id("notice", text.strip()), "system", "notice", text, line.locator, at)
                else:
                    yield Event(ids.id("prompt", typed), "user", "prompt", typed, line.locator, at)
            case "thinking" | "reasoning":
                if words := string(given.get("thinking")) or text_of(given):
                    yield Event(ids.id("thinking", words), "assistant", "thinking", words, line.locator, at, model=model)
            case "tool_use" | "tool_call":
                name = string(given.get("name")) or "tool"
                asked = given.get("input", given.get("args"))
                words = tool_input(name, asked)
                event_id = ids.id("tool", name, words)
                made = PendingToolCall(event_id, name, words, line.locator, at, model=model, files=files_of(asked))
                yield from pending.add(string(given.get("id")) or event_id, made)
            case "tool_result":
                call = pending.take(string(given.get("tool_use_id"))) or pending.oldest()
                if call is None:
                    tally.skip("tool result without its call")
                    continue
                yield call.event(text_of(given.get("content")), failed=given.get("is_error") is True)
            case other:
                tally.skip_kind("block", other)
