"""Generic events: the API's NDJSON, and any JSON whose messages have a role and a text.

Reads the transcripts of agents without a parser of their own, as far as their records are understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any

from app.sessions.event import Event, Outcome, ReplyUsage, Role, SessionHeader, ToolUse
from app.sessions.formats.documents import DocumentReader, items
from app.sessions.formats.lines import Line, decoded, decoded_lines, each_of, encoding_of, json_lines, loads
from app.sessions.formats.openings import beginning
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import exit_code_of, files_of, outcome_of, tool_input
from app.sessions.formats.values import Occurrences, content_id, mapping, nanousd, string, text_of, time_of, whole
from app.sessions.formats.words import prompt_in, title_of
from app.settings import SessionsSettings

PROVIDER = "generic"
ARRAYS = ("messages", "history", "conversation", "turns", "events", "entries")
"""Keys under which a whole-JSON transcript holds its messages."""
ROLES: dict[str, Role] = {
    "user": "user", "human": "user", "user_input": "user", "user.message": "user",
    "assistant": "assistant", "ai": "assistant", "model": "assistant", "gemini": "assistant", "bot": "assistant", "agent": "assistant",
    "assistant.message": "assistant", "planner_response": "assistant",
    "tool": "tool", "toolresult": "tool", "tool_result": "tool", "function": "tool",
    "system": "system", "developer": "system", "info": "system", "system.message": "system",
}  # fmt: skip
SESSION_KEYS = ("session_id", "sessionId", "conversation_id", "conversationId", "chat_id", "thread_id")
FACT_KEYS = {
    "directory": ("cwd", "directory"),
    "repository": ("repository", "repository_url"),
    "branch": ("branch", "gitBranch"),
    "commit": ("commit", "commit_hash"),
    "agent_version": ("agent_version", "version"),
    "model": ("model",),
}
"""Session facts, and the keys under which the first records may give them."""
USAGE_KEYS = ("usage", "usageMetadata", "token_usage", "tokens")
TIME_KEYS = ("timestamp", "created_at", "time", "ts", "date")
DISTINCT_CHARS = 8
"""Ids shorter than this are probably counted up from 1, so they do not identify a session."""
Record = dict[str, object]


def parse_any(chunks: Iterator[bytes], *, limits: SessionsSettings, tally: ParseTally) -> Iterator[SessionHeader | Event]:
    """Parse one JSON document or JSON lines, whichever the first line shows."""
    first = beginning(chunks)
    rest = chain([first], chunks)
    head = first.decode(encoding_of(first), "replace").lstrip("\ufeff \t\r\n")
    if _is_document(head):
        return _document(rest, head, limits.max_line_bytes, tally)
    return parse(decoded_lines(rest, limits=limits, tally=tally), tally)


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[SessionHeader | Event]:
    return _read(((line.locator, record) for line, record in json_lines(lines, tally)), {}, tally)


def event_of(record: Record, locator: str, ids: Occurrences, tally: ParseTally) -> Iterator[Event]:
    """Yield the events of one record: its text and its tool calls. The record's usage goes to the first."""
    message = mapping(record.get("message")) or mapping(record.get("data")) or record
    model = string(record.get("model")) or string(message.get("model"))
    parent = string(record.get("parent_id")) or string(record.get("parentId")) or string(record.get("parentUuid"))
    usage = _usage(record, message)
    for event in _events_of(record, message, locator, ids, tally):
        yield replace(event, model=model if event.role in {"assistant", "tool"} else None, parent=parent, usage=usage)
        usage = None


def _usage(record: Record, message: Record) -> ReplyUsage | None:
    """Read token usage under the names that providers give it."""
    given = next((found for holder in (message, record) for key in USAGE_KEYS if (found := mapping(holder.get(key)))), {})
    costs = (nanousd(holder.get(key)) for holder in (record, message, given) for key in ("cost_usd", "costUSD", "cost"))
    cost = next((found for found in costs if found is not None), None)

    def count(*names: str) -> int:
        return next((found for name in names if (found := whole(given.get(name)))), 0)

    read, fresh = count("cache_read_input_tokens"), count("input_tokens", "prompt_tokens", "promptTokenCount", "input")
    cached = read or count("cached_input_tokens", "cached_tokens", "cachedContentTokenCount", "cached")
    output = count("output_tokens", "completion_tokens", "candidatesTokenCount", "output")
    usage = ReplyUsage(fresh + read + count("cache_creation_input_tokens"), output, cached, cost)  # cache counts are not part of "input"
    return usage if usage != ReplyUsage() else None


def _events_of(record: Record, message: Record, locator: str, ids: Occurrences, tally: ParseTally) -> Iterator[Event]:
    role = ROLES.get(str(record.get("role") or message.get("role") or record.get("type") or record.get("sender") or "").casefold())
    if role is None:
        tally.skip_kind("record", record.get("type") or record.get("role"))
        return
    at = time_of(next((record[key] for key in TIME_KEYS if record.get(key)), None), tally)
    given = string(record.get("id")) or string(record.get("uuid")) or string(message.get("id"))
    text = _text(record, message)
    tool = _tool(record.get("tool"))
    speaker = string(record.get("speaker"))
    if tool is not None or role == "tool":
        tool = tool or ToolUse(string(record.get("name")) or string(message.get("toolName")) or "tool", "", text, exit_code_of(text[:200]))
        event_id = ids.again(given) if given else ids.id("tool", tool.name, tool.input, tool.output)
        yield Event(
            event_id,
            "tool",
            "tool",
            text if tool.output != text else "",
            _locator(given, locator),
            at,
            speaker,
            tool,
            outcome_of_call(tool),
            files=files_of(mapping(record.get("tool")).get("input")),
        )
    elif text.strip():
        yield _said(role, text, given, locator, ids, at, speaker)
    for place, call in enumerate(_calls(record, message)):
        name = string(call.get("name")) or string(mapping(call.get("function")).get("name")) or "tool"
        asked = call.get("args", call.get("input", call.get("arguments", mapping(call.get("function")).get("arguments"))))
        words = tool_input(name, asked)
        output = text_of(call.get("result") or call.get("output") or call.get("resultDisplay") or "")
        event_id = string(call.get("id")) or (f"{given}#tool{place}" if given else ids.id("tool", name, words))
        used = ToolUse(name, words, output, exit_code_of(output[:200]))
        yield Event(
            event_id, "tool", "tool", "", _locator(given, locator), at, tool=used, outcome=outcome_of_call(used), files=files_of(asked)
        )


def _read(records: Iterator[tuple[str, Record]], document: Record, tally: ParseTally) -> Iterator[SessionHeader | Event]:
    """Turn records into a header and events. The session's id comes from the document, a record, or a hash of the first records."""
    opening = [each for _, each in zip(range(2), records, strict=False)]
    if not opening:
        return
    session = _session(document) or next((found for _, record in opening if (found := _session(record))), None)
    session = session or content_id(*(json.dumps(record) for _, record in opening[: 1 if is_distinct(opening[0][1]) else 2]))
    facts: dict[str, Any] = {
        name: next((found for _, record in opening for key in keys if (found := string(record.get(key)))), None)
        for name, keys in FACT_KEYS.items()
    }
    title = string(document.get("title"))
    header = replace(SessionHeader(PROVIDER, session, title, title_given=title is not None), **facts)
    ids, opened = Occurrences(), False
    for locator, record in chain(opening, records):
        for event in each_of(event_of(record, locator, ids, tally), locator, tally):
            if not opened:
                opened = True
                yield header
            if header.title is None and event.kind == "prompt":
                header = replace(header, title=title_of(event.text), started_at=event.at)
                yield header
            yield event


def _is_document(head: str) -> bool:
    """Tell whether the first line is something other than one complete record."""
    line = head.split("\n", 1)[0]
    try:
        record = loads(line)
    except (ValueError, RecursionError):
        return True
    return isinstance(record, list) or (isinstance(record, dict) and any(isinstance(record.get(key), list) for key in ARRAYS))


def _document(chunks: Iterator[bytes], head: str, max_bytes: int, tally: ParseTally) -> Iterator[SessionHeader | Event]:
    """Parse a whole-JSON transcript as a stream: its head gives the session's facts, then its messages follow one by one."""
    facts: Record = {}
    for key in (*SESSION_KEYS, "title"):
        if found := re.search(rf'"{key}"\s*:\s*"([^"]*)"', head):
            facts[key] = found[1]
    named = next((key for key in ARRAYS if f'"{key}"' in head), ARRAYS[0])
    prefix = "item" if head.startswith("[") else f"{named}.item"
    yield from _read(items(DocumentReader(decoded(chunks), max_bytes), prefix, tally), facts, tally)


def _said(role: Role, text: str, given: str | None, locator: str, ids: Occurrences, at: datetime | None, speaker: str | None) -> Event:
    typed = prompt_in(text) if role == "user" else None
    if role == "user" and typed is not None:
        event_id = ids.again(given) if given else ids.id("prompt", typed)
        return Event(event_id, "user", "prompt", typed, _locator(given, locator), at, speaker)
    event_id = ids.again(given) if given else ids.id(role, text.strip())
    if role == "assistant":
        return Event(event_id, "assistant", "reply", text, _locator(given, locator), at, speaker)
    return Event(event_id, "system", "notice", text, _locator(given, locator), at, speaker)


def _locator(given: str | None, locator: str) -> str:
    """Return a generic event's locator: its id, else its place in the file."""
    return given or locator


def is_distinct(record: Record) -> bool:
    """Tell whether a record alone identifies its session; then a transcript is recognised even while it is still short."""
    name = string(record.get("id")) or string(record.get("uuid")) or ""
    return len(name) >= DISTINCT_CHARS or any(record.get(key) for key in TIME_KEYS)


def _session(record: Record) -> str | None:
    return next((found for key in SESSION_KEYS if (found := string(record.get(key)))), None)


def _text(record: Record, message: Record) -> str:
    for holder in (message, record):
        for key in ("text", "content", "parts", "body"):
            if (text := text_of(_texts_only(holder.get(key)))).strip():
                return text
    return ""


def _texts_only(content: object) -> object:
    """Drop blocks that are tool calls or thoughts from a content list."""
    if isinstance(content, list):
        return [
            block
            for block in content
            if not isinstance(block, dict)
            or (block.get("type") in {None, "text", "input_text", "output_text", "image"} and not block.get("thought"))
        ]
    return content


def _tool(given: object) -> ToolUse | None:
    """Read the `tool` field of the API's event format."""
    if not isinstance(given, dict) or not string(given.get("name")):
        return None
    name, code = str(given["name"]), given.get("exit_code")
    output = text_of(given.get("output")) or ("" if given.get("output") in (None, "") else str(given.get("output")))
    return ToolUse(
        name, tool_input(name, given.get("input")), output, code if isinstance(code, int) and not isinstance(code, bool) else None
    )


def outcome_of_call(tool: ToolUse) -> Outcome | None:
    """Return a tool call's outcome; None while its result is unknown."""
    known = bool(tool.output) or tool.exit_code is not None
    return outcome_of(tool.output, exit_code=tool.exit_code) if known else None


def _calls(record: Record, message: Record) -> Iterator[Record]:
    for holder in (record,) if message is record else (record, message):
        for key in ("toolCalls", "tool_calls"):
            if isinstance(calls := holder.get(key), list):
                yield from (mapping(call) for call in calls if isinstance(call, dict))
        for block in content if isinstance(content := holder.get("content"), list) else []:
            if isinstance(block, dict) and block.get("type") in {"tool_use", "toolCall", "tool_call"}:
                yield block
