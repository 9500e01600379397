"""Antigravity CLI's steps: {step_index, source, type, content} a line; a call's result is the step after it."""

from __future__ import annotations

from collections.abc import Iterator

from app.sessions.event import SessionHeader
from app.sessions.formats.lines import Line, each_of, json_lines, loads
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import content_id, mapping, records_in, string, text_of, time_of

PROVIDER = "antigravity"
_FAILED = frozenset({"ERROR", "FAILED", "CANCELED", "CANCELLED"})
_UNUSED = frozenset({"CONVERSATION_HISTORY", "CHECKPOINT"})
"""Kinds of records that hold nothing of what was said or done."""
Record = dict[str, object]


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[Read]:
    turns: Turns | None = None
    for line, record in json_lines(lines, tally):
        if turns is None:
            turns = Turns(SessionHeader(PROVIDER, content_id(line.text[:2000])), tally)
        yield from each_of(_events(turns, record, line, tally), line.locator, tally)
    if turns is not None:
        yield from turns.rest()


def _events(turns: Turns, record: Record, line: Line, tally: ParseTally) -> Iterator[Read]:
    facts = RecordFacts(line.locator, at=time_of(record.get("created_at"), tally))
    words, kind, source = text_of(record.get("content")), string(record.get("type")), string(record.get("source"))
    if kind == "USER_INPUT":
        yield from turns.prompt(facts, words, by_software=source not in {"USER_EXPLICIT", "USER"})
    elif kind == "PLANNER_RESPONSE":
        yield from turns.thinking(facts, text_of(record.get("thinking")))
        yield from turns.reply(facts, words)
        for call in records_in(record.get("tool_calls")):
            yield from turns.call(
                facts, None, string(call.get("name")), {key: _bare(value) for key, value in mapping(call.get("args")).items()}
            )
    elif source == "MODEL":
        status = string(record.get("status"))
        yield from turns.result(None, CallResult(words, status in _FAILED if status else None), in_order=True)
    elif words:
        yield from turns.notice(facts, words)
    else:
        tally.skip_kind("record", kind, _UNUSED)


def _bare(value: object) -> object:
    """Return an argument without the JSON quotes in which Antigravity puts each."""
    if isinstance(value, str) and value[:1] == '"':
        try:
            return loads(value)
        except (ValueError, RecursionError):
            return value
    return value
