"""Codex' rollouts: {timestamp, type, payload}. Most messages occur both as event_msg and as response_item; each is taken once.

Older files have the items without a wrapper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.sessions.event import Event, Kind, ReplyUsage, Role, SessionHeader
from app.sessions.formats.lines import PAUSED, Line, Paused, each_of, json_lines, loads
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import Pending, PendingToolCall, exit_code_of, files_of, tool_input
from app.sessions.formats.values import Occurrences, content_id, mapping, string, text_of, time_of, whole
from app.sessions.formats.words import prompt_in, title_of

PROVIDER = "codex"
CALLS = {"function_call", "custom_tool_call", "local_shell_call", "tool_call"}
RESULTS = {"function_call_output", "custom_tool_call_output", "local_shell_call_output", "tool_result", "function_result"}
Record = dict[str, object]


@dataclass(slots=True)
class _Reader:
    """State of reading one rollout. `by_agent`: the rollout is a sub-agent's, so its prompts were written by an agent.

    `held`: the last event, kept back until its token usage is known; `total`: the running total that Codex reports.
    """

    tally: ParseTally
    model: str | None = None
    by_agent: bool = False
    held: Event | None = None
    total: ReplyUsage = field(default_factory=ReplyUsage)
    pending: Pending = field(default_factory=Pending)
    ids: Occurrences = field(default_factory=Occurrences)
    occurrences: dict[str, Counter[str]] = field(default_factory=lambda: {"event": Counter(), "item": Counter()})

    def count(self, payload: Record) -> None:
        """Read a token record: its growth since the previous one is the held event's usage."""
        given = mapping(mapping(payload.get("info")).get("total_token_usage"))
        now = ReplyUsage(whole(given.get("input_tokens")), whole(given.get("output_tokens")), whole(given.get("cached_input_tokens")))
        more = (now.input - self.total.input, now.output - self.total.output, now.cached - self.total.cached)
        if not given or self.held is None or max(more) <= 0:
            return
        self.total = now
        self.held = replace(self.held, usage=self.held.usage or ReplyUsage(*(max(0, each) for each in more)))

    def next(self, event: Event | None) -> Iterator[Event]:
        """Yield the held event, and hold `event` instead (None: the file ends)."""
        if self.held is not None:
            yield self.held
        self.held = event

    def is_new(self, source: str, key: str) -> bool:
        """Tell whether these words are new. Both sources repeat them in their own order, so occurrences are counted per source."""
        other, key = "item" if source == "event" else "event", content_id(key)
        self.occurrences[source][key] += 1
        return self.occurrences[source][key] > self.occurrences[other][key]


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[SessionHeader | Event | Paused]:
    """Parse a rollout: one session per file, named by its first header. Later headers are a fork's replay of its parent."""
    reader = _Reader(tally)
    header: SessionHeader | None = None
    titled = False
    for line, record in json_lines(lines, tally):
        if line.pause:
            yield from [] if reader.held is None else [reader.held]  # told again with its usage
            yield PAUSED
            continue
        at = time_of(record.get("timestamp") or record.get("created_at"), tally)
        found = _header(record, at)
        if found is not None:
            if header is None:
                header, reader.by_agent = found, _is_sub_agent(record)
                yield header
            continue
        if record.get("type") == "turn_context" and (model := string(mapping(record.get("payload")).get("model"))):
            if header is not None and reader.model is None:
                yield (header := replace(header, model=model))
            reader.model = model
        for event in each_of(_events(reader, record, line, at), line.locator, tally):
            if header is None:
                header = SessionHeader(PROVIDER, content_id(line.text[:2000]), None, at, model=reader.model)
                yield header
            if not titled and event.kind == "prompt":
                titled = True
                yield (header := replace(header, title=title_of(event.text)))
            yield from reader.next(replace(event, model=reader.model) if event.role == "assistant" or event.tool else event)
        if record.get("type") == "event_msg":
            reader.count(mapping(record.get("payload")))
    yield from reader.next(None)
    yield from reader.pending.rest()


def _header(record: Record, at: datetime | None) -> SessionHeader | None:
    payload = mapping(record.get("payload"))
    if record.get("type") == "session_meta":
        found = string(payload.get("id")) or string(mapping(payload.get("meta")).get("id"))
    elif "type" not in record and "timestamp" in record and "role" not in record:
        payload, found = record, string(record.get("id"))
    else:
        return None
    git = mapping(payload.get("git"))
    if found is None:
        return None
    return SessionHeader(
        PROVIDER,
        found,
        started_at=at,
        directory=string(payload.get("cwd")),
        repository=string(git.get("repository_url")),
        branch=string(git.get("branch")),
        commit=string(git.get("commit_hash")),
        agent_version=string(payload.get("cli_version")),
    )


def _is_sub_agent(record: Record) -> bool:
    return "subagent" in mapping(mapping(record.get("payload")).get("source"))


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
        kind, text = ("notice", text) if typed is None or reader.by_agent else ("prompt", typed)
    key = f"{role}:{kind}:{' '.join(text.split())[:2000]}"
    if reader.is_new(source, key):
        said_by = role if kind != "notice" else "system"
        yield Event(reader.ids.id(role, kind, text.strip()), said_by, kind, text, line.locator, at, sidechain=reader.by_agent)


def _call(reader: _Reader, item: Record, line: Line, at: datetime | None) -> Iterator[Event]:
    function = mapping(item.get("function"))
    name = string(item.get("name")) or string(function.get("name")) or "tool"
    given = next((item[key] for key in ("arguments", "input", "action") if key in item), function.get("arguments", item.get("summary")))
    words = tool_input(name, given)
    key = string(item.get("call_id")) or string(item.get("id")) or name
    call = PendingToolCall(reader.ids.again(key), name, words, line.locator, at, reader.by_agent, files=files_of(given))
    yield from reader.pending.add(key, call)


def _result(reader: _Reader, item: Record) -> Iterator[Event]:
    call = reader.pending.take(string(item.get("call_id")) or string(item.get("id")) or string(item.get("name")))
    if call is None:
        reader.tally.skip("result without its call")
        return
    output, code = _output(item.get("output", item.get("result")))
    yield call.event(output, exit_code=code)


def _output(given: object) -> tuple[str, int | None]:
    """Return a result's text and exit code: plain, in blocks, or JSON with metadata."""
    if isinstance(given, str) and given.startswith("{"):
        try:
            given = loads(given)
        except (ValueError, RecursionError):
            return str(given), exit_code_of(str(given))
    metadata = mapping(mapping(given).get("metadata"))
    code = metadata.get("exit_code")
    output = text_of(given)
    return output, code if isinstance(code, int) and not isinstance(code, bool) else exit_code_of(output[:400])
