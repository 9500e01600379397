"""Claude Code's JSONL: one record a line; a tool's call and its result are two records, and become one event."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.sessions.event import Event, Kind, ReplyUsage, Role, SessionHeader
from app.sessions.formats.claude_queue import PromptQueue
from app.sessions.formats.claude_titles import GIVEN_TITLES, Titles
from app.sessions.formats.lines import PAUSED, Line, Paused, each_of, json_lines
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import Pending, PendingToolCall, exit_code_of, files_of, said_in_rejection, tool_input
from app.sessions.formats.values import content_id, mapping, nanousd, string, text_of, time_of, whole
from app.sessions.formats.words import prompt_in, title_of

PROVIDER = "claude-code"
Record = dict[str, object]


MAX_REPLIES = 200
UNUSED_RECORDS = frozenset(
    (
        "progress",
        "system",
        "file-history-snapshot",
        "summary",
        "ai-title",
        "custom-title",
        "agent-name",
        "agent-color",
        "agent-setting",
        "attribution-snapshot",
        "bridge-session",
        "content-replacement",
        "frame-link",
        "last-prompt",
        "mode",
        "permission-mode",
        "pr-link",
        "relocated",
        "result",
        "saved_hook_context",
        "started",
        "tag",
        "task-summary",
        "worktree-state",
    )
)
UNUSED_BLOCKS = frozenset({"redacted_thinking", "server_tool_use", "web_search_tool_result", "document", "fallback", "tool_reference"})


@dataclass(slots=True)
class _Reader:
    """State of reading one transcript: pending calls, queued prompts, titles, and each reply's usage so far."""

    tally: ParseTally
    queue: PromptQueue
    titles: Titles = field(default_factory=Titles)
    pending: Pending = field(default_factory=Pending)
    counted: OrderedDict[str, ReplyUsage] = field(default_factory=OrderedDict)

    def usage(self, record: Record) -> ReplyUsage | None:
        """Return the usage that this record adds. Each block of a reply is a record that repeats the reply's growing total."""
        message = mapping(record.get("message"))
        given, cost = mapping(message.get("usage")), nanousd(record.get("costUSD"))
        if not given and cost is None:
            return None
        cached = whole(given.get("cache_read_input_tokens"))
        fresh = whole(given.get("input_tokens")) + whole(given.get("cache_creation_input_tokens"))
        now = ReplyUsage(fresh + cached, whole(given.get("output_tokens")), cached, cost)
        key = string(message.get("id")) or string(record.get("requestId"))
        before = self.counted.get(key or "")
        if key:
            self.counted[key] = now
            if len(self.counted) > MAX_REPLIES:
                self.counted.popitem(last=False)
        if before is None:
            return now
        more = (max(0, now.input - before.input), max(0, now.output - before.output), max(0, now.cached - before.cached))
        return ReplyUsage(*more) if any(more) else None


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[SessionHeader | Event | Paused]:
    reader = _Reader(tally, PromptQueue(tally))
    titles = reader.titles
    header: SessionHeader | None = None
    for line, record in json_lines(lines, tally):
        if line.pause:
            yield PAUSED
            continue
        kind, at = string(record.get("type")), time_of(record.get("timestamp"), tally)
        current = header.external_id if header else None
        titled = titles.give(kind, record, current) if kind in GIVEN_TITLES else None
        if not _is_message(kind, record):
            if kind == "queue-operation":
                reader.queue.operate(record, line, at)
            else:
                _skip(kind, tally)
            if header is not None and titled == current:
                yield (header := _titled(header, titles))
            continue
        found = string(record.get("sessionId")) or current or content_id(line.text[:2000])
        better = titles.reach(string(record.get("uuid")), found)
        if header is None or found != current or better or (header.model is None and _model(record)):
            header = _titled(_header(record, found, at, header), titles)
            yield header
        for event in each_of(_events(record, line, at, reader, tally), line.locator, tally):
            if event.kind == "prompt" and not event.sidechain and titles.of(found).offer(title_of(event.text), 0):
                yield (header := _titled(header, titles))
            yield event
    yield from reader.pending.rest()


def _is_message(kind: str | None, record: Record) -> bool:
    """Tell whether a record holds what was said or done: a message, or a prompt that had been queued."""
    return kind in {"user", "assistant"} or (kind == "attachment" and _attached(record) == "queued_command")


def _attached(record: Record) -> str | None:
    return string(mapping(record.get("attachment")).get("type"))


def _skip(kind: str | None, tally: ParseTally) -> None:
    if kind == "attachment":  # what Claude Code itself adds to a turn: reminders, lists, files
        tally.skip("record: attachment")
    else:
        tally.skip_kind("record", kind, UNUSED_RECORDS)


def _header(record: Record, session: str, at: datetime | None, before: SessionHeader | None) -> SessionHeader:
    """Extend the session's header by what this record says; earlier values stay."""
    if before is None or before.external_id != session:
        before = SessionHeader(PROVIDER, session, started_at=at)
    return replace(
        before,
        directory=before.directory or string(record.get("cwd")),
        branch=before.branch or string(record.get("gitBranch")),
        agent_version=before.agent_version or string(record.get("version")),
        model=before.model or _model(record),
    )


def _titled(header: SessionHeader, titles: Titles) -> SessionHeader:
    title = titles.of(header.external_id)
    return replace(header, title=title.text, title_given=title.rank > 0)


def _model(record: Record) -> str | None:
    """Return the model that wrote a record. Claude Code marks its own messages with the pseudo-model `<synthetic>`."""
    found = string(mapping(record.get("message")).get("model"))
    return None if found == "<synthetic>" else found


def _events(record: Record, line: Line, at: datetime | None, reader: _Reader, tally: ParseTally) -> Iterator[Event]:
    if record.get("type") == "attachment":
        yield from reader.queue.attached(record, line, at)
        return
    if record.get("type") == "assistant" and record.get("isSidechain") is not True:
        yield from reader.queue.answered()
    message = mapping(record.get("message"))
    content = message.get("content")
    if record.get("type") == "user":
        reader.queue.sent(text_of(content))
    if not isinstance(content, str | list):
        tally.skip("record without content", line.locator)
        return
    identity = string(record.get("uuid")) or content_id(line.text)
    facts = PendingToolCall(
        "", "", "", line.locator, at, model=_model(record), usage=reader.usage(record), parent=string(record.get("parentUuid"))
    )
    for place, block in enumerate([content] if isinstance(content, str) else content):
        given: Record = {"type": "text", "text": block} if isinstance(block, str) else mapping(block)
        event_id = identity if place == 0 else f"{identity}#{place}"
        yield from _block(given, record, event_id, facts, reader.pending, tally)
        facts = replace(facts, usage=None)


def _block(block: Record, record: Record, event_id: str, facts: PendingToolCall, pending: Pending, tally: ParseTally) -> Iterator[Event]:
    """Turn a content block into events. `facts`: values of the record that all its blocks share."""
    sidechain = record.get("isSidechain") is True
    match block.get("type"):
        case "text" | "thinking" | "image":
            yield from _words(block, record, event_id, facts)
        case "tool_use":
            name, key = string(block.get("name")) or "tool", string(block.get("id")) or event_id
            given = block.get("input")
            call = replace(facts, id=key, name=name, input=tool_input(name, given), sidechain=sidechain, files=files_of(given))
            yield from pending.add(key, call)
        case "tool_result":
            output = text_of(block.get("content"))
            if (made := pending.take(string(block.get("tool_use_id")))) is None:
                tally.skip("tool result without its call")
                return
            failed = block.get("is_error") is True
            yield made.event(output, failed=failed, exit_code=exit_code_of(output[:200]) if failed else None)
            if (words := said_in_rejection(output)) and not sidechain:
                yield Event(f"{event_id}#said", "user", "prompt", words, facts.locator, facts.at, parent=facts.parent)
        case other:
            tally.skip_kind("block", other, UNUSED_BLOCKS)


def _words(block: Record, record: Record, event_id: str, facts: PendingToolCall) -> Iterator[Event]:
    """Turn a block of text, thinking or an image into an event."""
    user, sidechain = record.get("type") == "user", record.get("isSidechain") is True

    def text_event(role: Role, kind: Kind, text: str) -> Event:
        return Event(
            event_id,
            role,
            kind,
            text,
            facts.locator,
            facts.at,
            sidechain=sidechain,
            model=facts.model,
            usage=facts.usage,
            parent=facts.parent,
        )

    text = string(block.get("thinking")) or text_of(block)
    if not text.strip():
        return
    if block.get("type") == "thinking":
        yield text_event("assistant", "thinking", text)
    elif block.get("type") == "image":
        yield text_event("user" if user else "assistant", "notice", text)
    elif not user:
        yield text_event("assistant", "reply", text)
    elif (typed := None if _is_meta(record) else prompt_in(text)) is None:
        yield text_event("system", "notice", text)
    else:
        # A sub-agent's prompt was written by an agent, not by a person.
        yield text_event("user", "notice" if sidechain else "prompt", text if sidechain else typed)


def _is_meta(record: Record) -> bool:
    return any(record.get(flag) is True for flag in ("isMeta", "isCompactSummary", "isVisibleInTranscriptOnly"))
