"""Live events become the journal's, by the rules that a transcript of the same events is read by."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import get_args

import pytest

from app.sessions.event import Event, GivenEvent, GivenToolCall, Role, ToolUse
from app.sessions.formats.generic import parse
from app.sessions.formats.lines import Line
from app.sessions.formats.tally import ParseTally
from app.sessions.live_events import event_of


def test_roles_become_kinds() -> None:
    assert [event_of(GivenEvent(role, role)).kind for role in get_args(Role)] == ["prompt", "reply", "tool", "notice"]


def test_a_tool_call_keeps_input_output_and_how_it_ended() -> None:
    event = event_of(GivenEvent("a", "tool", tool=GivenToolCall("bash", {"command": "pytest"}, "1 failed", 1)))
    assert event.tool == ToolUse("bash", '{"command":"pytest"}', "1 failed", 1)
    assert (event.kind, event.outcome, event.locator) == ("tool", "failed", "a")


@pytest.mark.parametrize("value", [2**80, 1.5, None, True, [1, {"ä": ""}], {}])
def test_any_json_is_a_tools_input(value: object) -> None:
    event = event_of(GivenEvent("a", "tool", tool=GivenToolCall("bash", value)))
    assert event.tool is not None
    assert json.loads(event.tool.input) == value


def test_a_tool_that_has_not_ended_yet_has_no_outcome() -> None:
    assert event_of(GivenEvent("a", "tool", tool=GivenToolCall("bash", "sleep 9"))).outcome is None


@pytest.mark.parametrize(
    ("role", "text"),
    [("user", "Why NATS?"), ("user", "<system-reminder>be brief</system-reminder>"), ("assistant", "Because."), ("user", "x" * 5000)],
)
def test_words_are_read_as_those_of_a_transcript(role: Role, text: str) -> None:
    record = {"id": "a", "role": role, "text": text, "timestamp": "2026-10-01T10:00:00Z"}
    lines = iter([Line(1, json.dumps(record))])
    (read,) = [each for each in parse(lines, ParseTally()) if isinstance(each, Event)]
    live = event_of(GivenEvent("a", role, text, timestamp=datetime(2026, 10, 1, 10, tzinfo=UTC)))
    assert (live.role, live.kind, live.text, live.at) == (read.role, read.kind, read.text, read.at)
