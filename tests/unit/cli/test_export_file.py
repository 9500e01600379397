"""An export's file is whole or not there, its owner's alone, and compressed where its name says so."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from app.cli.export_file import check_new, write_records
from app.errors import Conflict, InvalidInput


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """A command is alone in its process: it may wait for the disk."""


async def records(*, ended: bool = True, fails: bool = False) -> AsyncIterator[dict[str, Any]]:
    for number in range(300):
        yield {"kind": "item", "text": f"ß {number}"}
    if fails:
        raise Conflict("The server went away.")
    if ended:
        yield {"kind": "end", "records": {"item": 300}}


@pytest.mark.parametrize("name", ["team.jsonl", "team.jsonl.zst"])
async def test_all_records_are_written(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    check_new(file)
    assert (await write_records(records(), file, mark="kind"))["records"] == {"item": 300}
    content = file.read_bytes()
    text = zstandard.ZstdDecompressor().stream_reader(content).read() if name.endswith(".zst") else content
    found = [json.loads(line) for line in text.decode().splitlines()]
    assert (len(found), found[0]["text"], found[-1]["kind"]) == (301, "ß 0", "end")
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("fails", [True, False], ids=["the server goes away", "the end is missing"])
async def test_nothing_is_kept_of_what_was_cut_off(tmp_path: Path, fails: bool) -> None:
    with pytest.raises(Conflict, match="went away" if fails else "cut off"):
        await write_records(records(ended=False, fails=fails), tmp_path / "team.jsonl.zst", mark="kind")
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_was_made_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "team.jsonl"
    file.write_text("mine")
    with pytest.raises(InvalidInput, match="can't be written"):
        await write_records(records(), file, mark="kind")
    assert (file.read_text(), list(tmp_path.iterdir())) == ("mine", [file])


def test_a_file_that_can_not_be_made_is_named_before_anything_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").write_text("")
    with pytest.raises(Conflict, match="exists already"):
        check_new(tmp_path / "there")
    with pytest.raises(InvalidInput, match="is not a folder"):
        check_new(tmp_path / "missing" / "file")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InvalidInput, match=r"ends in \.zst"):
        check_new(tmp_path / "team.zst")
    check_new(tmp_path / "team.jsonl")
