"""A pause of capture: whether it holds now, and what was written during a former one."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.cli import machine, pauses
from app.cli.discover import FoundFile
from app.cli.kept import is_kept, keep_file
from app.cli.pauses import Pause, read_pause, read_pauses, write_pause
from app.cli.watch import contents
from app.cli.watch.contents import written_in
from app.cli.withheld import Withholding

UUID = "0b4bd1cd-46cc-4a7e-9b5e-6d0f3f3c1c11"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))


@pytest.mark.parametrize(
    ("pause", "moment", "paused"),
    [
        (Pause(100, None), 10.0**12, True),
        (Pause(100, 160), 159, True),
        (Pause(100, 160), 160, False),
        (Pause(100, 160), 20, True),  # the clock was set back
    ],
)
def test_a_pause_ends_when_it_is_told(pause: Pause, moment: float, paused: bool) -> None:
    write_pause(pause)
    assert (read_pause(moment) == pause) is paused


def test_a_pause_can_be_ended_twice_and_is_remembered_once() -> None:
    write_pause(Pause(1, None))
    write_pause(None)
    write_pause(None)
    assert read_pause() is None
    (former,) = read_pauses()
    assert former.since == 1
    assert former.until is not None
    assert former.until <= time.time()


def test_a_pause_that_ran_out_or_was_begun_anew_is_remembered_as_long_as_it_was() -> None:
    write_pause(Pause(100, 160))
    assert read_pauses() == (Pause(100, 160),)
    write_pause(Pause(200, None))
    assert read_pauses() == (Pause(100, 160), Pause(200, None))


def test_only_so_many_pauses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "MAX_FORMER", 2)
    for since in (100, 200, 300, 400):
        write_pause(Pause(since, since + 1))
    assert [each.since for each in read_pauses()] == [200, 300, 400]


def test_a_damaged_pause_has_no_end_and_is_not_remembered() -> None:
    path = machine.state_folder() / pauses.PAUSE_FILE
    path.parent.mkdir(parents=True)
    path.write_text("soon\n")
    assert read_pause() == pauses.DAMAGED
    assert read_pauses() == ()
    write_pause(None)
    assert read_pauses() == ()


def test_a_pause_that_cannot_be_read_for_a_moment_is_no_moment_of_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    write_pause(Pause(100, 160))
    read_text = Path.read_text
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", lambda *_: (_ for _ in ()).throw(OSError(24, "Too many open files")))
        assert read_pause() == pauses.DAMAGED
        assert read_pauses() == ()
    assert Path.read_text is read_text
    assert read_pauses() == (Pause(100, 160),)


def test_a_line_of_a_former_pause_that_is_damaged_is_passed_over() -> None:
    path = machine.state_folder() / pauses.FORMER_FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"100.0 160.0\n\xff\n\n200.0 x\n300.0 360.0\n")
    assert read_pauses() == (Pause(100, 160), Pause(300, 360))


AT = datetime(2026, 11, 29, 10, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("record", "within"),
    [
        ({"timestamp": "2026-11-29T10:30:00.123Z"}, True),
        ({"time": "2026-11-29T11:30:00+01:00"}, True),
        ({"createdAt": "2026-11-29T10:30:00Z", "n": 1}, True),
        ({"ts": int(AT * 1000)}, True),
        ([{"ts": int(AT * 1000), "text": "x"}], True),
        ({"timestamp": "2026-11-29T10:29:59Z"}, False),
        ({"timestamp": "2026-11-29T10:31:00Z"}, False),
        ({"ts": int(AT * 1000) - 1000}, False),
        ({"text": "it began at 2026-11-29T10:30:00Z"}, False),
        ({"text": json.dumps({"timestamp": "2026-11-29T10:30:00Z"})}, False),
        ({"timestamp": "2026-13-40T99:30:00Z", "ts": 9999999999999}, False),
        ({"text": "no time"}, False),
        ({"timestamp": "2026-11-29T10:30:00"}, True),
        ({"timestamp": AT + 0.5}, True),
        ({"info": {"time": {"created": int(AT * 1000)}}, "messages": []}, True),
        ({"messages": [{"info": {}, "parts": [{"time": {"start": int(AT * 1000)}}]}]}, True),
        ({"messages": [{"meta": {"sentAt": int(AT * 1000)}}]}, True),
        ({"requests": [{"timestamp": int(AT * 1000)}]}, True),
        ({"timestamp": "2026-11-29T12:00:00Z", "toolUseResult": {"items": [{"committedDate": "2026-11-29T10:30:00Z"}]}}, False),
        ({"timestamp": "2026-11-29T12:00:00Z", "toolUseResult": {"items": [{"timestamp": "2026-11-29T10:30:00Z"}]}}, False),
        ({"message": {"content": [{"type": "tool_use", "input": {"since": "2026-11-29T10:30:00Z", "ts": int(AT * 1000)}}]}}, False),
        ({"messages": [{"timestamp": 9, "content": [{"input": {"date": "2026-11-29T10:30:00Z"}}]}]}, False),
    ],
)
def test_a_record_is_of_the_pause_in_which_it_was_written(record: object, within: bool) -> None:
    during = Pause(AT, AT + 60)
    for data in (json.dumps(record), json.dumps(record, separators=(",", ":")), json.dumps(record, indent=1)):
        assert written_in([Pause(5, 6), during], data.encode()) is within
    assert not written_in([], json.dumps(record).encode())


def test_a_record_among_others_is_judged_by_its_own_time() -> None:
    during = Pause(AT, AT + 60)
    quoting = {"timestamp": "2026-11-29T12:00:00Z", "result": {"timestamp": "2026-11-29T10:30:00Z"}}
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in (quoting, quoting))
    assert not written_in([during], lines)
    assert written_in([during], lines + b'{"timestamp": "2026-11-29T10:30:00Z"}\n')
    torn = b'"2026", "timestamp": "2026-11-29T10:30:00Z"}\n' + lines  # the end of a record that was read ahead as a whole
    assert not written_in([during], torn)
    assert written_in([during], torn, whole=True)


def test_a_long_record_is_judged_by_its_own_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "CHUNK_BYTES", 64)
    write_pause(Pause(AT, AT + 60))
    for own, paused in (("2026-11-29T10:30:00Z", True), ("2026-11-29T12:00:00Z", False)):
        record = {"timestamp": own, "text": "x" * 500, "result": {"timestamp": "2026-11-29T10:30:00Z"}}
        (tmp_path / "a").write_text(json.dumps(record) + "\n" + json.dumps({"timestamp": 5}) + "\n")
        with (tmp_path / "a").open("rb") as file:
            found, end = contents.contents_ahead(file.fileno(), 0, line=True, format="claude-code")
        assert (found.paused, end) == (paused, len(json.dumps(record)) + 1)


def test_a_record_of_a_pause_is_found_across_the_chunks_that_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "CHUNK_BYTES", 64)
    monkeypatch.setattr(contents, "OVERLAP_BYTES", 48)
    write_pause(Pause(AT, AT + 60))
    record = json.dumps({"timestamp": "2026-11-29T10:30:00.123Z"}).encode()
    for before in range(70):
        (tmp_path / "a").write_bytes(b"x" * before + record + b"x" * 70)
        descriptor = os.open(tmp_path / "a", os.O_RDONLY)
        try:
            assert contents.contents_ahead(descriptor, 0, line=False, format="auto")[0].paused, before
        finally:
            os.close(descriptor)


def test_a_transcript_that_is_kept_is_known_where_it_was_moved_too(tmp_path: Path) -> None:
    keep_file(str(tmp_path / "sessions" / f"rollout-1-{UUID}.jsonl"))
    keep_file(str(tmp_path / UUID / "events.jsonl"))
    assert is_kept(str(tmp_path / "archived" / f"rollout-1-{UUID}.jsonl"))
    keep_file(str(tmp_path / "a" / "events.jsonl"))
    assert is_kept(str(tmp_path / "a" / "events.jsonl"))
    assert not is_kept(str(tmp_path / "b" / "events.jsonl"))


@pytest.mark.parametrize(
    ("name", "text", "changed", "stays"),
    [
        ("during.md", "# words", 100.0, True),
        ("before.md", "# words", 99.0, False),
        ("after.md", "# words", 160.0, False),
        ("record.jsonl", '{"timestamp": "1970-01-01T00:01:41Z"}', 500.0, True),
        ("other.jsonl", '{"timestamp": "1970-01-01T00:01:01Z"}', 500.0, False),
        ("late.jsonl", "x" * 600_000 + '{"timestamp": "1970-01-01T00:01:41Z"}', 500.0, True),
        ("state.vscdb", "", 100.0, False),
    ],
)
def test_ingest_leaves_what_a_pause_was_at_work_on(tmp_path: Path, name: str, text: str, changed: float, stays: bool) -> None:
    write_pause(Pause(100, 160))
    (tmp_path / name).write_text(text)
    os.utime(tmp_path / name, (changed, changed))
    assert (Withholding("auto").reason(FoundFile(tmp_path / name, None, None, named=False)) is not None) is stays
