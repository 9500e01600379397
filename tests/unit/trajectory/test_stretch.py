"""A stretch of events is read for its activity and its health, whatever there is of them."""

from __future__ import annotations

from app.sessions.event import Event, ToolUse
from app.trajectory.analysis.stretch import read_stretch


def ran(number: int, command: str, output: str, outcome: str = "ok") -> Event:
    return Event(f"e{number}", "tool", "tool", "", f"L{number}", tool=ToolUse("Bash", command, output), outcome=outcome)  # type: ignore[arg-type]


def test_the_same_failing_call_again_and_again_is_stuck() -> None:
    found = read_stretch([ran(number, "pytest -q tests/test_till.py", "E assert 3 == 4", "failed") for number in range(5)])
    assert (found.activity, found.health) == ("debugging", "stuck")
    assert found.because


def test_reading_different_files_is_exploring_on_track() -> None:
    found = read_stretch([ran(number, f"cat src/part{number}.py", f"def f{number}(): return {number}\n" * 9) for number in range(6)])
    assert (found.activity, found.health) == ("exploring", "on_track")


def test_events_that_say_nothing_have_no_activity() -> None:
    assert read_stretch([]).activity is None
