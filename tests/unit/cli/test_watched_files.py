"""A followed file is sent as the server reads its format, not as its name looks."""

from __future__ import annotations

import os
from pathlib import Path

from app.cli.watch.files import FollowedFile


def test_a_file_whose_format_is_read_whole_is_ended_as_soon_as_it_rests(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n')
    file = FollowedFile(str(path), "auto", "s")
    rested = path.stat().st_mtime + 30
    file.look(os.stat(path), 0.0)  # noqa: PTH116 - as the watcher
    first = file.next_piece(30.0, rested)
    assert first is not None
    assert not first.end
    file.sent(first, len(first.data))
    assert file.next_piece(30.0, rested) is None
    file.told_resumed = False
    last = file.next_piece(30.0, rested)
    assert last is not None
    assert (last.data, last.offset, last.end) == (b"", len(first.data), True)
