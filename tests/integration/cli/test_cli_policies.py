"""`cairn policies`: by a real process against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.test_cli import cairn
from tests.running import Running, running

pytestmark = pytest.mark.long

EVENTS = (
    {"id": "e1", "role": "tool", "tool": {"name": "edit", "input": "till.py\n- x\n+ y", "output": "updated", "exit_code": 0}},
    {"id": "e2", "role": "tool", "tool": {"name": "bash", "input": "git commit -am x", "output": "done", "exit_code": 0}},
)


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "policies") as started:
        yield started


def test_policies_are_listed_with_what_they_are_made_of(server: Running) -> None:
    listed = cairn(server.folder, "policies", "list")
    assert listed.returncode == 0, listed.stderr
    assert "no-force-push" in listed.stdout
    found = json.loads(cairn(server.folder, "policies", "list", "--json").stdout)
    assert len(found["policies"]) == 6
    assert "renewed_precedence" in cairn(server.folder, "policies", "list", "--templates").stdout
    assert "says_done" in cairn(server.folder, "policies", "list", "--predicates").stdout
    unknown = cairn(server.folder, "policies", "list", "--project", "nowhere")
    assert (unknown.returncode, "no project" in unknown.stderr) == (1, True)


def test_events_are_checked_and_a_broken_policy_is_an_exit_code(server: Running, tmp_path: Path) -> None:
    events, rules = tmp_path / "events.jsonl", tmp_path / "rules.yaml"
    events.write_text("".join(json.dumps(each) + "\n" for each in EVENTS))
    told = cairn(server.folder, "policies", "check", str(events))
    assert told.returncode == 1, told.stderr
    assert "check-before-commit" in told.stdout
    assert "Events: e1, e2" in told.stdout
    rules.write_text("policies:\n  - id: some-edit\n    words: Something is edited.\n    template: existence\n    of: edits\n")
    kept = cairn(server.folder, "policies", "check", str(events), "--rules", str(rules), "--json")
    assert (kept.returncode, [each["verdict"] for each in json.loads(kept.stdout)["verdicts"]]) == (0, ["true"])
    assert "can be used" in cairn(server.folder, "policies", "check", str(rules)).stdout


def test_what_cant_be_read_is_said_with_its_place(server: Running, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("policies:\n  - id: x\n    words: W.\n    formula: always (edts)\n")
    refused = cairn(server.folder, "policies", "check", str(broken))
    assert (refused.returncode, "line 4, column 22" in refused.stderr, '"edits"' in refused.stderr) == (1, True, True), refused.stderr
    events = tmp_path / "events.jsonl"
    events.write_text('{"id": "e1", "role": "user"}\n{oops\n')
    refused = cairn(server.folder, "policies", "check", str(events))
    assert (refused.returncode, "line 2" in refused.stderr) == (1, True), refused.stderr


def test_each_problem_of_a_file_has_its_line_and_the_file_its_name(server: Running, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("policies:\n  - id: X\n    words: W.\n    formula: asks\n  - id: y\n    formula: asks\n")
    refused = cairn(server.folder, "policies", "check", str(broken))
    assert (refused.returncode, f"{broken} can't be used, for 2 reasons:" in refused.stderr) == (1, True), refused.stderr
    assert [line[:7] for line in refused.stderr.splitlines()[1:]] == ["line 2,", "line 5,"]
    events = tmp_path / "events.jsonl"
    events.write_text('{"id": "e1", "role": "user"}\n\n{"id": "e2", "role": "nobody"}\n')
    refused = cairn(server.folder, "policies", "check", str(events))
    assert f"{events}, line 3: role must be one of" in refused.stderr


def test_one_policy_is_switched_and_the_others_stay(server: Running, tmp_path: Path) -> None:
    transcript = tmp_path / "events.jsonl"
    transcript.write_text("".join(json.dumps(each) + "\n" for each in EVENTS))
    assert cairn(server.folder, "ingest", str(transcript), "--project", "jetty", "--yes").returncode == 0
    for words in (("done-after-check", "--off"), ("no-force-push", "--severity", "metric")):
        done = cairn(server.folder, "policies", "switch", *words, "--project", "jetty")
        assert done.returncode == 0, done.stderr
    assert "no-force-push is on in jetty, severity metric." in done.stdout
    listed = json.loads(cairn(server.folder, "policies", "list", "--project", "jetty", "--json").stdout)["policies"]
    now = {each["id"]: (each["enabled"], each["severity"]) for each in listed}
    assert (now["done-after-check"], now["no-force-push"]) == ((False, "nudge"), (True, "metric"))
    again = cairn(server.folder, "policies", "switch", "done-after-check", "--reset", "--project", "jetty", "--json")
    assert json.loads(again.stdout)["enabled"] is True
    unknown = cairn(server.folder, "policies", "switch", "done-after-chek", "--off", "--project", "jetty")
    assert (unknown.returncode, 'did you mean "done-after-check"' in unknown.stderr) == (1, True)
