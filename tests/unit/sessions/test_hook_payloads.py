"""Recorded payloads of each IDE's hooks, written from their documented schemas, and what becomes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.errors import InvalidInput
from app.sessions.event import Event, ToolUse
from app.sessions.hook_payloads import Hook, Ide, is_command, read
from app.sessions.hook_payloads.payload import output_of

AT = datetime(2026, 11, 29, 12, 0, 1, 500_000, tzinfo=UTC)
CLAUDE: dict[str, Any] = {
    "session_id": "0b0c9e3e-5a52-4b8e-9a3e-0e5a6d1f2c3b",
    "prompt_id": "p-1",
    "transcript_path": "/home/ada/.claude/projects/shop/0b0c9e3e.jsonl",
    "cwd": "/home/ada/shop",
    "permission_mode": "default",
}
CODEX: dict[str, Any] = {"session_id": "019a-7f", "turn_id": "t-1", "cwd": "/home/ada/shop", "model": "gpt-5.3-codex"}
CURSOR: dict[str, Any] = {
    "conversation_id": "c-77",
    "generation_id": "g-1",
    "model": "sonnet",
    "cursor_version": "2.4.1",
    "workspace_roots": ["/home/ada/shop"],
    "user_email": "ada@example.org",
}
COMMON: dict[Ide, dict[str, Any]] = {"claude-code": CLAUDE, "codex": CODEX, "cursor": CURSOR}


def hook(ide: Ide, name: str, **fields: Any) -> Hook:
    return read(ide, {**COMMON[ide], "hook_event_name": name, **fields}, AT)


def event(ide: Ide, name: str, **fields: Any) -> Event:
    (found,) = hook(ide, name, **fields).events
    return found


@pytest.mark.parametrize(
    ("ide", "name"), [("claude-code", "UserPromptSubmit"), ("codex", "UserPromptSubmit"), ("cursor", "beforeSubmitPrompt")]
)
def test_a_prompt_is_a_provisional_event_of_its_session(ide: Ide, name: str) -> None:
    found = hook(ide, name, prompt="Why do the payment tests fail?")
    assert (found.moment, found.header.provider, found.header.directory) == ("prompt", ide, "/home/ada/shop")
    assert (found.events[0].kind, found.events[0].text, found.events[0].at) == ("prompt", "Why do the payment tests fail?", AT)
    assert found.events[0].id.startswith("hook:")
    assert found == hook(ide, name, prompt="Why do the payment tests fail?")
    turn = {"claude-code": "prompt_id", "codex": "turn_id", "cursor": "generation_id"}[ide]
    again = hook(ide, name, prompt="Why do the payment tests fail?", **{turn: "another"})
    assert again.events[0].id != found.events[0].id


def test_a_tools_call_has_the_transcripts_id_and_words() -> None:
    found = event(
        "claude-code",
        "PostToolUse",
        tool_name="Bash",
        tool_input={"command": "pytest -q", "description": "Run the tests"},
        tool_response={"stdout": "1 passed\n", "stderr": "", "interrupted": False, "isImage": False},
        tool_use_id="toolu_01",
        duration_ms=812,
    )
    assert (found.id, found.kind, found.outcome, found.tool) == ("toolu_01", "tool", "ok", ToolUse("Bash", "pytest -q", "1 passed"))


def test_a_failed_call_has_its_exit_code() -> None:
    found = event(
        "claude-code",
        "PostToolUseFailure",
        tool_name="Bash",
        tool_input={"command": "pytest -q"},
        error="Exit code 1\n1 failed",
        is_interrupt=False,
        tool_use_id="toolu_02",
    )
    assert (found.outcome, found.tool) == ("failed", ToolUse("Bash", "pytest -q", "Exit code 1\n1 failed", 1))


def test_an_edit_names_its_file_and_lines() -> None:
    found = event(
        "claude-code",
        "PostToolUse",
        tool_name="Edit",
        tool_input={"file_path": "/home/ada/shop/pool.py", "old_string": "a = 1", "new_string": "a = 2"},
        tool_response={"filePath": "/home/ada/shop/pool.py", "structuredPatch": []},
        tool_use_id="toolu_03",
    )
    assert found.files == ("/home/ada/shop/pool.py",)
    assert found.tool is not None
    assert found.tool.input == "/home/ada/shop/pool.py\n- a = 1\n+ a = 2"


def test_what_a_sub_agent_does_is_a_side_chain() -> None:
    tool = event(
        "claude-code", "PostToolUse", agent_id="a1", tool_name="Grep", tool_input={"pattern": "x"}, tool_response="", tool_use_id="t"
    )
    stop = event("claude-code", "SubagentStop", agent_id="a1", agent_type="Explore", last_assistant_message="It is in pool.py.")
    assert tool.sidechain
    assert (stop.kind, stop.sidechain, stop.text) == ("reply", True, "It is in pool.py.")
    assert not event("claude-code", "Stop", last_assistant_message="Done.", stop_hook_active=False).sidechain


@pytest.mark.parametrize(
    ("ide", "name", "fields"),
    [
        ("claude-code", "PreCompact", {"trigger": "auto", "custom_instructions": ""}),
        ("claude-code", "PostCompact", {"trigger": "auto", "compact_summary": "We fixed the pool."}),
        ("claude-code", "SessionEnd", {"reason": "prompt_input_exit"}),
        ("codex", "PostCompact", {"trigger": "manual", "compact_summary": "We fixed the pool."}),
        ("cursor", "preCompact", {"trigger": "auto"}),
        ("cursor", "sessionEnd", {"reason": "completed"}),
    ],
)
def test_what_no_transcript_tells_is_no_event(ide: Ide, name: str, fields: dict[str, Any]) -> None:
    found = hook(ide, name, **fields)
    assert (found.moment, found.events) == ("session_end" if "end" in name.lower() else "compaction", ())


def test_codex_tells_its_calls_by_their_ids() -> None:
    found = event("codex", "PostToolUse", tool_name="Bash", tool_input={"command": "ls"}, tool_response="a\nb", tool_use_id="call_9")
    assert (found.id, found.tool) == ("call_9", ToolUse("Bash", "ls", "a\nb"))
    assert event("codex", "Stop", last_assistant_message="Listed.", stop_hook_active=False).text == "Listed."


def test_cursors_events_become_calls_and_replies() -> None:
    shell = event("cursor", "afterShellExecution", command="npm test", output="ok", duration=1200)
    assert shell.tool == ToolUse("Shell", "npm test", "ok")
    assert shell.id == event("cursor", "afterShellExecution", command="npm test", output="ok", duration=1200).id
    assert shell.id != event("cursor", "afterShellExecution", command="npm test", output="ok", duration=900).id
    edit = event("cursor", "afterFileEdit", file_path="/home/ada/shop/a.ts", edits=[{"old_string": "x", "new_string": "y"}])
    assert edit.files == ("/home/ada/shop/a.ts",)
    mcp = event(
        "cursor", "afterMCPExecution", tool_name="search", tool_input='{"q":"x"}', result_json='{"content":[{"type":"text","text":"hit"}]}'
    )
    assert mcp.tool == ToolUse("search", "x", "hit")
    assert event("cursor", "afterAgentResponse", text="Fixed.").kind == "reply"
    assert hook("cursor", "stop", status="completed", loop_count=0).events == ()


@pytest.mark.parametrize("ide", ["claude-code", "codex", "cursor"])
def test_an_unknown_event_is_a_hook_without_events(ide: Ide) -> None:
    found = hook(ide, "NotYetInvented", prompt="x", tool_name="y")
    assert (found.moment, found.events, found.prompt) == ("other", (), None)


@pytest.mark.parametrize("prompt", ["/compact", "/review the auth module", " /cost ", "", "   ", None, 5, ["x"]])
def test_commands_and_empty_or_unusable_prompts_are_not_captured(prompt: object) -> None:
    assert hook("claude-code", "UserPromptSubmit", prompt=prompt).events == ()


def test_a_path_is_no_command() -> None:
    assert not is_command("/etc/hosts is wrong on staging")
    assert event("claude-code", "UserPromptSubmit", prompt="/etc/hosts is wrong on staging").kind == "prompt"


@pytest.mark.parametrize(
    ("ide", "body", "param"),
    [
        ("claude-code", [], "body"),
        ("claude-code", None, "body"),
        ("claude-code", {"hook_event_name": "Stop"}, "session_id"),
        ("claude-code", {"hook_event_name": "Stop", "session_id": 7}, "session_id"),
        ("claude-code", {"hook_event_name": "Stop", "session_id": "a\0b"}, "session_id"),
        ("codex", {"hook_event_name": "Stop", "session_id": "x" * 201}, "session_id"),
        ("codex", {"session_id": "s"}, "hook_event_name"),
        ("cursor", {"hook_event_name": "stop"}, "conversation_id"),
    ],
)
def test_what_can_not_be_a_hook_is_refused_with_its_field(ide: Ide, body: object, param: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(ide, body, AT)
    assert refused.value.param == param


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_name": 5, "tool_input": [], "tool_response": {}},
        {"tool_name": "Bash", "tool_input": None, "tool_response": None, "tool_use_id": {}},
        {"tool_name": "Bash", "tool_input": {"command": {"a": 1}}, "tool_response": [[["deep"]]], "tool_use_id": "x" * 5000},
        {"tool_name": "Read", "tool_input": {"file_path": 9}, "tool_response": {"file": "no object"}},
    ],
)
@pytest.mark.parametrize("ide", ["claude-code", "codex", "cursor"])
def test_fields_of_a_wrong_type_never_raise(ide: Ide, fields: dict[str, Any]) -> None:
    for name in ("PostToolUse", "PostToolUseFailure", "afterShellExecution", "afterMCPExecution", "afterFileEdit"):
        for each in hook(ide, name, **fields).events:
            assert each.kind == "tool"


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ("plain", "plain"),
        ({"stdout": "out\n", "stderr": "warn\n"}, "out\nwarn"),
        ({"type": "text", "file": {"filePath": "a.py", "content": "x = 1", "numLines": 1}}, "x = 1"),
        ([{"type": "text", "text": "from MCP"}], "from MCP"),
        ({"content": [{"type": "text", "text": "from an agent"}]}, "from an agent"),
        ({"mode": "files_with_matches", "filenames": ["a.py", "b.py"], "numFiles": 2}, "a.py\nb.py"),
        ({"odd": 1}, '{"odd": 1}'),
        (None, ""),
    ],
)
def test_a_result_reads_as_in_its_transcript(response: object, text: str) -> None:
    assert output_of(response) == text
