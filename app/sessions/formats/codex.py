"""Codex' rollouts: {timestamp, type, payload}. Most messages occur as event_msg, response_item and completed item; each is taken once.

Older files have the items without a wrapper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.sessions.event import Event, Kind, ReplyUsage, Role, SessionHeader
from app.sessions.formats.codex_copy import ForkedCopy
from app.sessions.formats.codex_items import CompletedTool, commands_in_script, kind_of, tool_of, words_of
from app.sessions.formats.codex_unused import UNUSED_COMPLETED, UNUSED_EVENTS, UNUSED_ITEMS, UNUSED_RECORDS
from app.sessions.formats.images import without_images
from app.sessions.formats.lines import PAUSED, Line, Paused, each_of, json_lines, loads
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import MAX_PENDING, Pending, PendingToolCall, exit_code_of, files_of, tool_input
from app.sessions.formats.values import Occurrences, content_id, mapping, string, text_of, time_of, whole
from app.sessions.formats.words import prompt_in, title_of

PROVIDER = "codex"
CALLS = {"function_call", "custom_tool_call", "local_shell_call", "tool_call"}
RESULTS = {"function_call_output", "custom_tool_call_output", "local_shell_call_output", "tool_result", "function_result"}
SCRIPT = "exec"
"""The tool of code mode: its input is a script, whose calls of other tools come as completed items."""
MAX_CALLS = 100_000
"""Ids of calls remembered, so that the end events that repeat them are known."""
REPEATED = "repeated from the session that it was forked from"
ENDS = frozenset({"exec_command_end", "mcp_tool_call_end", "patch_apply_end", "web_search_end"})
Record = dict[str, object]


@dataclass(slots=True)
class _Reader:
    """State of reading one rollout. `by_agent`: the rollout is a sub-agent's, so its prompts were written by an agent.

    `held`: the last event, kept back until its token usage is known; `total`: the running total that Codex reports.
    `scripts`: code mode's scripts without a result; `calls`: ids of all calls, which end events repeat; `resolved`: scripts whose
    calls were told.
    """

    tally: ParseTally
    model: str | None = None
    by_agent: bool = False
    held: Event | None = None
    total: ReplyUsage = field(default_factory=ReplyUsage)
    pending: Pending = field(default_factory=Pending)
    scripts: dict[str, PendingToolCall] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)
    resolved: set[str] = field(default_factory=set)
    ids: Occurrences = field(default_factory=Occurrences)
    occurrences: dict[str, Counter[str]] = field(default_factory=lambda: {"event": Counter(), "item": Counter(), "completed": Counter()})

    def count(self, payload: Record, *, repeated: bool = False) -> None:
        """Read a token record: its growth since the previous one is the held event's usage. What is repeated was paid for elsewhere."""
        given = mapping(mapping(payload.get("info")).get("total_token_usage"))
        now = ReplyUsage(whole(given.get("input_tokens")), whole(given.get("output_tokens")), whole(given.get("cached_input_tokens")))
        more = (now.input - self.total.input, now.output - self.total.output, now.cached - self.total.cached)
        if not given or max(more) <= 0 or (self.held is None and not repeated):
            return
        self.total = now
        if self.held is not None:
            self.held = replace(self.held, usage=self.held.usage or ReplyUsage(*(max(0, each) for each in more)))

    def next(self, event: Event | None) -> Iterator[Event]:
        """Yield the held event, and hold `event` instead (None: the file ends)."""
        if self.held is not None:
            yield self.held
        self.held = event

    def paused(self) -> Iterator[Event | Paused]:
        """Yield the held event, which is told again with its usage, and the pause."""
        if self.held is not None:
            yield self.held
        yield PAUSED

    def is_new(self, source: str, key: str) -> bool:
        """Tell whether these words are new. The sources repeat them, each in its own order, so occurrences are counted per source."""
        key = content_id(key)
        self.occurrences[source][key] += 1
        return all(self.occurrences[source][key] > seen[key] for name, seen in self.occurrences.items() if name != source)

    def remember(self, call: str) -> bool:
        """Note the id of a call; return whether it was known."""
        known = call in self.calls
        if len(self.calls) < MAX_CALLS:
            self.calls.add(call)
        return known


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[SessionHeader | Event | Paused]:
    """Parse a rollout: one session per file, named by its first header. What a fork repeats of its parent is not read again."""
    reader = _Reader(tally)
    header: SessionHeader | None = None
    copy = ForkedCopy("", None)
    titled = False
    for line, record in json_lines(lines, tally):
        if line.pause:
            yield from reader.paused()
            continue
        at = time_of(record.get("timestamp") or record.get("created_at"), tally)
        payload = mapping(record.get("payload"))
        found = _header(record, at)
        if found is not None:
            if header is None:
                header, reader.by_agent = found, _is_sub_agent(record)
                copy = ForkedCopy(found.external_id, at)
                yield header
            copy.meet(found.external_id)
            continue
        if copy.repeats(payload, at):
            tally.skip(REPEATED)
            reader.count(payload, repeated=True)
            continue
        if record.get("type") == "turn_context" and (model := string(payload.get("model"))):
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
            reader.count(payload)
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
    """Tell whether an agent began this session. A person's fork names the session it came from, but no thread above it."""
    payload = mapping(record.get("payload"))
    source = payload.get("source")
    named = list(source) if isinstance(source, dict) else [source]
    agents = any(kind_of(name).startswith("subagent") for name in [*named, payload.get("thread_source")])
    return agents or string(payload.get("parent_thread_id")) is not None


def _events(reader: _Reader, record: Record, line: Line, at: datetime | None) -> Iterator[Event]:
    kind = string(record.get("type"))
    payload = mapping(record.get("payload"))
    if kind == "event_msg":
        yield from _message_event(reader, payload, line, at)
    elif kind == "response_item":
        yield from _item(reader, payload, line, at)
    elif kind in UNUSED_RECORDS or "payload" in record:
        reader.tally.skip_kind("record", kind, UNUSED_RECORDS)
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
        case "item_completed":
            yield from _completed(reader, mapping(payload.get("item")), line, at)
        case str(kind) if kind in ENDS and (tool := tool_of(payload)) is not None:
            yield from _used(reader, tool, string(payload.get("call_id")), line, at)
        case other:
            reader.tally.skip_kind("event", other, UNUSED_EVENTS)


def _completed(reader: _Reader, item: Record, line: Line, at: datetime | None) -> Iterator[Event]:
    if (said := words_of(item)) is not None:
        role, text, thinking = said
        yield from _words(reader, "completed", role, text, line, at, thinking=thinking)
    elif (tool := tool_of(item)) is not None:
        yield from _used(reader, tool, string(item.get("id")), line, at)
    elif kind_of(item.get("type")) in UNUSED_COMPLETED:
        reader.tally.skip(f"completed item: {kind_of(item.get('type'))}")
    else:
        reader.tally.skip_kind("completed item", item.get("type"))


def _used(reader: _Reader, tool: CompletedTool, name: str | None, line: Line, at: datetime | None) -> Iterator[Event]:
    """Yield a completed tool use, unless a call tells it already. The scripts under way are told by what they call."""
    if name is None or reader.remember(name) or reader.pending.awaits(tool.name, tool.input):
        return
    reader.resolved.update(reader.scripts)
    call = PendingToolCall(name, tool.name, tool.input, line.locator, at, reader.by_agent, files=tool.files)
    made = call.event(tool.output, failed=tool.failed, exit_code=tool.exit_code)
    yield replace(made, outcome="rejected") if tool.declined else made


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
    elif kind == "agent_message":  # from one agent to another: no person's words, and no answer to one
        if (words := text_of(item.get("content"))).strip():
            yield Event(reader.ids.id("system", words), "system", "notice", words, line.locator, at, sidechain=reader.by_agent)
    else:
        reader.tally.skip_kind("item", kind, UNUSED_ITEMS)


def _words(
    reader: _Reader, source: str, role: Role, text: str, line: Line, at: datetime | None, *, thinking: bool = False
) -> Iterator[Event]:
    if not text.strip():
        return
    kind: Kind = "thinking" if thinking else "reply"
    if role == "user":
        typed = prompt_in(text)
        kind, text = ("notice", text) if typed is None or reader.by_agent else ("prompt", typed)
    key = f"{role}:{kind}:{' '.join(without_images(text).split())[:2000]}"
    if reader.is_new(source, key):
        said_by = role if kind != "notice" else "system"
        yield Event(reader.ids.id(role, kind, text.strip()), said_by, kind, text, line.locator, at, sidechain=reader.by_agent)


def _call(reader: _Reader, item: Record, line: Line, at: datetime | None) -> Iterator[Event]:
    function = mapping(item.get("function"))
    name = string(item.get("name")) or string(function.get("name")) or "tool"
    given = next((item[key] for key in ("arguments", "input", "action") if key in item), function.get("arguments", item.get("summary")))
    words = tool_input(name, given)
    key = string(item.get("call_id")) or string(item.get("id")) or name
    reader.remember(key)
    call = PendingToolCall(reader.ids.again(key), name, words, line.locator, at, reader.by_agent, files=files_of(given))
    if item.get("type") == "custom_tool_call" and name == SCRIPT and len(reader.scripts) < MAX_PENDING:
        reader.scripts[key] = replace(call, input=commands_in_script(words))
    else:
        yield from reader.pending.add(key, call)


def _result(reader: _Reader, item: Record) -> Iterator[Event]:
    key = string(item.get("call_id")) or string(item.get("id")) or string(item.get("name"))
    script = reader.scripts.pop(key or "", None)
    call = script or reader.pending.take(key)
    if call is None:
        reader.tally.skip("tool result without its call")
        return
    if key in reader.resolved:
        reader.resolved.discard(key)
        return
    output, code = _output(item.get("output", item.get("result")))
    failed = output.lstrip().startswith("Script failed") if script is not None else None
    yield call.event(output, failed=failed, exit_code=None if failed else code)


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
