"""`cairn watch`: what the server has read is what the file holds, whatever happens to the file, the watch and the server."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.cli.exits import ServerRefused
from app.cli.kept import is_kept, keep_session
from app.cli.machine import state_folder
from app.cli.pauses import Pause, write_pause
from app.cli.server_address import ServerAddress
from app.cli.watch import files as watched_files
from app.cli.watch import watcher as watching
from app.cli.watch.files import source_of
from app.cli.watch.lines_client import LinesClient
from app.cli.watch.lock import only_one
from app.cli.watch.places import WatchedPlace
from app.cli.watch.watcher import Watcher
from app.errors import Conflict
from tests.fakes.lines_server import LinesServer, lines_server

SECONDS = 180.0


@pytest.fixture
def server() -> Iterator[LinesServer]:
    with lines_server() as made:
        yield made


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folders, and a folder of transcripts."""
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    for folder in ("log", "work", "secret"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(watching, "RESCAN_SECONDS", 1.0)
    return tmp_path


def line(home: Path, number: int, *, folder: str = "work") -> bytes:
    return (
        json.dumps({"type": "user", "uuid": f"u{number}", "cwd": str(home / folder), "message": {"content": "é" * (number % 90)}}).encode()
        + b"\n"
    )


@contextmanager
def followed(server: LinesServer, home: Path, *, format: str = "claude-code", history: bool = True) -> Iterator[Watcher]:
    client = LinesClient(ServerAddress(server.url, "key"))
    watcher = Watcher([WatchedPlace("", home / "log", format)], client, told=lambda _: None, history=history)
    thread = threading.Thread(target=watcher.run, daemon=True)
    thread.start()
    try:
        yield watcher
    finally:
        watcher.stop()
        thread.join(timeout=SECONDS)
        client.close()
        assert not thread.is_alive()


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def read(server: LinesServer, path: Path) -> bytes | None:
    return server.texts.get(source_of(str(path)))


def test_history_and_what_is_appended_are_sent_in_whole_lines(server: LinesServer, home: Path) -> None:
    path, text = home / "log" / "a.jsonl", line(home, 1)
    path.write_bytes(text + b'{"half')
    with followed(server, home):
        wait_for(lambda: read(server, path) == text)
        with path.open("ab") as file:
            file.write(b'": 1}\n')
        wait_for(lambda: read(server, path) == path.read_bytes())
    assert {each["format"] for each in server.asked} == {"claude-code"}


def test_a_file_appended_byte_by_byte_cut_and_rotated_ends_as_it_is(server: LinesServer, home: Path) -> None:
    path, chance = home / "log" / "a.jsonl", random.Random(7)
    with followed(server, home):
        for round_ in range(3):
            text = b"".join(line(home, number + 100 * round_) for number in range(4))
            with path.open("wb" if round_ == 1 else "ab", buffering=0) as file:  # the second round cuts it
                for byte in text:
                    file.write(bytes([byte]))
                    if chance.random() < 0.02:
                        os.sched_yield()
            wait_for(lambda: read(server, path) == path.read_bytes())
        path.rename(path.with_suffix(".old.jsonl"))
        path.write_bytes(line(home, 999))
        wait_for(lambda: read(server, path) == line(home, 999))
        wait_for(lambda: read(server, path.with_suffix(".old.jsonl")) == path.with_suffix(".old.jsonl").read_bytes())


def test_a_file_written_anew_while_nobody_watched_is_sent_anew(server: LinesServer, home: Path) -> None:
    path = home / "log" / "a.jsonl"
    for number in (1, 2):
        path.write_bytes(line(home, 30 + number) * 20)
        with followed(server, home):
            wait_for(lambda: read(server, path) == path.read_bytes())
    with followed(server, home):
        wait_for(lambda: len(server.asked) >= 2)
    before = server.received
    with followed(server, home), (home / "log" / "b.jsonl").open("wb") as file:
        file.write(line(home, 3))
        file.flush()
        wait_for(lambda: read(server, home / "log" / "b.jsonl") == line(home, 3))
    assert server.received == before + len(line(home, 3))  # nothing is sent twice


def test_a_server_that_starts_again_or_is_away_is_sent_the_file_again(server: LinesServer, home: Path) -> None:
    path = home / "log" / "a.jsonl"
    path.write_bytes(line(home, 1))
    with followed(server, home):
        wait_for(lambda: read(server, path) == path.read_bytes())
        server.restart()
        server.away = 2
        with path.open("ab") as file:
            file.write(line(home, 2))
        wait_for(lambda: read(server, path) == path.read_bytes())


def test_a_file_at_rest_is_ended_and_grows_again(server: LinesServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_files, "REST_SECONDS", 0.5)
    path = home / "log" / "a.jsonl"
    path.write_bytes(line(home, 1) + b'{"no": "newline"}')
    with followed(server, home):
        wait_for(lambda: server.rows.get(source_of(str(path)), {}).get("ended", False) and read(server, path) == path.read_bytes())
        with path.open("ab") as file:
            file.write(b"\n" + line(home, 2))
        wait_for(lambda: read(server, path) == path.read_bytes())


def test_a_format_that_is_read_whole_is_sent_whole_each_time(server: LinesServer, home: Path) -> None:
    folder = home / "work" / ".specstory" / "history"
    folder.mkdir(parents=True)
    (home / "log").rmdir()
    (home / "log").symlink_to(folder)
    path = home / "log" / "a.md"
    client = LinesClient(ServerAddress(server.url, "key"))
    watcher = Watcher([WatchedPlace("", folder, "specstory")], client, told=lambda _: None)
    thread = threading.Thread(target=watcher.run, daemon=True)
    thread.start()
    for text in (b"# One\n", b"# One\n\nmore\n" * 40_000):
        path.write_bytes(text)
        wait_for(lambda text=text: read(server, folder / "a.md") == text and server.rows[source_of(str(folder / "a.md"))]["ended"])  # type: ignore[misc]
    watcher.stop()
    thread.join()
    client.close()


def test_private_folders_stay_here_also_where_a_session_goes_into_one(server: LinesServer, home: Path) -> None:
    (home / "secret" / ".cairn.toml").write_text("private = true\n")
    mixed, private, open_, unknown = (home / "log" / f"{name}.jsonl" for name in ("mixed", "private", "open", "unknown"))
    mixed.write_bytes(line(home, 1))
    private.write_bytes(line(home, 2, folder="secret"))
    unknown.write_bytes(b'{"type": "user", "message": {"content": "where am I?"}}\n')
    with followed(server, home) as watcher:
        wait_for(lambda: read(server, mixed) is not None)
        with mixed.open("ab") as file:
            file.write(line(home, 3, folder="secret"))
        open_.write_bytes(line(home, 4))
        wait_for(lambda: read(server, open_) is not None)
        wait_for(lambda: all(watcher.files[str(path)].stopped for path in (mixed, private, unknown)))
    assert (read(server, mixed), read(server, private), read(server, unknown)) == (line(home, 1), None, None)


def test_a_session_of_a_folder_that_is_no_longer_there_stays_here(server: LinesServer, home: Path) -> None:
    private, named = home / "secret", home / "log" / "a.jsonl"
    (private / ".cairn.toml").write_text("private = true\n")
    named.write_bytes(line(home, 1, folder="secret"))
    private.rename(home / "moved")
    (home / "log" / "b.jsonl").write_bytes(line(home, 2))
    with followed(server, home) as watcher:
        wait_for(lambda: read(server, home / "log" / "b.jsonl") is not None)
        wait_for(lambda: watcher.files[str(named)].stopped is not None)
    assert read(server, named) is None


@pytest.mark.parametrize("size", [100, watched_files.PIECE_BYTES - 60, watched_files.PIECE_BYTES * 3 + 1])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_no_part_of_a_record_leaves_before_its_folder_is_seen(server: LinesServer, home: Path, name: str, size: int) -> None:
    (home / "secret" / ".cairn.toml").write_text("private = true\n")
    path, open_ = home / "log" / name, home / "log" / "open.jsonl"
    record = {"type": "user", "message": {"content": "x" * size}, "cwd": str(home / "secret")}
    first = line(home, 1) if name == "a.jsonl" else b""
    path.write_bytes(first + json.dumps(record).encode() + b"\n" + (b"" if name == "a.jsonl" else b"[]" * size))
    long = json.dumps({"type": "user", "message": {"content": "y" * size}, "cwd": str(home / "work")}).encode()
    open_.write_bytes(long)
    with followed(server, home, format="auto") as watcher:
        wait_for(lambda: watcher.files[str(path)].stopped is not None if str(path) in watcher.files else False)
        assert read(server, open_) is None  # its line has no end
        with open_.open("ab") as file:
            file.write(b"\n" + line(home, 3))
        wait_for(lambda: read(server, open_) == open_.read_bytes())
        with path.open("ab") as file:
            file.write(line(home, 2))
        wait_for(lambda: watcher.files[str(path)].size == path.stat().st_size and watcher.files[str(path)].stopped is not None)
    assert (read(server, path) or b"") in {first, b""}


def test_the_beginning_of_a_record_that_never_ends_stays_here(server: LinesServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_files, "REST_SECONDS", 0.5)
    path = home / "log" / "a.jsonl"
    path.write_bytes(line(home, 1) + b'{"message": "half", "cw')
    with followed(server, home):
        wait_for(lambda: server.rows.get(source_of(str(path)), {}).get("ended", False))
    assert read(server, path) == line(home, 1)


def test_a_file_at_which_the_server_fails_stops_no_other_and_is_tried_again(
    server: LinesServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_files, "ASIDE_SECONDS", 1.0)
    bad, good = home / "log" / "bad.jsonl", home / "log" / "good.jsonl"
    good.write_bytes(line(home, 1))
    bad.write_bytes(line(home, 2))
    os.utime(good, (1, 1))  # the newest goes first
    server.broken.add(source_of(str(bad)))
    with followed(server, home) as watcher:
        wait_for(lambda: read(server, good) == good.read_bytes())
        wait_for(lambda: watcher.files[str(bad)].failures == 2)
        server.broken.clear()
        wait_for(lambda: read(server, bad) == bad.read_bytes())
        wait_for(lambda: watcher.files[str(bad)].failures == 0)


def test_a_file_that_no_server_reads_on_is_not_sent_for_ever(server: LinesServer, home: Path) -> None:
    path, other = home / "log" / "a.jsonl", home / "log" / "b.jsonl"
    path.write_bytes(b"".join(line(home, 89) for _ in range(2000)))
    assert path.stat().st_size > watched_files.PIECE_BYTES
    server.forgetful = True
    with followed(server, home) as watcher:
        wait_for(lambda: watcher.files[str(path)].failures == 1 if str(path) in watcher.files else False)
        asked = len(server.asked)
        with path.open("ab") as file:
            file.write(line(home, 1))
        other.write_bytes(line(home, 2))
        wait_for(lambda: read(server, other) == other.read_bytes())
        assert len(server.asked) == asked + 1
    assert asked <= 2 * (watching.MAX_RESTARTS + 1)


def test_a_session_that_a_hook_kept_stays_here(server: LinesServer, home: Path) -> None:
    kept, other = home / "log" / "a.jsonl", home / "log" / "b.jsonl"
    keep_session(json.dumps({"transcript_path": str(kept)}).encode())
    kept.write_bytes(line(home, 1))
    other.write_bytes(line(home, 2))
    with followed(server, home) as watcher:
        wait_for(lambda: read(server, other) == other.read_bytes())
        wait_for(lambda: watcher.files[str(kept)].stopped is not None)
    assert read(server, kept) is None


def stamped(home: Path, at: float) -> bytes:
    return json.dumps({"cwd": str(home / "work"), "timestamp": datetime.fromtimestamp(at, UTC).isoformat()}).encode() + b"\n"


@pytest.mark.parametrize("name", ["a.jsonl", "a.md"])
def test_what_is_written_while_paused_is_not_sent_when_the_pause_is_over(server: LinesServer, home: Path, name: str) -> None:
    at_work, resting = home / "log" / name, home / "log" / "b.jsonl"
    for path in (at_work, resting):
        path.write_bytes(line(home, 1))
    with followed(server, home, format="claude-code") as watcher:
        wait_for(lambda: read(server, at_work) is not None and read(server, resting) is not None)
        write_pause(Pause(time.time(), None))
        with at_work.open("ab") as file:
            file.write(line(home, 2))
        wait_for(lambda: is_kept(str(at_work)))
        write_pause(None)
        for path in (at_work, resting):
            with path.open("ab") as file:
                file.write(line(home, 3))
        wait_for(lambda: read(server, resting) == resting.read_bytes())
        wait_for(lambda: watcher.files[str(at_work)].size == at_work.stat().st_size and watcher.files[str(at_work)].stopped is not None)
    assert read(server, at_work) == line(home, 1)


def test_a_session_of_a_pause_in_which_nobody_watched_stays_here_from_its_first_record_on(server: LinesServer, home: Path) -> None:
    now = time.time()
    before, during, changed, other = (home / "log" / f"{name}.jsonl" for name in ("before", "during", "changed", "other"))
    write_pause(Pause(now - 100, now - 50))
    before.write_bytes(stamped(home, now - 200) * 3000 + stamped(home, now - 70) + stamped(home, now - 10))
    during.write_bytes(stamped(home, now - 60) + stamped(home, now - 10))
    changed.write_bytes(line(home, 1))
    other.write_bytes(stamped(home, now - 200) + stamped(home, now - 10))
    os.utime(changed, (now - 60, now - 60))
    with followed(server, home) as watcher:
        wait_for(lambda: read(server, other) == other.read_bytes())
        wait_for(lambda: all(watcher.files[str(path)].stopped for path in (before, during, changed)))
    assert read(server, during) is None
    assert read(server, changed) is None
    assert before.read_bytes().startswith(read(server, before) or b"")
    assert stamped(home, now - 70) not in (read(server, before) or b"")


def test_a_pause_that_begins_within_a_file_holds_from_the_next_piece_on(
    server: LinesServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, send, sent = home / "log" / "a.jsonl", LinesClient.send, []
    made = home / "work" / "a.jsonl"
    made.write_bytes(line(home, 89) * 5000)
    os.utime(made, (time.time() - 600, time.time() - 600))

    def sending(*given: Any, **named: Any) -> Any:
        sent.append(time.time())
        write_pause(Pause(time.time(), None))
        return send(*given, **named)

    monkeypatch.setattr(LinesClient, "send", sending)
    with followed(server, home) as watcher:
        made.rename(path)
        for pieces in (1, 2):
            wait_for(lambda: len(sent) == pieces)  # noqa: B023 - it is called at once
            wait_for(lambda: str(path) in watcher._due)
            assert len(sent) == pieces
            write_pause(None)
        wait_for(lambda: len(sent) == 3)


def test_a_pause_that_cannot_be_read_keeps_nothing_for_good(server: LinesServer, home: Path) -> None:
    path = home / "log" / "a.jsonl"
    damaged = state_folder() / "paused"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("soon")
    with followed(server, home) as watcher:

        def noticed() -> bool:
            path.write_bytes(line(home, 1))  # again: what is written before the folder is watched is found only once the pause is over
            return str(path) in watcher._due

        wait_for(noticed)
        assert read(server, path) is None
        damaged.unlink()
        wait_for(lambda: read(server, path) == path.read_bytes())
    assert not is_kept(str(path))


def test_the_beginning_of_a_long_record_of_a_pause_stays_here(server: LinesServer, home: Path) -> None:
    now = time.time()
    write_pause(Pause(now - 100, now - 50))
    path, other = home / "log" / "a.jsonl", home / "log" / "b.jsonl"
    record = {
        "cwd": str(home / "work"),
        "text": "x" * watched_files.PIECE_BYTES,
        "timestamp": datetime.fromtimestamp(now - 60, UTC).isoformat(),
    }
    path.write_bytes(json.dumps(record).encode() + b"\n")
    other.write_bytes(line(home, 1))
    with followed(server, home) as watcher:
        wait_for(lambda: read(server, other) is not None)
        wait_for(lambda: watcher.files[str(path)].stopped is not None)
    assert read(server, path) is None


def test_links_out_of_the_folder_are_not_followed(server: LinesServer, home: Path) -> None:
    (home / "secret" / "x.jsonl").write_bytes(line(home, 1))
    (home / "log" / "link.jsonl").symlink_to(home / "secret" / "x.jsonl")
    (home / "log" / "folder").symlink_to(home / "secret")
    (home / "log" / "a.jsonl").write_bytes(line(home, 2))
    with followed(server, home):
        wait_for(lambda: read(server, home / "log" / "a.jsonl") is not None)
        (home / "secret" / "x.jsonl").write_bytes(line(home, 3))
        (home / "log" / "b.jsonl").write_bytes(line(home, 4))
        wait_for(lambda: read(server, home / "log" / "b.jsonl") is not None)
    assert len(server.texts) == 2


def test_without_history_only_what_grows_is_sent(server: LinesServer, home: Path) -> None:
    old, new = home / "log" / "old.jsonl", home / "log" / "new.jsonl"
    old.write_bytes(line(home, 1))
    with followed(server, home, history=False) as watcher:
        wait_for(lambda: str(old) in watcher.files)
        new.write_bytes(line(home, 2))
        wait_for(lambda: read(server, new) is not None)
        assert read(server, old) is None
        with old.open("ab") as file:
            file.write(line(home, 3))
        wait_for(lambda: read(server, old) == old.read_bytes())


def test_without_history_a_later_look_at_all_files_sends_none_of_it(server: LinesServer, home: Path) -> None:
    paths = [home / "log" / f"{number}.jsonl" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(line(home, number))
    with closing(LinesClient(ServerAddress(server.url, "key"))) as client:
        watcher = Watcher([WatchedPlace("", home / "log", "claude-code")], client, told=lambda _: None, history=False)
        watcher._scan(first=True)
        watcher.files.clear()  # as where a folder couldn't be read for a while
        os.utime(paths[1])
        for _ in range(2):
            watcher._scan()
            assert watcher._backlog == []
        with paths[2].open("ab") as file:
            file.write(line(home, 9))
        watcher._scan()
        assert watcher._backlog == [str(paths[2])]


def test_a_refused_key_ends_the_watch(server: LinesServer, home: Path) -> None:
    server.status = 401
    with closing(LinesClient(ServerAddress(server.url, "bad"))) as client, pytest.raises(ServerRefused, match="No"):
        Watcher([WatchedPlace("", home / "log")], client, told=lambda _: None).run()


def test_a_file_that_is_too_large_to_be_followed_is_told(server: LinesServer, home: Path) -> None:
    (home / "log" / "a.jsonl").write_bytes(line(home, 1))
    told: list[str] = []
    with closing(LinesClient(ServerAddress(server.url, "key"))) as client:
        watcher = Watcher([WatchedPlace("", home / "log", "claude-code")], client, told=told.append)
        server.status = 413
        assert watcher._follow(str(home / "log" / "a.jsonl")) == 0
        assert watcher._follow(str(home / "log" / "a.jsonl")) == 0
    assert told == [f"{home / 'log' / 'a.jsonl'} is not followed: No."]


def test_one_watch_runs_at_a_time(tmp_path: Path) -> None:
    with only_one(tmp_path / "state"), pytest.raises(Conflict, match="Another"), only_one(tmp_path / "state"):
        pass
    with only_one(tmp_path / "state"):
        pass


@pytest.mark.long
def test_a_watch_that_is_killed_at_random_leaves_what_an_undisturbed_one_leaves(server: LinesServer, home: Path) -> None:
    path, chance = home / "log" / "a.jsonl", random.Random(3)
    env = os.environ | {"CAIRN_URL": server.url, "CAIRN_KEY": "key"}
    command = [sys.executable, "-m", "app.cli", "watch", str(home / "log"), "--yes"]
    for number in range(4):
        running = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        for step in range(chance.randint(1, 30)):
            with path.open("ab") as file:
                file.write(line(home, 50 * number + step))
        before = server.received
        wait_for(lambda before=before: server.received > before)  # type: ignore[misc]
        running.send_signal(signal.SIGKILL)
        running.wait()
        if chance.random() < 0.5:
            server.restart()
    running = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    with path.open("ab") as file:
        file.write(line(home, 1000))
    wait_for(lambda: read(server, path) == path.read_bytes())
    running.terminate()
    assert running.wait(timeout=SECONDS) == 0
