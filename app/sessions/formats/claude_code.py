"""Claude Code's JSONL: one record a line; a tool's call and its result are two records, and become one event."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from app.sessions.event import Event, Kind, Role, SessionHeader
from app.sessions.formats.lines import Line, each_of, json_lines
from app.sessions.formats.tally import Tally
from app.sessions.formats.tools import Call, Pending, exit_code_of, said_in_rejection, tool_input
from app.sessions.formats.values import content_id, mapping, string, text_of, time_of
from app.sessions.formats.words import prompt_in, title_of

PROVIDER = "claude-code"
Record = dict[str, object]


def parse(lines: Iterator[Line], tally: Tally) -> Iterator[SessionHeader | Event]:
    pending = Pending()
    session: str | None = None
    title: str | None = None
    for line, record in json_lines(lines, tally):
        kind = string(record.get("type"))
        if kind == "summary":
            title = title or string(record.get("summary"))
        if kind not in {"user", "assistant"}:
            tally.skip_kind("record", kind)
            continue
        found = string(record.get("sessionId")) or session or content_id(line.text[:2000])
        at = time_of(record.get("timestamp"), tally)
        if found != session:
            session = found
            yield SessionHeader(PROVIDER, session, title, at, string(record.get("cwd")))
        for event in each_of(_events(record, line, at, pending, tally), line.locator, tally):
            if title is None and event.kind == "prompt" and not event.sidechain:
                title = title_of(event.text)
                yield SessionHeader(PROVIDER, session, title, at, string(record.get("cwd")))
            yield event
    yield from pending.rest()


def _events(record: Record, line: Line, at: datetime | None, pending: Pending, tally: Tally) -> Iterator[Event]:
    message = mapping(record.get("message"))
    content = message.get("content")
    if not isinstance(content, str | list):
        tally.skip("record without content", line.locator)
        return
    identity = string(record.get("uuid")) or content_id(line.text)
    for place, block in enumerate([content] if isinstance(content, str) else content):
        given: Record = {"type": "text", "text": block} if isinstance(block, str) else mapping(block)
        event_id = identity if place == 0 else f"{identity}#{place}"
        yield from _block(given, record, event_id, line, at, pending, tally)


def _block(
    block: Record, record: Record, event_id: str, line: Line, at: datetime | None, pending: Pending, tally: Tally
) -> Iterator[Event]:
    sidechain = record.get("isSidechain") is True
    match block.get("type"):
        case "text" | "thinking" | "image":
            yield from _words(block, record, event_id, line, at)
        case "tool_use":
            name, key = string(block.get("name")) or "tool", string(block.get("id")) or event_id
            yield from pending.add(key, Call(key, name, tool_input(name, block.get("input")), line.locator, at, sidechain))
        case "tool_result":
            output = text_of(block.get("content"))
            call = pending.take(string(block.get("tool_use_id")))
            if call is None:
                tally.skip("result without its call")
                return
            failed = block.get("is_error") is True
            yield call.event(output, failed=failed, exit_code=exit_code_of(output[:200]) if failed else None)
            if (words := said_in_rejection(output)) and not sidechain:
                yield Event(f"{event_id}#said", "user", "prompt", words, line.locator, at)
        case other:
            tally.skip_kind("block", other)


def _words(block: Record, record: Record, event_id: str, line: Line, at: datetime | None) -> Iterator[Event]:
    """What was said, thought or shown in one block."""
    user, sidechain = record.get("type") == "user", record.get("isSidechain") is True

    def said(role: Role, kind: Kind, text: str) -> Event:
        return Event(event_id, role, kind, text, line.locator, at, sidechain=sidechain)

    text = string(block.get("thinking")) or text_of(block)
    if not text.strip():
        return
    if block.get("type") == "thinking":
        yield said("assistant", "thinking", text)
    elif block.get("type") == "image":
        yield said("user" if user else "assistant", "notice", text)
    elif not user:
        yield said("assistant", "reply", text)
    elif (typed := None if _is_meta(record) else prompt_in(text)) is None:
        yield said("system", "notice", text)
    else:
        # What a sub-agent is asked was written by an agent.
        yield said("user", "notice" if sidechain else "prompt", text if sidechain else typed)


def _is_meta(record: Record) -> bool:
    return any(record.get(flag) is True for flag in ("isMeta", "isCompactSummary", "isVisibleInTranscriptOnly"))
