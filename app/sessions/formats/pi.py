"""Pi's sessions, and those of agents built on it (OpenClaw): a `session` record, then messages as a tree of entries."""

from __future__ import annotations

from collections.abc import Iterator

from app.sessions.event import SessionHeader
from app.sessions.formats.blocks import read_blocks, usage_of
from app.sessions.formats.lines import Line, each_of, json_lines
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import content_id, mapping, string, text_of, time_of

PROVIDER = "pi"
_UNUSED = frozenset({"thinking_level_change", "custom", "label"})
"""Kinds of records that hold nothing of what was said or done."""
Record = dict[str, object]


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[Read]:
    turns: Turns | None = None
    for line, record in json_lines(lines, tally):
        if turns is None:
            opens = record.get("type") == "session"
            name = (string(record.get("id")) if opens else None) or content_id(line.text[:2000])
            started = time_of(record.get("timestamp"), tally)
            turns = Turns(SessionHeader(PROVIDER, name, started_at=started, directory=string(record.get("cwd"))), tally)
            if opens:
                continue
        yield from each_of(_events(turns, record, line, tally), line.locator, tally)
    if turns is not None:
        yield from turns.rest()


def _events(turns: Turns, record: Record, line: Line, tally: ParseTally) -> Iterator[Read]:
    message = mapping(record.get("message"))
    facts = RecordFacts(
        line.locator,
        string(record.get("id")),
        time_of(record.get("timestamp"), tally),
        string(message.get("model")),
        usage_of(mapping(message.get("usage"))),
        string(record.get("parentId")),
    )
    match record.get("type"):
        case "message":
            yield from _message(turns, facts, message, tally)
        case "compaction" | "branch_summary":
            yield from turns.notice(facts, text_of(record.get("summary")))
        case "custom_message":
            yield from turns.notice(facts, text_of(record.get("content")))
        case "session_info":
            turns.learn(title=string(record.get("name")))
        case "model_change":
            turns.learn(model=string(record.get("modelId")))
        case other:
            tally.skip_kind("record", other, _UNUSED)


def _message(turns: Turns, facts: RecordFacts, message: Record, tally: ParseTally) -> Iterator[Read]:
    match message.get("role"):
        case "user" | "assistant":
            yield from read_blocks(turns, facts, str(message["role"]), message.get("content"), tally)
        case "toolResult":
            failed = message.get("isError")
            result = CallResult(text_of(message.get("content")), failed if isinstance(failed, bool) else None)
            yield from turns.result(string(message.get("toolCallId")), result)
        case "bashExecution":  # a command that the person ran
            code = message.get("exitCode")
            result = CallResult(text_of(message.get("output")), exit_code=code if type(code) is int else None)
            yield from turns.used(facts, facts.id, "bash", message.get("command"), result)
        case "system" | "custom" | "compactionSummary" | "branchSummary":
            yield from turns.notice(facts, text_of(message.get("content")) or text_of(message.get("summary")))
        case other:
            tally.skip_kind("message", other)
