"""Factory's Droid: its stored sessions ({type: message, message: {role, content}} a line) and what `--output-format stream-json` prints."""

from __future__ import annotations

from collections.abc import Iterator

from app.sessions.event import SessionHeader
from app.sessions.formats.blocks import read_blocks, usage_of
from app.sessions.formats.lines import Line, each_of, json_lines
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import content_id, mapping, string, text_of, time_of

PROVIDER = "droid"
_UNUSED = frozenset({"compaction_state", "todo_state", "session_end"})
"""Kinds of records that hold nothing of what was said or done."""
Record = dict[str, object]


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[Read]:
    turns: Turns | None = None
    for line, record in json_lines(lines, tally):
        kind = string(record.get("type"))
        if turns is None:
            turns = Turns(SessionHeader(PROVIDER, _name(record) or content_id(line.text[:2000])), tally)
        if kind in {"session_start", "system"}:
            turns.learn(
                title=string(record.get("sessionTitle")) or string(record.get("title")),
                directory=string(record.get("cwd")),
                agent_version=string(record.get("version")),
                model=string(record.get("model")),
            )
        yield from each_of(_events(turns, record, line, tally), line.locator, tally)
    if turns is not None:
        yield from turns.rest()


def _name(record: Record) -> str | None:
    given = string(record.get("sessionId")) or string(record.get("session_id"))
    return string(record.get("id")) if record.get("type") == "session_start" else given


def _events(turns: Turns, record: Record, line: Line, tally: ParseTally) -> Iterator[Read]:
    message = mapping(record.get("message"))
    facts = RecordFacts(
        line.locator,
        string(record.get("id")),
        time_of(record.get("timestamp"), tally),
        string(message.get("model")) or turns.header.model,
        usage_of(mapping(record.get("usage")) or mapping(message.get("usage"))),
        string(record.get("parentId")),
    )
    match record.get("type"):
        case "message" if message:
            role = string(message.get("role"))
            yield from read_blocks(turns, facts, "user" if role == "user" else "assistant", message.get("content"), tally)
        case "message":
            said = turns.prompt if record.get("role") == "user" else turns.reply
            yield from said(facts, text_of(record.get("text")))
        case "reasoning":
            yield from turns.thinking(facts, text_of(record.get("text")))
        case "tool_call":
            name = string(record.get("toolName")) or string(record.get("toolId"))
            yield from turns.call(facts, _key(record), name, record.get("parameters"))
        case "tool_result":
            yield from turns.result(_key(record), _result(record))
        case "completion":
            yield from turns.reply(facts, text_of(record.get("finalText")))
        case "error":
            yield from turns.notice(facts, text_of(record.get("message")))
        case "session_start" | "system":
            return
        case other:
            tally.skip_kind("record", other, _UNUSED)


def _key(record: Record) -> str | None:
    return string(record.get("toolCallId")) or string(record.get("id"))


def _result(record: Record) -> CallResult:
    """Read a streamed result: a text, or what a command printed and its exit code."""
    value, failed = record.get("value"), record.get("isError")
    given = mapping(value)
    output = text_of(value) or "\n".join(filter(None, (string(given.get("stdout")), string(given.get("stderr")))))
    code = given.get("exitCode")
    return CallResult(output, failed if isinstance(failed, bool) else None, code if type(code) is int else None)
