"""Claude Code's JSONL: one record a line; a tool's call and its result are two records, and become one event."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.sessions.event import Event, Kind, ReplyUsage, Role, SessionHeader
from app.sessions.formats.lines import PAUSED, Line, Paused, each_of, json_lines
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import Pending, PendingToolCall, exit_code_of, files_of, said_in_rejection, tool_input
from app.sessions.formats.values import content_id, mapping, nanousd, string, text_of, time_of, whole
from app.sessions.formats.words import prompt_in, title_of

PROVIDER = "claude-code"
Record = dict[str, object]


MAX_SUMMARIES, MAX_REPLIES = 1000, 200
GIVEN_TITLES = {"summary": 1, "ai-title": 2, "custom-title": 3}
"""Rank of each record kind that gives a title: a title chosen by a person beats a generated one."""


@dataclass(slots=True)
class _Titles:
    """The best title so far. A `summary` counts once its leaf has been seen: a file may hold other sessions' summaries."""

    title: str | None = None
    rank: int = -1
    waiting: dict[str, str] = field(default_factory=dict)

    def offer(self, title: str | None, rank: int) -> bool:
        """Take a title if it outranks the current one; return whether it was taken."""
        if not title or rank < self.rank or (rank == 0 and self.rank == 0):
            return False
        self.title, self.rank = title, rank
        return True

    def given(self, kind: str, record: Record) -> bool:
        """Offer the title of a record. A summary waits until its leaf record has been seen."""
        if kind == "summary":
            leaf, summary = string(record.get("leafUuid")), string(record.get("summary"))
            if leaf is None:
                return self.offer(summary, GIVEN_TITLES[kind])
            if summary and len(self.waiting) < MAX_SUMMARIES:
                self.waiting[leaf] = summary
            return False
        return self.offer(string(record.get("customTitle")) or string(record.get("aiTitle")), GIVEN_TITLES[kind])

    def reached(self, uuid: str | None) -> bool:
        """Offer the summary whose leaf is this record, if there is one."""
        return bool(uuid) and self.offer(self.waiting.pop(uuid or "", None), GIVEN_TITLES["summary"])


@dataclass(slots=True)
class _Reader:
    """State of reading one transcript: pending calls, and each reply's usage so far."""

    tally: ParseTally
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
    reader, titles = _Reader(tally), _Titles()
    header: SessionHeader | None = None
    for line, record in json_lines(lines, tally):
        if line.pause:
            yield PAUSED
            continue
        kind = string(record.get("type"))
        better = titles.given(kind, record) if kind in GIVEN_TITLES else titles.reached(string(record.get("uuid")))
        if kind not in {"user", "assistant"}:
            tally.skip_kind("record", kind)
            if better and header is not None:
                yield (header := _titled(header, titles))
            continue
        found = string(record.get("sessionId")) or (header and header.external_id) or content_id(line.text[:2000])
        at = time_of(record.get("timestamp"), tally)
        if header is None or found != header.external_id or better or (header.model is None and _model(record)):
            header = _titled(_header(record, found, at, header), titles)
            yield header
        for event in each_of(_events(record, line, at, reader, tally), line.locator, tally):
            if event.kind == "prompt" and not event.sidechain and titles.offer(title_of(event.text), 0):
                yield (header := _titled(header, titles))
            yield event
    yield from reader.pending.rest()


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


def _titled(header: SessionHeader, titles: _Titles) -> SessionHeader:
    return replace(header, title=titles.title, title_given=titles.rank > 0)


def _model(record: Record) -> str | None:
    """Return the model that wrote a record. Claude Code marks its own messages with the pseudo-model `<synthetic>`."""
    found = string(mapping(record.get("message")).get("model"))
    return None if found == "<synthetic>" else found


def _events(record: Record, line: Line, at: datetime | None, reader: _Reader, tally: ParseTally) -> Iterator[Event]:
    message = mapping(record.get("message"))
    content = message.get("content")
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
                tally.skip("result without its call")
                return
            failed = block.get("is_error") is True
            yield made.event(output, failed=failed, exit_code=exit_code_of(output[:200]) if failed else None)
            if (words := said_in_rejection(output)) and not sidechain:
                yield Event(f"{event_id}#said", "user", "prompt", words, facts.locator, facts.at, parent=facts.parent)
        case other:
            tally.skip_kind("block", other)


def _words(block: Record, record: Record, event_id: str, facts: PendingToolCall) -> Iterator[Event]:
    """Turn a block of text, thinking or an image into an event."""
    user, sidechain = record.get("type") == "user", record.get("isSidechain") is True

    def said(role: Role, kind: Kind, text: str) -> Event:
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
        yield said("assistant", "thinking", text)
    elif block.get("type") == "image":
        yield said("user" if user else "assistant", "notice", text)
    elif not user:
        yield said("assistant", "reply", text)
    elif (typed := None if _is_meta(record) else prompt_in(text)) is None:
        yield said("system", "notice", text)
    else:
        # A sub-agent's prompt was written by an agent, not by a person.
        yield said("user", "notice" if sidechain else "prompt", text if sidechain else typed)


def _is_meta(record: Record) -> bool:
    return any(record.get(flag) is True for flag in ("isMeta", "isCompactSummary", "isVisibleInTranscriptOnly"))
