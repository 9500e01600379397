"""Of what an agent does, what it writes is told from what it looks at and takes out."""

from __future__ import annotations

import json

import pytest

from app.knowledge.uses.acts import read_acts
from app.sessions.event import Event, Outcome, ToolUse


def called(name: str, given: str, outcome: Outcome = "ok") -> Event:
    return Event("e1", "tool", "tool", "", "L1", tool=ToolUse(name, given, "shown"), outcome=outcome)


BLOCKS = "<<<<<<< SEARCH\nold_name\n=======\nnew_name\n>>>>>>> REPLACE"


@pytest.mark.parametrize(
    "given",
    [
        "db.py\n- old_name\n+ new_name",
        "*** Update File: db.py\n@@\n beside\n-old_name\n+new_name",
        json.dumps({"path": "db.py", "oldText": "old_name", "newText": "new_name"}),
        json.dumps({"path": "db.py", "edits": [{"old_str": "old_name", "new_str": "new_name"}]}),
        json.dumps({"path": "db.py", "diff": BLOCKS}),
        json.dumps({"patch": "--- a/db.py\n+++ b/db.py\n@@ -1 +1 @@\n-old_name\n+new_name"}),
        BLOCKS,
        BLOCKS.replace("<", "-").replace(">", "+"),
    ],
)
def test_an_edit_takes_out_the_old_text_and_writes_the_new_one(given: str) -> None:
    acted = read_acts(called("Edit", given))
    assert acted.act == "change"
    assert ("old_name" in acted.removed, "new_name" in acted.removed) == (True, False)
    assert ("old_name" in acted.written, "new_name" in acted.written) == (False, True)


def test_a_written_file_with_a_list_is_no_patch() -> None:
    acted = read_acts(called("Write", json.dumps({"path": "notes.md", "content": "- first_name\n- second_name"})))
    assert acted.removed.strip() == ""
    assert "first_name" in acted.written


def test_a_line_of_commands_is_read_by_what_each_does() -> None:
    acted = read_acts(called("Bash", "cd api && grep -rn seen_name . ; sed -i 's/old_name/new_name/' a.py | tail"))
    assert (acted.act, "seen_name" in acted.looked, acted.removed.strip()) == ("command", True, "old_name")
    assert "new_name" in acted.written
    assert "seen_name" not in acted.written


@pytest.mark.parametrize(
    "event", [called("Bash", "grep x y | head"), called("Edit", "a\n+ b", "failed"), called("TodoWrite", "set a_b"), called("Read", "a.py")]
)
def test_what_looks_plans_or_fails_is_no_act(event: Event) -> None:
    assert read_acts(event).act is None


@pytest.mark.parametrize("piece", ["<<<<< SEARCH\n", "- ", '{"a":', "\n=====", "[", "+\n"])
def test_an_edit_of_any_length_is_read_once(piece: str) -> None:
    read_acts(called("Edit", piece * 200_000))  # quadratic, this would take minutes
