"""Cairn's hooks are put among others', and exactly these are taken out again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.cli.ide.hook_entries import is_ours, with_hooks, without_hooks
from app.cli.ide.json_edits import read_at, remove_at
from app.cli.ide.plan import shell_line

OWN = {"hooks": [{"type": "command", "command": "/opt/cairn", "args": ["hook", "stop"], "timeout": 5}]}
KEYED = {"Authorization": "Bearer $CAIRN_KEY"}
OTHER = {"matcher": "Bash", "hooks": [{"type": "command", "command": "lint"}]}


def prune(text: str, path: tuple[str, ...]) -> str:
    return remove_at(text, path) if read_at(text, path) in ({}, []) else text


def added(text: str, wanted: dict[str, Any] | None = None) -> str:
    return with_hooks(text, wanted or {"Stop": OWN, "SessionEnd": OWN}, prune=prune)


@pytest.mark.parametrize(
    ("handler", "ours"),
    [
        ({"command": "/opt/cairn", "args": ["hook", "stop"]}, True),
        ({"command": "cairn hook stop --ide codex"}, True),
        ({"command": "'/my tools/cairn' hook stop"}, True),
        ({"command": r'"C:\Program Files\cairn.exe" hook stop'}, True),
        ({"command": "/usr/bin/python -m app.cli hook stop"}, True),
        ({"command": "/usr/bin/python3", "args": ["-P", "-m", "app.cli", "hook", "stop"]}, True),
        ({"command": r"C:\tools\cairn.exe hook stop --ide cursor"}, True),
        ({"command": """'/it'"'"'s/cairn' hook post-tool-use --ide codex"""}, True),
        ({"type": "http", "url": "http://127.0.0.1:8080/v1/hooks/claude-code", "headers": KEYED}, True),
        ({"type": "http", "url": "http://127.0.0.1:8080/v1/hooks/claude-code"}, False),
        ({"type": "http", "url": "https://audit.example.org/v1/hooks/claude-code", "headers": {"Authorization": "Bearer $AUDIT"}}, False),
        ({"type": "http", "url": "https://audit.example.org/v1/hooks/claude", "headers": KEYED}, False),
        ({"type": "http", "url": "https://audit.example.org/x/v1/hooks/codex", "headers": KEYED}, False),
        ({"command": "tee -a audit.jsonl | cairn hook stop --ide codex && notify-send done"}, False),
        ({"command": "tee -a x;/opt/cairn hook stop"}, False),
        ({"command": "cairn hook stop && notify-send done"}, False),
        ({"command": "cairn hook stop --ide codex >> log"}, False),
        ({"command": "cairn hook stop --ide=codex"}, False),
        ({"command": "cairn hook stop; true"}, False),
        ({"command": "FOO=1 cairn hook stop"}, False),
        ({"command": "~/bin/cairn hook stop"}, False),
        ({"command": "./cairn hook stop"}, False),
        ({"command": r"C:\a.exe&C:\cairn.exe hook stop"}, False),
        ({"command": "bash", "args": ["-c", "cairn hook stop"]}, False),
        ({"command": "/opt/cairn", "args": ["hook", "stop", "--quiet"]}, False),
        ({"command": "/opt/cairn", "args": ["hook"]}, False),
        ({"command": "cairn hook stop 'unended"}, False),
        ({"command": "/opt/mycairn hook stop"}, False),
        ({"command": "cairn query x | hook"}, False),
        ({"command": "cairn hooks"}, False),
        ({"type": "http", "url": "https://other.org/hooks"}, False),
        ({"command": 5, "args": "hook"}, False),
        ("cairn hook stop", False),
    ],
)
def test_a_handler_is_known_as_ours_by_what_it_runs(handler: Any, ours: bool) -> None:
    assert is_ours(handler) is ours


def test_others_stay_as_they_stand() -> None:
    text = json.dumps({"model": "x", "hooks": {"Stop": [OTHER]}}, indent=4)
    connected = added(text)
    assert read_at(connected, ["hooks", "Stop"]) == [OTHER, OWN]
    assert without_hooks(connected, prune=prune) == text


def test_twice_is_once() -> None:
    once = added("{}")
    assert added(once) == once


def test_a_changed_handler_replaces_the_earlier_one() -> None:
    changed = {"hooks": [{"type": "http", "url": "http://localhost/v1/hooks/claude-code", "headers": KEYED}]}
    text = added(added(json.dumps({"hooks": {"Stop": [OTHER]}})), {"Stop": changed})
    assert read_at(text, ["hooks"]) == {"Stop": [OTHER, changed]}


def test_a_handler_that_someone_put_into_another_group_is_taken_out_alone() -> None:
    text = json.dumps({"hooks": {"Stop": [{"hooks": [*OTHER["hooks"], *OWN["hooks"]]}]}})
    assert json.loads(without_hooks(text, prune=prune)) == {"hooks": {"Stop": [{"hooks": OTHER["hooks"]}]}}


@pytest.mark.parametrize(
    "foreign",
    [
        {"type": "command", "command": "tee -a audit.jsonl | cairn hook stop --ide codex && notify-send done"},
        {"type": "http", "url": "https://audit.example.org/v1/hooks/claude-code"},
    ],
)
def test_what_only_has_our_words_in_it_is_kept(foreign: dict[str, Any]) -> None:
    text = json.dumps({"hooks": {"Stop": [{"hooks": [foreign]}]}}, indent=2)
    assert read_at(added(text), ["hooks", "Stop", 0]) == {"hooks": [foreign]}
    assert without_hooks(added(text), prune=prune) == text


@pytest.mark.parametrize(
    ("platform", "program"),
    [
        *(("linux", each) for each in ("/opt/cairn", "/opt/a b/cairn", "/it's/cairn", "/opt/$x;y/cairn", "cairn")),
        *(("win32", each) for each in (r"C:\My Tools\cairn.exe", r"C:\tools\cairn.exe", r"\\host\share\cairn.exe", "cairn")),
    ],
)
def test_each_line_that_connect_writes_is_ours(program: str, platform: str) -> None:
    for words in ([program, "hook", "pre-compact"], [program, "hook", "stop", "--ide", "cursor"]):
        assert is_ours({"command": shell_line(words, platform)})
    assert is_ours({"command": shell_line([program + "3", "-P", "-m", "app.cli", "hook", "stop"], platform)}) is (program != "cairn")


def test_entries_without_groups_are_understood_too() -> None:
    text = json.dumps({"version": 1, "hooks": {"stop": [{"command": "./own.sh"}, {"command": "/opt/cairn hook stop --ide cursor"}]}})
    assert json.loads(without_hooks(text, prune=prune))["hooks"] == {"stop": [{"command": "./own.sh"}]}


@pytest.mark.parametrize("hooks", [[], "x", {"Stop": "x"}, {"Stop": [None, 5, {"hooks": "x"}, {"hooks": []}]}])
def test_what_is_no_list_of_hooks_is_left_alone(hooks: Any) -> None:
    text = json.dumps({"hooks": hooks})
    assert without_hooks(text, prune=prune) == text


@pytest.mark.parametrize(
    ("platform", "line"),
    [("linux", "'/my tools/cairn' hook stop"), ("darwin", "'/my tools/cairn' hook stop"), ("win32", '"/my tools/cairn" hook stop')],
)
def test_a_command_is_quoted_for_its_shell(platform: str, line: str) -> None:
    assert shell_line(["/my tools/cairn", "hook", "stop"], platform) == line
