"""Codex' rollouts: {timestamp, type, payload}. Most words come twice, as event_msg and as response_item: each is taken once.

Older files have the items without a wrapper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from app.sessions.event import Event, Kind, Role, SessionHeader
from app.sessions.formats.lines import Line, each_of, json_lines, loads
from app.sessions.formats.tally import Tally
from app.sessions.formats.tools import Call, Pending, exit_code_of, tool_input
from app.sessions.formats.values import Occurrences, content_id, mapping, string, text_of, time_of
from app.sessions.formats.words import prompt_in, title_of

PROVIDER = "codex"
CALLS = {"function_call", "custom_tool_call", "local_shell_call", "tool_call"}
RESULTS = {"function_call_output", "custom_tool_call_output", "local_shell_call_output", "tool_result", "function_result"}
Record = dict[str, object]


@dataclass(slots=True)
class _Reader:
    """What reading one rollout remembers."""

    tally: Tally
    pending: Pending = field(default_factory=Pending)
    ids: Occurrences = field(default_factory=Occurrences)
    told: dict[str, Counter[str]] = field(default_factory=lambda: {"event": Counter(), "item": Counter()})

    def once(self, source: str, key: str) -> bool:
        """Whether these words are new: both sources tell the same in their own order, so the how-manieth decides."""
        other, key = "item" if source == "event" else "event", content_id(key)
        self.told[source][key] += 1
        return self.told[source][key] > self.told[other][key]


def parse(lines: Iterator[Line], tally: Tally) -> Iterator[SessionHeader | Event]:
    reader = _Reader(tally)
    session: str | None = None
    titled = False
    for line, record in json_lines(lines, tally):
        at = time_of(record.get("timestamp") or record.get("created_at"), tally)
        header = _header(record, at)
        if header is not None and header.external_id != session:
            session = header.external_id
            yield header
            continue
        for event in each_of(_events(reader, record, line, at), line.locator, tally):
            if session is None:
                session = content_id(line.text[:2000])
                yield SessionHeader(PROVIDER, session, None, at)
            if not titled and event.kind == "prompt":
                titled = True
                yield SessionHeader(PROVIDER, session, title_of(event.text), at)
            yield event
    yield from reader.pending.rest()


def _header(record: Record, at: datetime | None) -> SessionHeader | None:
    payload = mapping(record.get("payload"))
    if record.get("type") == "session_meta":
        found = string(payload.get("id")) or string(mapping(payload.get("meta")).get("id"))
        return SessionHeader(PROVIDER, found, None, at, string(payload.get("cwd"))) if found else None
    if "type" not in record and string(record.get("id")) and "timestamp" in record and "role" not in record:
        return SessionHeader(PROVIDER, str(record["id"]), None, at)
    return None


def _events(reader: _Reader, record: Record, line: Line, at: datetime | None) -> Iterator[Event]:
    kind = string(record.get("type"))
    payload = mapping(record.get("payload"))
    if kind == "event_msg":
        yield from _message_event(reader, payload, line, at)
    elif kind == "response_item":
        yield from _item(reader, payload, line, at)
    elif kind in {"session_meta", "turn_context", "world_state", "compacted"} or "payload" in record:
        reader.tally.skip_kind("record", kind)
    else:
        yield from _item(reader, record, line, at)


def _message_event(reader: _Reader, payload: Record, line: Line, at: datetime | None) -> Iterator[Event]:
    match payload.get("type"):
        case "user_message":
            yield from _words(reader, "event", "user", text_of(payload.get("message")), line, at)
        case "agent_message":
            yield from _words(reader, "event", "assistant", text_of(payload.get("message")), line, at)
        case "agent_reasoning":
            yield from _words(reader, "event", "assistant", text_of(payload.get("text")), line, at, thinking=True)
        case other:
            reader.tally.skip_kind("event", other)


def _item(reader: _Reader, item: Record, line: Line, at: datetime | None) -> Iterator[Event]:
    kind = string(item.get("type"))
    if kind in CALLS:
        yield from _call(reader, item, line, at)
    elif kind in RESULTS:
        yield from _result(reader, item)
    elif kind == "reasoning":
        yield from _words(reader, "item", "assistant", text_of(item.get("summary")), line, at, thinking=True)
    elif kind in {"message", "agent_message", None} and "role" in item:
        role = item["role"]
        words = text_of(item.get("content") or item.get("message"))
        if role == "user" or role == "assistant":  # noqa: PLR1714 - it may be anything, also unhashable
            yield from _words(reader, "item", role, words, line, at)
        elif words.strip():
            yield Event(reader.ids.id("system", words), "system", "notice", words, line.locator, at)
    else:
        reader.tally.skip_kind("item", kind)


def _words(
    reader: _Reader, source: str, role: Role, text: str, line: Line, at: datetime | None, *, thinking: bool = False
) -> Iterator[Event]:
    if not text.strip():
        return
    kind: Kind = "thinking" if thinking else "reply"
    if role == "user":
        typed = prompt_in(text)
        kind, text = ("notice", text) if typed is None else ("prompt", typed)
    key = f"{role}:{kind}:{' '.join(text.split())[:2000]}"
    if reader.once(source, key):
        yield Event(reader.ids.id(role, kind, text.strip()), role if kind != "notice" else "system", kind, text, line.locator, at)


def _call(reader: _Reader, item: Record, line: Line, at: datetime | None) -> Iterator[Event]:
    function = mapping(item.get("function"))
    name = string(item.get("name")) or string(function.get("name")) or "tool"
    given = next((item[key] for key in ("arguments", "input", "action") if key in item), function.get("arguments", item.get("summary")))
    words = tool_input(name, given)
    key = string(item.get("call_id")) or string(item.get("id")) or name
    yield from reader.pending.add(key, Call(reader.ids.again(key), name, words, line.locator, at))


def _result(reader: _Reader, item: Record) -> Iterator[Event]:
    call = reader.pending.take(string(item.get("call_id")) or string(item.get("id")) or string(item.get("name")))
    if call is None:
        reader.tally.skip("result without its call")
        return
    output, code = _output(item.get("output", item.get("result")))
    yield call.event(output, exit_code=code)


def _output(given: object) -> tuple[str, int | None]:
    """The text of a result, and its exit code: plain, in blocks, or as JSON with metadata."""
    if isinstance(given, str) and given.startswith("{"):
        try:
            given = loads(given)
        except (ValueError, RecursionError):
            return str(given), exit_code_of(str(given))
    metadata = mapping(mapping(given).get("metadata"))
    code = metadata.get("exit_code")
    output = text_of(given)
    return output, code if isinstance(code, int) and not isinstance(code, bool) else exit_code_of(output[:400])
