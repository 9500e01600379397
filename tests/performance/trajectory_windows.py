"""The labelled windows of real sessions, as steps: each event of a transcript whose place lies in the window, in the transcript's order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from app.sessions.event import Event, ToolUse
from app.sessions.formats.tools import outcome_of, tool_input
from app.trajectory.events.steps import SessionStep, steps_of
from tests.transcripts import sessions_of

_PLACE = re.compile(r"(?:L|messages\[)(\d+)")


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """A window of a session, what happened before it in the same session, and the labels that are right for it."""

    name: str
    synthetic: bool
    before: tuple[SessionStep, ...]
    steps: tuple[SessionStep, ...]
    activity: str
    activities: frozenset[str]
    health: str
    healths: frozenset[str]


def windows(data: Path) -> Iterator[LabelledWindow]:
    """Read the labelled windows below a folder of evaluation data."""
    for line in (data / "labels" / "health.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        before, steps = _steps(data, row)
        yield LabelledWindow(
            row["id"],
            bool(row.get("synthetic")),
            before,
            steps,
            row["activity"],
            frozenset([row["activity"], *row["acceptable_activities"]]),
            row["health"],
            frozenset([row["health"], *row["acceptable_health"]]),
        )


def _steps(data: Path, row: Mapping[str, Any]) -> tuple[tuple[SessionStep, ...], tuple[SessionStep, ...]]:
    if "event_list" in row:
        return (), tuple(steps_of(enumerate(map(_given, row["event_list"]), 1)))
    window = row["window"]
    first, last = (window.get(f"{end}_line", window.get(f"{end}_message")) for end in ("start", "end"))
    before: list[tuple[int, Event]] = []
    within: list[tuple[int, Event]] = []
    for number, (place, event) in enumerate(_placed(data / row["transcript"]), 1):
        if place < first:
            before.append((number, event))
        elif place <= last:
            within.append((number, event))
    return tuple(steps_of(before)), tuple(steps_of(within))


@cache
def _placed(file: Path) -> list[tuple[int, Event]]:
    """Read a transcript's events with their places. Of a file with several sessions, their order is that of the file."""
    found = []
    for session in sessions_of(file):
        for event in session:
            if place := _PLACE.match(event.locator):
                found.append((int(place[1]), event))
    return found


def _given(row: Mapping[str, Any]) -> Event:
    """Read a generic event as intake does."""
    tool = row.get("tool")
    if tool is None:
        kind = "prompt" if row["role"] == "user" else "reply"
        return Event(row["id"], row["role"], kind, row["text"], row["id"])  # type: ignore[arg-type]
    use = ToolUse(tool["name"], tool_input(tool["name"], tool["input"]), tool.get("output", ""), tool.get("exit_code"))
    return Event(row["id"], "tool", "tool", "", row["id"], tool=use, outcome=outcome_of(use.output, exit_code=use.exit_code))
