"""A followed file is sent as the server reads its format, not as its name looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.cli.watch import files
from app.cli.watch.files import FollowedFile, Piece


def test_a_file_whose_format_is_read_whole_is_ended_as_soon_as_it_rests(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n')
    file = FollowedFile(str(path), "auto")
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


DAY = 86_400.0


def looked(path: Path, file: FollowedFile, moment: float, wall: float) -> Piece | None:
    """Look at the file and send what it has, as the watcher does."""
    found = os.stat(path)  # noqa: PTH116
    piece = file.next_piece(moment, wall) if file.look(found, moment) else None
    if piece is not None:
        file.sent(piece, piece.offset + len(piece.data))
    return piece


@pytest.mark.parametrize("jump", [-3650 * DAY, -DAY, 0.0, DAY, 3650 * DAY])
def test_a_clock_that_jumps_loses_and_holds_back_nothing(tmp_path: Path, jump: float) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n')
    file, wall = FollowedFile(str(path), "claude-code"), path.stat().st_mtime + jump
    first = looked(path, file, 0.0, wall)
    assert first is not None
    assert first.data == b'{"a": 1}\n'
    with path.open("ab") as more:
        more.write(b'{"a": 2}\n')
    second = looked(path, file, 1.0, wall + 1)
    assert second is not None
    assert (second.data, second.offset) == (b'{"a": 2}\n', len(first.data))
    looked(path, file, 2.0 + files.REST_SECONDS, wall)  # it rests by the steady clock, whatever the other says
    assert file.ended
    with path.open("ab") as more:
        more.write(b'{"a": 3}\n')
    third = looked(path, file, 3.0 + files.REST_SECONDS, wall - jump)
    assert third is not None
    assert (third.data, third.offset) == (b'{"a": 3}\n', 2 * len(first.data))


@pytest.mark.parametrize("left", [0, 1, 9, 10])
def test_a_transcript_that_shrinks_is_sent_anew(tmp_path: Path, left: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2}\n')
    file = FollowedFile(str(path), "claude-code")
    assert looked(path, file, 0.0, path.stat().st_mtime) is not None
    os.truncate(path, left)
    with path.open("ab") as more:
        more.write(b"\n")
    sent = looked(path, file, 1.0, path.stat().st_mtime)
    assert sent is not None
    assert (sent.offset, sent.data) == (0, path.read_bytes())
