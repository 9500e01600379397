"""A session of CAIRN_PRIVATE or of a pause: noted by a hook, left here by everything else."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from app.cli.discover import FoundFile
from app.cli.ide.capture_checks import capture_checks
from app.cli.ide.hook import handle
from app.cli.ide.payload import HookPayload
from app.cli.kept import count_kept, is_kept, keep_file
from app.cli.machine import ClientSettings
from app.cli.mcp_bridge import McpBridge
from app.cli.pauses import Pause, write_pause
from app.cli.place import WorkPlace
from app.cli.withheld import Withholding

SESSION = "0b4bd1cd-46cc-4a7e-9b5e-6d0f3f3c1c11"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


def hook(folder: Path, **told: str) -> str:
    return handle("claude-code", HookPayload(json.dumps(told).encode(), "stop", (folder,))).outcome


@pytest.mark.parametrize("paused", [True, False])
@pytest.mark.parametrize(
    ("told", "path", "data"),
    [
        ({"session_id": SESSION}, f"/p/{SESSION}.jsonl", b""),
        ({"session_id": SESSION}, f"/p/{SESSION}/subagents/agent-1.jsonl", b""),
        ({"session_id": SESSION}, f"/p/rollout-2026-11-29T10-00-00-{SESSION}.jsonl", b""),
        ({"conversation_id": "c-17"}, "/p/x.jsonl", b'{"conversation_id": "c-17"}'),
        ({"session_id": "s-1"}, "/p/x.jsonl", b'{"sessionId":"s-1","cwd":"/work"}'),
        ({"transcript_path": "/p/y.jsonl"}, "/p/y.jsonl", b""),
    ],
)
def test_a_session_that_a_hook_kept_is_known_by_its_transcript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paused: bool, told: dict[str, str], path: str, data: bytes
) -> None:
    assert not is_kept(path, data)
    if paused:
        write_pause(Pause(time.time(), None))
    else:
        monkeypatch.setenv("CAIRN_PRIVATE", "1")
    assert hook(tmp_path, **told) == ("paused" if paused else "private")
    assert is_kept(path, data)
    assert not is_kept("/p/other.jsonl", b'{"sessionId": "another"}')


def test_the_doctor_counts_each_session_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [each for each in capture_checks(tmp_path) if each.name == "kept sessions"]
    monkeypatch.setenv("CAIRN_PRIVATE", "1")
    for session in ("s-1", "s-1", "s-2"):
        hook(tmp_path, session_id=session, transcript_path=str(tmp_path / f"{session}.jsonl"))
    assert not keep_file(str(tmp_path / "s-1.jsonl"))
    assert keep_file(str(tmp_path / f"rollout-{SESSION}.jsonl"))
    assert count_kept() == 3
    (check,) = [each for each in capture_checks(tmp_path) if each.name == "kept sessions"]
    assert check.detail.startswith("3 stay ")


def test_ingest_leaves_what_was_found_and_sends_what_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_PRIVATE", "1")
    hook(tmp_path, session_id="s-1")
    kept, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    kept.write_text('{"sessionId": "s-1"}\n')
    other.write_text('{"sessionId": "s-2"}\n')
    assert [(Withholding("auto").reason(FoundFile(path, None, None, named=False)) is not None) for path in (kept, other)] == [True, False]


def test_the_bridge_asks_nothing_for_such_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_PRIVATE", "1")
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {}}}
    answer = McpBridge(lambda: (WorkPlace(tmp_path, "x"), ClientSettings(url="http://127.0.0.1:9"))).answer(json.dumps(asked).encode())
    assert "CAIRN_PRIVATE" in json.dumps(answer)
