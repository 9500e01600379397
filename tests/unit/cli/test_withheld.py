"""What `cairn ingest` finds and leaves on the machine: private folders and projects, and sessions of a pause, compressed ones too."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from app.cli import ingest
from app.cli.agent_databases import sessions_of
from app.cli.discover import FoundFile, in_paths
from app.cli.kept import keep_session
from app.cli.machine import client_file, state_folder
from app.cli.pauses import Pause, write_pause
from app.cli.withheld import KEPT, PAUSED, PRIVATE, UNREAD, Withholding

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    for folder in ("shop", "secret/below", "off", "listed"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "secret" / ".cairn.toml").write_text("private = true\n")
    (tmp_path / "off" / ".cairn.toml").write_text("[capture]\nenabled = false\n")
    client_file().parent.mkdir(parents=True)
    client_file().write_text(f"[private]\nfolders = [{json.dumps(str(tmp_path / 'listed'))}]\n")
    return tmp_path


def reason(path: Path) -> str | None:
    return Withholding("auto").reason(FoundFile(path, None, None, named=False))


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize(
    ("folders", "wanted"),
    [
        (["shop"], None),
        (["secret"], PRIVATE),
        (["secret/below"], PRIVATE),
        (["secret/gone"], PRIVATE),
        (["off"], PRIVATE),
        (["off/gone"], PRIVATE),
        (["listed/gone"], PRIVATE),
        (["shop", "secret"], PRIVATE),
        (["gone", "secret"], PRIVATE),
        (["gone"], None),
        ([], None),
    ],
)
def test_a_session_of_a_private_folder_stays(home: Path, suffix: str, folders: list[str], wanted: str | None) -> None:
    records = [{"text": "x" * 300_000}, *({"cwd": str(home / folder)} for folder in folders)]
    text = "\n".join(json.dumps(each) for each in records)
    path = home / f"a.jsonl{suffix}"
    path.write_bytes(COMPRESSIONS[suffix](text.encode()))
    assert reason(path) == wanted


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_a_session_of_a_pause_stays_compressed_too(home: Path, suffix: str) -> None:
    write_pause(Pause(100, 160))
    for name, at, wanted in (("in", "1970-01-01T00:01:41Z", KEPT), ("out", "1970-01-01T00:01:01Z", None)):
        path = home / f"{name}.jsonl{suffix}"
        path.write_bytes(COMPRESSIONS[suffix](json.dumps({"timestamp": at, "text": os.urandom(50).hex()}).encode()))
        assert reason(path) == wanted


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_a_session_that_a_hook_kept_stays_compressed_too(home: Path, suffix: str) -> None:
    keep_session(b'{"session_id": "s-1"}')
    keep_session(json.dumps({"transcript_path": str(home / "b.jsonl")}).encode())
    for name, session in (("a", "s-1"), ("b", "s-2"), ("s-1", "s-3")):
        path = home / f"{name}.jsonl{suffix}"
        path.write_bytes(COMPRESSIONS[suffix](json.dumps({"sessionId": session}).encode()))
        assert reason(path) == KEPT


@pytest.mark.parametrize("packed", [zstandard.compress(b"x" * 999)[:6] + b"\xff" * 50, gzip.compress(os.urandom(5000))[:900]])
def test_what_cannot_be_unpacked_stays(home: Path, packed: bytes) -> None:
    path = home / "a.jsonl"
    path.write_bytes(packed)
    assert reason(path) == UNREAD


def test_a_client_alone_leaves_what_it_cannot_unpack(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "a.jsonl.zst"
    path.write_bytes(zstandard.compress(b"{}"))
    assert reason(path) is None
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert reason(path) == UNREAD


def test_what_cannot_be_looked_through_for_a_moment_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}"))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert reason(path) == UNREAD
    assert reason(home / "not there.jsonl") is None


def test_nothing_is_sent_while_a_pause_cannot_be_read(home: Path) -> None:
    (home / "a.jsonl").write_text("{}")
    state_folder().mkdir(parents=True)
    (state_folder() / "paused").write_text("soon")
    assert reason(home / "a.jsonl") == PAUSED


def test_a_place_tells_the_folder_of_what_names_none(home: Path) -> None:
    for name, text in (
        ("tmp/ab/.project_root", str(home / "secret")),
        ("tmp/ab/chats/session-1.json", json.dumps({"args": {"cwd": str(home / "shop")}})),
        ("secret/.specstory/history/1.md", "# words"),
        ("secret/.specstory/history/old/1.md", "# words"),
        ("storage/session/p/1.json", json.dumps({"id": "1", "directory": str(home / "secret")})),
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    (home / "storage" / "message").mkdir()
    found = list(in_paths([home / "tmp", home / "secret", home / "storage"], None))
    assert len(found) == 4
    assert {Withholding("auto").reason(each) for each in found} == {PRIVATE}


def test_a_file_that_was_named_is_sent_and_others_are_counted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b", "c"):
        (home / f"{name}.jsonl").write_text(json.dumps({"cwd": str(home / "secret")}))
    (home / "d.jsonl").write_text(json.dumps({"cwd": str(home / "shop")}))
    files = [FoundFile(home / f"{name}.jsonl", None, None, named=name == "a") for name in "abcd"]
    sent, withheld = ingest._sorted_out(files, "auto")
    assert [each.path.name for each in sent] == ["a.jsonl", "d.jsonl"]
    assert withheld == {PRIVATE: 2}
    assert capsys.readouterr().err.startswith(f"cairn: 2 transcripts stay on this machine: 2 {PRIVATE}.")


def test_of_a_database_the_sessions_of_private_folders_are_left_out(home: Path) -> None:
    with closing(sqlite3.connect(home / "opencode.db")) as made, made:
        made.execute("CREATE TABLE session (id TEXT PRIMARY KEY, parent_id, directory, title, version, time_created)")
        made.execute("CREATE TABLE message (id TEXT PRIMARY KEY, session_id, time_created, data)")
        made.execute("CREATE TABLE part (id TEXT PRIMARY KEY, message_id, data)")
        for name in ("shop", "secret", "gone"):
            made.execute("INSERT INTO session VALUES (?, NULL, ?, ?, '1', 1)", (name, str(home / name), f"title-{name}"))
            made.execute("INSERT INTO message VALUES (?, ?, 1, ?)", (f"m-{name}", name, f"said-{name}" * 3000))
            made.execute("INSERT INTO part VALUES (?, ?, ?)", (f"p-{name}", f"m-{name}", f"part-{name}"))
    with sessions_of(home / "opencode.db") as file:
        (home / "sent.db").write_bytes(file.read())
    with closing(sqlite3.connect(home / "sent.db")) as sent:
        for table in ("session", "message", "part"):
            assert sent.execute(f"SELECT count(*) FROM {table}").fetchone() == (2,)
    assert b"secret" not in (home / "sent.db").read_bytes()
