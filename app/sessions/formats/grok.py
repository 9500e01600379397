"""Grok's `chat_history.jsonl`: messages without ids, times or the session's name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from app.sessions.event import SessionHeader
from app.sessions.formats.lines import Line, each_of, json_lines
from app.sessions.formats.openings import identity_of, opening_of
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import mapping, records_in, string, text_of

PROVIDER = "grok"
_TYPED = (None, "interjection")
"""Values of `synthetic_reason` in a turn that a person typed."""
Record = dict[str, object]


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[Read]:
    records = json_lines(lines, tally)
    opening = opening_of(records, lambda record: string(record.get("type")) in {"assistant", "reasoning"})
    if not opening:
        return
    turns = Turns(SessionHeader(PROVIDER, identity_of(opening)), tally)
    for line, record in chain(opening, records):
        yield from each_of(_events(turns, record, line, tally), line.locator, tally)
    yield from turns.rest()


def _events(turns: Turns, record: Record, line: Line, tally: ParseTally) -> Iterator[Read]:
    facts = RecordFacts(line.locator, model=string(record.get("model_id")))
    words = text_of(record.get("content"))
    match record.get("type"):
        case "user":
            yield from turns.prompt(facts, words, by_software=record.get("synthetic_reason") not in _TYPED)
        case "assistant":
            yield from turns.reply(facts, words)
            for call in records_in(record.get("tool_calls")):
                yield from turns.call(facts, string(call.get("id")), string(call.get("name")), call.get("arguments"))
        case "reasoning":
            yield from turns.thinking(facts, text_of(record.get("summary")))
        case "tool_result":
            yield from turns.result(string(record.get("tool_call_id")), CallResult(words))
        case "backend_tool_call":
            kind = mapping(record.get("kind"))
            done = CallResult(failed=kind.get("status") != "completed")
            yield from turns.used(facts, string(kind.get("id")), string(kind.get("tool_type")), kind.get("action"), done)
        case "system":
            yield from turns.notice(facts, words)
        case other:
            tally.skip_kind("record", other)
