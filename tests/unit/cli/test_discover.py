"""What is found in a folder, and what is left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.cli.discover import agent_folders, directory_of, in_paths, transcripts_below


def test_only_files_that_may_be_transcripts_are_found(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.md", "state.vscdb", "customers.db", "README.md", "c.png", "sub/d.txt", ".git/e.md", "node_modules/f.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "dangling.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "circle").symlink_to(tmp_path)
    assert [path.name for path in transcripts_below(tmp_path)] == ["a.jsonl", "b.md", "state.vscdb", "d.txt"]


def test_no_file_is_sent_twice(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "a.jsonl")
    found = list(in_paths([tmp_path / "a.jsonl", tmp_path], None))
    assert [(each.path.name, each.named) for each in found] == [("a.jsonl", True)]


def test_the_place_tells_where_the_sessions_worked_where_it_can() -> None:
    assert directory_of(Path("/home/ada/shop/.specstory/history/x.md")) == "/home/ada/shop"
    assert directory_of(Path("/home/ada/shop/.specstory/history/old/x.md")) == "/home/ada/shop"
    assert directory_of(Path("/home/ada/shop/.aider.chat.history.md")) == "/home/ada/shop"
    assert directory_of(Path("/home/ada/shop/x.jsonl")) is None


def test_compressed_transcripts_are_found(tmp_path: Path) -> None:
    for name in ("a.jsonl.zst", "b.json.gz", "c.tar.gz", "d.md.zst", "e.zst", "README.md.gz"):
        (tmp_path / name).touch()
    assert [path.name for path in transcripts_below(tmp_path)] == ["a.jsonl.zst", "b.json.gz", "d.md.zst"]


def test_what_agents_keep_is_found_where_they_keep_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tmp_path / ".config/Code/User/globalStorage/saoudrizwan.claude-dev/tasks/17"
    wanted = [tmp_path / "codex/archived_sessions/a.jsonl.zst", tmp_path / ".aider.chat.history.md", task / "api_conversation_history.json"]
    for file in [*wanted, task / "ui_messages.json"]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    for name in ("CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert sorted(file for place in agent_folders() for file in place.files) == sorted(wanted)
