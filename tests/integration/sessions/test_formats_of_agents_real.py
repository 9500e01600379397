"""The newer formats on the public fixtures: each session comes out with who said what, and no damage done to it raises."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.sessions.event import Event, Format, SessionHeader
from app.sessions.formats import HEAD_BYTES, ParseTally, detect, parse
from app.settings import SessionsSettings

FIXTURES: dict[str, tuple[Format, int, int, int]] = {
    "jazzyalex__agent-sessions/antigravity/cli_small.jsonl": ("antigravity", 1, 1, 2),
    "jazzyalex__agent-sessions/antigravity/cli_schema_drift.jsonl": ("antigravity", 1, 0, 0),
    "jazzyalex__agent-sessions/copilot/large.jsonl": ("copilot-cli", 3, 3, 2),
    "jazzyalex__agent-sessions/copilot/schema_drift.jsonl": ("copilot-cli", 0, 1, 1),
    "jazzyalex__agent-sessions/copilot/subdir_v1/aaaabbbb-1111-2222-3333-ccccddddeeee/events.jsonl": ("copilot-cli", 1, 1, 1),
    "jazzyalex__agent-sessions/droid/session_store_large.jsonl": ("droid", 2, 3, 1),
    "jazzyalex__agent-sessions/droid/session_store_small.jsonl": ("droid", 1, 0, 1),
    "jazzyalex__agent-sessions/droid/session_store_schema_drift.jsonl": ("droid", 1, 1, 0),
    "jazzyalex__agent-sessions/droid/stream_json_large.jsonl": ("droid", 1, 2, 1),
    "jazzyalex__agent-sessions/droid/stream_json_small.jsonl": ("droid", 1, 1, 1),
    "jazzyalex__agent-sessions/droid/stream_json_schema_drift.jsonl": ("droid", 1, 1, 1),
    "jazzyalex__agent-sessions/gemini/jsonl_v040.jsonl": ("gemini", 1, 1, 1),
    "jazzyalex__agent-sessions/gemini/large.json": ("gemini", 2, 2, 2),
    "jazzyalex__agent-sessions/gemini/small.json": ("gemini", 1, 1, 0),
    "jazzyalex__agent-sessions/gemini/schema_drift.json": ("gemini", 1, 1, 0),
    "jazzyalex__agent-sessions/grok/chat_history.jsonl": ("grok", 2, 1, 3),
    "jazzyalex__agent-sessions/grok/subagent/chat_history.jsonl": ("grok", 1, 2, 1),
    "jazzyalex__agent-sessions/kimi/small.jsonl": ("kimi", 3, 0, 0),
    "jazzyalex__agent-sessions/kimi/assistant_tools.jsonl": ("kimi", 8, 6, 19),
    "jazzyalex__agent-sessions/kimi/subagent_agent-0.jsonl": ("kimi", 0, 1, 2),
    "jazzyalex__agent-sessions/openclaw/large.jsonl": ("pi", 1, 3, 2),
    "jazzyalex__agent-sessions/openclaw/small.jsonl": ("pi", 1, 1, 1),
    "jazzyalex__agent-sessions/openclaw/schema_drift.jsonl": ("pi", 1, 1, 1),
    "jazzyalex__agent-sessions/pi/small.jsonl": ("pi", 2, 2, 0),
    "jazzyalex__agent-sessions/qwen/019f0000-0000-7000-8000-000000000001.jsonl": ("qwen", 1, 1, 1),
    "jazzyalex__agent-sessions/qwen/019f0000-0000-7000-8000-000000000004.jsonl": ("qwen", 2, 2, 1),
    "jazzyalex__agent-sessions/qwen/019f0000-0000-7000-8000-000000000005.jsonl": ("qwen", 1, 1, 0),
    "kenn-io__agentsview/internal/parser/testdata/gemini/standard_session.json": ("gemini", 2, 2, 0),
    "kenn-io__agentsview/internal/parser/testdata/gemini/tool_calls_with_results.json": ("gemini", 1, 1, 2),
    "kenn-io__agentsview/internal/parser/testdata/pi/session.jsonl": ("pi", 2, 2, 1),
}
"""Fixture → its format, and its prompts by people, replies and tool calls, counted by hand in the file."""


def read(data: bytes, format: Format) -> tuple[list[SessionHeader], list[Event], ParseTally]:
    tally = ParseTally()
    made = list(parse(iter([data]), format=format, limits=SessionsSettings(), tally=tally))
    return [each for each in made if isinstance(each, SessionHeader)], [each for each in made if isinstance(each, Event)], tally


@pytest.fixture
def fixtures(shared_data: Path) -> Path:
    folder = shared_data / "agent-fixtures-multi"
    if not folder.is_dir():
        pytest.skip(f"the agents' fixtures are not at {folder}")
    return folder


@pytest.mark.parametrize("name", FIXTURES)
def test_each_session_comes_out_with_who_said_what(fixtures: Path, name: str) -> None:
    data = (fixtures / name).read_bytes()
    format, prompts, replies, calls = FIXTURES[name]
    assert detect(data[:HEAD_BYTES]) == format
    headers, events, _ = read(data, format)
    kinds = Counter(event.kind for event in events)
    assert (kinds["prompt"], kinds["reply"], kinds["tool"]) == (prompts, replies, calls)
    assert headers
    assert len({event.id for event in events}) == len(events)


def test_a_result_joins_its_call_with_its_exit_code(fixtures: Path) -> None:
    wanted = {"gemini/large.json": [0, 1], "droid/stream_json_large.jsonl": [0], "droid/session_store_small.jsonl": [1]}
    for name, codes in wanted.items():
        path = fixtures / "jazzyalex__agent-sessions" / name
        calls = [event.tool for event in read(path.read_bytes(), "gemini" if "gemini" in name else "droid")[1] if event.tool]
        assert [call.exit_code for call in calls] == codes


def test_a_real_session_of_gemini_cli_comes_out_whole(shared_data: Path) -> None:
    path = shared_data / "transcripts" / "entire-checkpoints" / "plain" / "ab_2b9748b105_0" / "full.jsonl"
    if not path.is_file():
        pytest.skip(f"the session is not at {path}")
    data = path.read_bytes()
    assert detect(data[:HEAD_BYTES]) == "gemini"
    headers, events, tally = read(data, "gemini")
    calls = [event for event in events if event.tool]
    assert len(calls) > 5
    assert all(call.outcome == "ok" and call.tool and call.tool.output for call in calls if call.tool and call.tool.name == "read_file")
    assert {call.tool.exit_code for call in calls if call.tool and call.tool.name == "run_shell_command"} <= {0, 1, None}
    assert headers[-1].model == "gemini-2.5-flash"
    assert not tally.problems
    assert len({event.id for event in events}) == len(events)


@pytest.mark.parametrize("name", FIXTURES)
@given(place=st.floats(0, 1), inserted=st.binary(max_size=30), cut=st.integers(0, 300))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_real_transcript_never_raises(fixtures: Path, name: str, place: float, inserted: bytes, cut: int) -> None:
    data = (fixtures / name).read_bytes()[:30_000]
    at = int(place * len(data))
    read(data[:at] + inserted + data[at + cut :], FIXTURES[name][0])
