"""Analyzers are incremental: fed at once, step by step or from a snapshot at any point they tell the same; their state is bounded."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.sessions.event import Event, Outcome, ToolUse
from app.trajectory.analyzers.activity import ActivityAnalyzer
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.analyzers.health import HealthAnalyzer
from app.trajectory.analyzers.loops import LoopAnalyzer
from app.trajectory.analyzers.recurrence import RecurrenceAnalyzer
from app.trajectory.events.steps import SessionStep, step_of

ANALYZERS: list[Callable[[], Analyzer]] = [LoopAnalyzer, HealthAnalyzer, ActivityAnalyzer, RecurrenceAnalyzer]
MAX_SNAPSHOT_CHARS = 60_000
_OUTPUTS = st.sampled_from(
    [
        "",
        "ok",
        "error: cannot find the header of the library",
        "HTTP/2 429 too many requests",
        "12 passed",
        "a long listing of files " * 6,
        "bash: foo: command not found",
    ]
)
_OUTCOMES: st.SearchStrategy[Outcome | None] = st.sampled_from(["ok", "failed", "rejected", None])
_CALLS = st.builds(
    lambda name, given, output, outcome, side: Event(
        "e",
        "tool",
        "tool",
        "",
        "L1",
        tool=ToolUse(name, given, output),
        outcome=outcome,
        sidechain=side,
        files=("a.py",) if name == "Edit" else (),
    ),
    st.sampled_from(["Bash", "Read", "Grep", "Edit", "aider", "TodoWrite"]),
    st.sampled_from(["", "make", "pytest -q", "cat a", "cat b", "a.py\n- x\n+ y", "a.py\n- y\n+ x", "git commit -m x", "sleep 3"]),
    _OUTPUTS,
    _OUTCOMES,
    st.booleans(),
)
_WORDS = st.builds(
    lambda kind, text: Event("e", "user" if kind == "prompt" else "assistant", kind, text, "L1"),
    st.sampled_from(["prompt", "reply", "thinking", "notice"]),
    st.sampled_from(
        [
            "no, that's wrong",
            "thanks",
            "add a flag",
            "I apologize, I misread it",
            "Let me run it again now, once more",
            "/undo",
            "还是不行",
            "[Request interrupted by user]",
            "",
        ]
    ),
)
events = st.lists(st.one_of(_CALLS, _WORDS), max_size=60)


def steps(given: list[Event]) -> list[SessionStep]:
    return [step_of(seq, event) for seq, event in enumerate(given, 1)]


@pytest.mark.parametrize("analyzer", ANALYZERS)
@given(given=events, data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_going_on_from_a_snapshot_changes_nothing(analyzer: Callable[[], Analyzer], given: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(given)))
    whole, first, second = analyzer(), analyzer(), analyzer()
    told = [list(whole.add(step)) for step in steps(given)]
    assert [list(first.add(step)) for step in steps(given)[:cut]] == told[:cut]
    second.restore(json.loads(json.dumps(first.snapshot())))
    assert [list(second.add(step)) for step in steps(given)[cut:]] == told[cut:]
    assert second.snapshot() == whole.snapshot()


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_the_state_of_a_long_session_is_bounded(analyzer: Callable[[], Analyzer]) -> None:
    watched = analyzer()
    for n in range(6_000):
        given, output = f"cat {n}" if n % 3 else "make", f"error {n}: cannot open the file number {n}" if n % 2 else f"{n} rows"
        watched.add(
            step_of(n, Event("e", "tool", "tool", "", "L1", tool=ToolUse("Bash", given, output), outcome="failed" if n % 2 else "ok"))
        )
        if n % 5 == 0:
            watched.add(step_of(n, Event("e", "user", "prompt", f"no, that is wrong {n}", "L1")))
    assert len(json.dumps(watched.snapshot())) < MAX_SNAPSHOT_CHARS


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_a_session_of_one_event_is_read(analyzer: Callable[[], Analyzer]) -> None:
    assert list(analyzer().add(step_of(1, Event("e", "user", "prompt", "hi", "L1")))) == []


@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000,
        "a" * 50_000,
        "-x " * 5_000,
        "go " + "-v " * 3_000 + "tes",
        "\ud800\x00\x1b[",
        "不 " * 5_000,
        "error " * 5_000,
        "> " * 9_000,
    ],
)
def test_hostile_texts_are_read_in_linear_time(analyzer: Callable[[], Analyzer], text: str) -> None:
    watched = analyzer()
    for kind in ("prompt", "reply", "notice"):
        watched.add(step_of(1, Event("e", "user", kind, text, "L1")))  # type: ignore[arg-type]
    for name in ("Bash", "Edit", "aider"):
        watched.add(
            step_of(2, Event("e", "tool", "tool", "", "L1", tool=ToolUse(name, "" if name == "aider" else text, text), outcome="failed"))
        )
