"""What a hook reads of an IDE's JSON, how it is made small enough, and what of an answer reaches the IDE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.ide.hook import headers_of, parse
from app.cli.ide.payload import (
    MAX_READ_BYTES,
    MAX_SENT_BYTES,
    HookPayload,
    UnusablePayload,
    event_name,
    header_value,
    permitted_answer,
    read_payload,
)
from app.cli.place import WorkPlace

HERE = Path("/here")


def read(found: Any, env: dict[str, str] | None = None) -> HookPayload:
    return read_payload(found if isinstance(found, bytes) else json.dumps(found).encode(), event="stop", env=env or {}, here=HERE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["session-start"], ("claude-code", "session-start")),
        (["SessionStart", "--ide", "codex"], ("codex", "session-start")),
        (["--ide=cursor", "beforeSubmitPrompt"], ("cursor", "before-submit-prompt")),
        (["stop", "--ide", "emacs", "--new-flag"], ("claude-code", "stop")),
        (["stop", "--ide"], ("claude-code", "stop")),
        ([], ("claude-code", "unknown")),
    ],
)
def test_a_command_line_is_understood_whatever_it_holds(arguments: list[str], said: tuple[str, str]) -> None:
    assert parse(arguments) == said


@pytest.mark.parametrize(
    ("name", "spelled"),
    [("SessionStart", "session-start"), ("user-prompt-submit", "user-prompt-submit"), ("afterMCPExecution", "after-mcp-execution")],
)
def test_an_event_has_one_spelling(name: str, spelled: str) -> None:
    assert event_name(name) == spelled


def test_a_payload_is_sent_byte_for_byte() -> None:
    raw = b'{ "hook_event_name":"PostToolUse",  "cwd":"/a","x":"\\ud800" }'
    payload = read(raw)
    assert (payload.body, payload.event, payload.directories, payload.note) == (raw, "post-tool-use", (Path("/a"), HERE), "")


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b"\xff\xfe", b'"' + b"[" * 200_000, b"[" * 200_000])
def test_what_is_no_object_is_not_sent(raw: bytes) -> None:
    with pytest.raises(UnusablePayload):
        read(raw)


@pytest.mark.parametrize("named", [5, ["/a"], "relative", "", "/a\0b", None])
def test_a_directory_that_is_none_is_passed_over(named: Any) -> None:
    assert read({"cwd": named, "workspace_roots": named}).directories[-1] == HERE


def test_every_folder_that_a_session_works_in_is_known() -> None:
    payload = read({"cwd": "/a", "workspace_roots": ["/b", "file:///c%20d", 5]}, {"CLAUDE_PROJECT_DIR": "/e"})
    assert payload.directories == (Path("/a"), Path("/b"), Path("/c d"), Path("/e"), HERE)


@pytest.mark.parametrize("parts", [1, 40, 300])
def test_a_payload_of_20_mb_is_cut_in_its_texts(parts: int) -> None:
    payload = read({"session_id": "s", "tool_response": {"out": ["ab" * (10_000_000 // parts)] * parts}})
    assert len(payload.body) <= MAX_SENT_BYTES
    found = json.loads(payload.body)
    assert found["session_id"] == "s"
    assert found["tool_response"]["out"][0].startswith("abab")
    assert "characters left out" in found["tool_response"]["out"][0]
    assert "MB" in payload.note


@pytest.mark.parametrize("raw", [json.dumps({"a": [1] * 2_000_000}).encode(), b"{" + b" " * MAX_READ_BYTES + b"}"])
def test_a_payload_that_cannot_be_cut_is_left_out(raw: bytes) -> None:
    with pytest.raises(UnusablePayload, match="MB"):
        read(raw)


TEXT = {"hookSpecificOutput": {"hookEventName": "UserPromptSubmit", "additionalContext": "known"}}


def permitted(answer: Any, ide: str = "claude-code", event: str = "user-prompt-submit") -> Any:
    return permitted_answer(ide, json.dumps(answer).encode(), event)


@pytest.mark.parametrize("ide", ["claude-code", "codex"])
def test_an_answer_may_add_text(ide: str) -> None:
    assert permitted(TEXT, ide) == TEXT


def test_an_answer_decides_nothing() -> None:
    specific = TEXT["hookSpecificOutput"] | {"permissionDecision": "allow", "updatedInput": {"command": "rm"}, "updatedToolOutput": "x"}
    assert permitted({"continue": False, "decision": "block", "systemMessage": "x", "hookSpecificOutput": specific}) == TEXT


@pytest.mark.parametrize(
    "answer", [{}, [], None, "x", {"hookSpecificOutput": []}, {"hookSpecificOutput": {"additionalContext": 5}}, {"decision": "block"}]
)
def test_an_answer_of_another_shape_is_none(answer: Any) -> None:
    assert permitted(answer) == {}


def test_an_answer_to_another_event_is_none() -> None:
    assert permitted(TEXT, event="stop") == {}


def test_cursor_hears_only_a_text() -> None:
    assert permitted({"additional_context": "known", "followup_message": "go on", "continue": False}, "cursor") == {
        "additional_context": "known"
    }


@pytest.mark.parametrize(
    ("text", "written"),
    [("feature/x y", "feature/x y"), ("Übung 100%", "%C3%9Cbung 100%25"), ("a\r\nhost: b", "a%0D%0Ahost: b"), ("\ud800", "?")],
)
def test_a_header_is_printable_ascii(text: str, written: str) -> None:
    assert header_value(text) == written


def test_a_key_that_no_header_can_hold_is_not_sent() -> None:
    headers = headers_of(WorkPlace(Path("/a/b"), "b", branch="main"), "bad\nkey")
    assert headers == {"x-cairn-branch": "main", "x-cairn-directory-name": "b", "content-type": "application/json"}


def test_in_a_worktree_the_folder_of_its_repository_is_told() -> None:
    headers = headers_of(WorkPlace(Path("/home/a/.codex/worktrees/1d2f/shop"), "shop", main=Path("/home/a/acme/shop")), None)
    assert (headers["x-cairn-directory-name"], headers["x-cairn-directory"]) == ("shop", "/home/a/acme/shop")
