"""The file in the data folder that says how to reach the server: whatever stands in its place, it is written, and nonsense is nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.announcement import Announcement, announced
from app.cli.local_server import announce, announcer, listens, withdraw
from app.errors import ConfigurationError
from app.storage.folder import DataFolder, lock_folder

HERE = Announcement("http://127.0.0.1:8080", os.getpid())
NONSENSE = {
    "empty": b"",
    "noise": bytes(range(256)),
    "half": b'{"url": "http://127.0',
    "a list": b"[1, 2]",
    "a number": b"7",
    "nested without end": b"[" * 100_000,
    "no process": b'{"url": "http://127.0.0.1:80", "pid": -1}',
    "a process beyond all numbers": b'{"url": "http://127.0.0.1:80", "pid": 1e999}',
    "no address": b'{"url": "file:///etc/passwd", "pid": 4}',
    "of a newer version": b'{"servers": [{"url": "http://127.0.0.1:80"}]}',
}


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder.open(tmp_path / "data")


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_announces_nobody_and_is_written_over(folder: DataFolder, kind: str) -> None:
    folder.announcement.write_bytes(NONSENSE[kind])
    assert announced(folder.path) is None
    withdraw(folder, os.getpid())
    announce(folder, HERE)
    assert announced(folder.path) == HERE


def test_a_folder_in_its_place_is_set_aside(folder: DataFolder) -> None:
    (folder.announcement / "something").mkdir(parents=True)
    assert announced(folder.path) is None
    withdraw(folder, os.getpid())
    announce(folder, HERE)
    assert announced(folder.path) == HERE
    assert len(list(folder.path.glob("server.json.damaged-*"))) == 1


@pytest.mark.parametrize("url", ["http://[", "http://127.0.0.1:99999999", "http://127.0.0.1"])
def test_an_address_that_cannot_be_is_not_listened_at(url: str) -> None:
    assert not listens(Announcement(url, os.getpid()))
    assert not listens(Announcement(url, 2**40))


def test_an_announcement_whose_process_has_ended_and_whose_number_is_ours_now_is_nobodys(folder: DataFolder) -> None:
    announce(folder, HERE)
    assert announcer(folder, HERE) is None


def test_a_process_that_is_no_server_or_began_later_wrote_no_announcement(folder: DataFolder) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "serve"]) as later:
        try:
            theirs = Announcement("http://127.0.0.1:1", later.pid)
            announce(folder, theirs)
            assert announcer(folder, theirs) is not None
            os.utime(folder.announcement, (1_000_000_000, 1_000_000_000))
            assert announcer(folder, theirs) is None
            assert announcer(folder, Announcement("http://127.0.0.1:1", os.getppid())) is None
        finally:
            later.kill()


def test_a_lock_with_nonsense_in_it_still_locks_and_is_never_moved(tmp_path: Path) -> None:
    (tmp_path / "part.lock").write_bytes(bytes(range(256)))
    before = (tmp_path / "part.lock").stat().st_ino
    with lock_folder(tmp_path / "part") as lock:
        (tmp_path / "part.lock").write_bytes(b"\xff\x00nonsense")
        with pytest.raises(ConfigurationError, match="process unknown"):
            lock_folder(tmp_path / "part")
        assert lock.fileno() > 0
    assert (tmp_path / "part.lock").stat().st_ino == before


def test_a_folder_in_the_place_of_a_lock_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "part.lock").mkdir()
    with lock_folder(tmp_path / "part"), pytest.raises(ConfigurationError, match=f"process {os.getpid()}"):
        lock_folder(tmp_path / "part")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads what nobody may read")
def test_a_lock_of_ours_that_may_not_be_read_is_opened_and_not_moved(tmp_path: Path) -> None:
    (tmp_path / "part.lock").touch(mode=0)
    before = (tmp_path / "part.lock").stat().st_ino
    with lock_folder(tmp_path / "part"):
        assert (tmp_path / "part.lock").stat().st_ino == before
