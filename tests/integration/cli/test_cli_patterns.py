"""`cairn patterns`: by a real process against a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.test_cli import cairn
from tests.pattern_cases import CASES
from tests.running import Running, running
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "patterns") as started:
        yield started


def lines(number: int) -> str:
    """A written session as generic events. Files that begin alike are one session, so that they open with words of their own."""
    events = []
    for each in CASES["the database is locked"][number]:
        tool = (
            None
            if each.tool is None
            else {"name": each.tool.name, "input": each.tool.input, "output": each.tool.output, "exit_code": each.tool.exit_code}
        )
        said = {
            "id": f"{number}-{each.id}",
            "role": "user" if tool is None else "tool",
            "text": f"{each.text} {number}",
            "timestamp": each.at and each.at.isoformat(),
        }
        events.append(said if tool is None else {**said, "tool": tool})
    return "".join(json.dumps(each) + "\n" for each in events)


def test_what_recurs_is_listed_with_the_sessions_that_show_it(server: Running, tmp_path: Path) -> None:
    nothing = cairn(server.folder, "patterns")
    assert (nothing.returncode, nothing.stdout, "No trouble recurs in 2 sessions" in nothing.stderr) == (0, "", True)
    files = [tmp_path / f"locked{number}.jsonl" for number in range(2)]
    for number, file in enumerate(files):
        file.write_text(lines(number))
    sent = cairn(server.folder, "ingest", *map(str, files), "--project", "quay", "--format", "generic", "--yes")
    assert sent.returncode == 0, sent.stderr
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := json.loads(cairn(server.folder, "patterns", "--json").stdout)["patterns"]):
        assert time.monotonic() < until
    (pattern,) = found
    assert (pattern["project"], pattern["family"], pattern["sessions"]) == ("quay", "a lock", 2)
    shown = cairn(server.folder, "patterns", "--project", "quay").stdout
    assert "quay: a lock · a migration fails\n" in shown
    assert "   Seen in 2 sessions of this project, in October 2026: twice followed by the same kind of call with success.\n" in shown
    assert all(each["session_id"] in shown for each in pattern["occurrences"])
    unknown = cairn(server.folder, "patterns", "--project", "nowhere")
    assert (unknown.returncode, "no project" in unknown.stderr) == (1, True)
    few = cairn(server.folder, "patterns", "--min-sessions", "3")
    assert (few.stdout, "No trouble recurs in 3 sessions" in few.stderr) == ("", True)
