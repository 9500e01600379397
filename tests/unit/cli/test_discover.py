"""What is found in a folder, and what is left alone."""

from __future__ import annotations

import os
from pathlib import Path

from app.cli.discover import in_paths, project_of, transcripts_below


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


def test_the_place_names_the_project_where_it_can() -> None:
    assert project_of(Path("/home/ada/shop/.specstory/history/x.md")) == "shop"
    assert project_of(Path("/home/ada/shop/.aider.chat.history.md")) == "shop"
    assert project_of(Path("/home/ada/shop/x.jsonl")) is None
