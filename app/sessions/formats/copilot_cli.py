"""GitHub Copilot CLI's `events.jsonl`: {type, data, id, timestamp, parentId} a line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.sessions.event import ReplyUsage, SessionHeader
from app.sessions.formats.lines import Line, each_of, json_lines
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import content_id, mapping, records_in, string, text_of, time_of, whole

PROVIDER = "copilot-cli"
_EXITED = re.compile(r"<exited with exit code (-?\d{1,3})>\s*$")
_UNUSED = frozenset(
    {
        "session.start",
        "session.resume",
        "session.model_change",
        "session.info",
        "session.truncation",
        "session.shutdown",
        "session.usage_checkpoint",
        "session.auto_mode_resolved",
        "session.title_changed",
        "assistant.turn_start",
        "assistant.turn_end",
        "assistant.reasoning",
        "hook.start",
        "hook.end",
        "subagent.started",
        "subagent.completed",
        "abort",
    }
)
"""Kinds of records that hold nothing of what was said or done."""
Record = dict[str, object]


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[Read]:
    turns: Turns | None = None
    model: str | None = None
    for line, record in json_lines(lines, tally):
        data, kind = mapping(record.get("data")), string(record.get("type")) or ""
        if turns is None:
            name = string(data.get("sessionId")) or content_id(line.text[:2000])
            turns = Turns(SessionHeader(PROVIDER, name), tally)
        if kind.startswith("session."):
            model = string(data.get("newModel")) or string(data.get("selectedModel")) or model
            _learn(turns, data)
        yield from each_of(_events(turns, kind, record, line, model, tally), line.locator, tally)
    if turns is not None:
        yield from turns.rest()


def _learn(turns: Turns, data: Record) -> None:
    context = mapping(data.get("context"))
    turns.learn(
        title=string(data.get("title")),
        directory=string(context.get("cwd")),
        repository=_repository(context),
        branch=string(context.get("branch")),
        commit=string(context.get("headCommit")),
        agent_version=string(data.get("copilotVersion")),
    )


def _repository(context: Record) -> str | None:
    """Return the repository's URL. Copilot tells `owner/name` and the host, or its kind."""
    name, host = string(context.get("repository")), string(context.get("repositoryHost"))
    if name is None or "://" in name:
        return name
    return f"https://{host or 'github.com'}/{name}" if host or context.get("hostType") == "github" else None


def _events(turns: Turns, kind: str, record: Record, line: Line, model: str | None, tally: ParseTally) -> Iterator[Read]:
    data = mapping(record.get("data"))
    output = whole(data.get("outputTokens"))
    facts = RecordFacts(
        line.locator,
        string(record.get("id")),
        time_of(record.get("timestamp"), tally),
        string(data.get("model")) or model,
        ReplyUsage(output=output) if output and kind == "assistant.message" else None,
        string(record.get("parentId")),
        sidechain=any(data.get(key) for key in ("parentToolCallId", "parentAgentTaskId")),
    )
    match kind:
        case "user.message":
            yield from turns.prompt(facts, text_of(data.get("content")))
        case "assistant.message":
            yield from turns.thinking(facts, text_of(data.get("reasoningText")))
            yield from turns.reply(facts, text_of(data.get("content")))
            for call in records_in(data.get("toolRequests")):
                yield from turns.call(facts, string(call.get("toolCallId")), string(call.get("name")), call.get("arguments"))
        case "tool.execution_start":
            yield from turns.call(facts, string(data.get("toolCallId")), string(data.get("toolName")), data.get("arguments"))
        case "tool.execution_complete":
            yield from turns.result(string(data.get("toolCallId")), _result(data))
        case "system.message" | "system.notification":
            yield from turns.notice(facts, text_of(data.get("content")))
        case "session.error" | "session.warning":
            yield from turns.notice(facts, text_of(data.get("message")))
        case _:
            tally.skip_kind("record", kind, _UNUSED)


def _result(data: Record) -> CallResult:
    output = text_of(data.get("result")) or text_of(mapping(data.get("error")).get("message"))
    code = _EXITED.search(output[-200:])
    return CallResult(output, data.get("success") is not True, int(code[1]) if code else None)
