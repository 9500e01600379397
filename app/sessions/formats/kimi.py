"""Kimi Code's wire log: messages put into the context, and the events of the agent's loop, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from app.sessions.event import SessionHeader
from app.sessions.formats.blocks import read_blocks, usage_of
from app.sessions.formats.lines import Line, each_of, json_lines
from app.sessions.formats.openings import identity_of, opening_of
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import mapping, string, text_of, time_of

PROVIDER = "kimi"
MAX_STEP = 200
"""Events of a step that wait for its end, which tells the tokens that it took."""
_IN_STEP = frozenset({"content.part", "tool.call", "tool.result"})
_UNUSED = frozenset(
    {
        "metadata",
        "turn.prompt",
        "turn.steer",
        "turn.cancel",
        "step.begin",
        "llm.request",
        "llm.tools_snapshot",
        "tools.set_active_tools",
        "usage.record",
        "permission.set_mode",
        "permission.record_approval_result",
        "full_compaction.begin",
        "full_compaction.complete",
        "context.apply_compaction",
        "plan_mode.enter",
        "profile.bind",
        "turn.ended",
        "plugin.session_start",
        "runtime.set_binding",
        "token_counting.measured",
        "token_counting.turn_recorded",
        "plan_mode.exit",
    }
)
"""Kinds of records that hold nothing of what was said or done."""
Record = dict[str, object]


class _Steps:
    """The events of the step under way, held until its usage is known."""

    def __init__(self, turns: Turns, tally: ParseTally) -> None:
        self.turns = turns
        self.model: str | None = None
        self.by_agent = False
        self._tally = tally
        self._held: list[tuple[Line, Record]] = []

    def add(self, line: Line, record: Record) -> Iterator[Read]:
        self._held.append((line, record))
        if len(self._held) >= MAX_STEP:
            yield from self.close({})

    def close(self, usage: Record) -> Iterator[Read]:
        """Yield the held events; the first of the agent's takes the usage."""
        held, self._held, left = self._held, [], usage_of(usage)
        for line, record in held:
            event = mapping(record.get("event"))
            facts = RecordFacts(line.locator, string(event.get("uuid")), time_of(record.get("time"), self._tally), self.model, left)
            facts.sidechain = self.by_agent
            yield from each_of(self._events(event, facts), line.locator, self._tally)
            left = facts.usage

    def _events(self, event: Record, facts: RecordFacts) -> Iterator[Read]:
        key = string(event.get("toolCallId"))
        match event.get("type"):
            case "content.part":
                yield from read_blocks(self.turns, facts, "assistant", [event.get("part")], self._tally)
            case "tool.call":
                yield from self.turns.call(facts, key, string(event.get("name")), event.get("args"))
            case _:
                result = mapping(event.get("result"))
                failed = result.get("isError", result.get("is_error"))
                yield from self.turns.result(key, CallResult(text_of(result), failed if isinstance(failed, bool) else None))


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[Read]:
    """Parse one agent's log. It doesn't name its session: the time at which it began and its first message do."""
    records = json_lines(lines, tally)
    opening = opening_of(records, lambda record: record.get("type") == "context.append_message")
    if not opening:
        return
    steps = _Steps(Turns(SessionHeader(PROVIDER, identity_of(opening)), tally), tally)
    for line, record in chain(opening, records):
        yield from _read(steps, record, line, tally)
    yield from steps.close({})
    yield from steps.turns.rest()


def _read(steps: _Steps, record: Record, line: Line, tally: ParseTally) -> Iterator[Read]:
    event = mapping(record.get("event"))
    match record.get("type"), event.get("type"):
        case "context.append_loop_event", str(kind) if kind in _IN_STEP:
            yield from steps.add(line, record)
        case "context.append_loop_event", "step.end":
            yield from steps.close(mapping(event.get("usage")))
        case "context.append_message", _:
            yield from steps.close({})
            yield from each_of(_message(steps, mapping(record.get("message")), record, line, tally), line.locator, tally)
        case "config.update", _:
            steps.model = string(record.get("modelAlias")) or steps.model
            steps.turns.learn(directory=string(record.get("cwd")))
        case kind, inner:
            tally.skip_kind("record", inner or kind, _UNUSED)


def _message(steps: _Steps, message: Record, record: Record, line: Line, tally: ParseTally) -> Iterator[Read]:
    """Read a message put into the context: typed by a person, or put there by the program, for a sub-agent too."""
    origin = mapping(message.get("origin"))
    steps.by_agent = steps.by_agent or origin.get("name") == "subagent"
    facts = RecordFacts(line.locator, at=time_of(record.get("time"), tally), model=steps.model, sidechain=steps.by_agent)
    if message.get("role") == "user":
        words = text_of(message.get("content"))
        yield from steps.turns.prompt(facts, words, by_software=origin.get("kind") not in {"user", None})
    else:
        yield from read_blocks(steps.turns, facts, "assistant", message.get("content"), tally)
