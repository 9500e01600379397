"""A server that commands use, or that is ending: nobody ends the first, nobody is handed the second. The server is a stand-in."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app import __version__, settings
from app.cli import announcement, db, local_server
from app.cli.announcement import Announcement, in_use, start_state, try_lock
from app.cli.exits import Unreachable
from app.cli.local_server import announce, fitting_server, only_starter
from app.cli.takeover import take_over
from app.cli.watch.command import watch
from app.storage.folder import DataFolder
from tests.integration.cli.test_cli import cairn
from tests.waiting import patience

SERVER = """
import fcntl, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass

_, what, lock = sys.argv
if lock:
    held = open(lock, "a")
    fcntl.flock(held, fcntl.LOCK_EX)
server = HTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """A command may block its own loop: it serves nobody."""


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder.open(tmp_path / "data")


@contextmanager
def warm_server(folder: DataFolder, *, version: str = __version__, ending: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run what a command would find: an announced server that answers. `ending`: it was idle, and has locked its use."""
    lock = str(folder.path / "in-use.lock") if ending else ""
    with subprocess.Popen([sys.executable, "-c", SERVER, "serve", lock], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"
            announce(folder, Announcement(url, process.pid, version=version, warm_minutes=10, state=start_state(more=[], files=[])))
            yield process
        finally:
            process.kill()


async def fitting(folder: DataFolder) -> Announcement | None:
    with ExitStack() as held:
        held.enter_context(await only_starter(folder))
        return await fitting_server(folder, held)


@pytest.mark.parametrize("version", [__version__, "0.0.1"])
async def test_a_server_that_is_ending_is_waited_for_though_it_answers(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    with warm_server(folder, version=version, ending=True) as server:
        monkeypatch.setattr(local_server, "STOP_SECONDS", 0.1)
        with pytest.raises(Unreachable, match="is ending"):
            await fitting(folder)
        assert server.poll() is None
        server.terminate()
        server.wait()
        assert await fitting(folder) is None


async def test_a_server_that_fits_is_kept_from_ending_while_it_is_used(folder: DataFolder) -> None:
    with warm_server(folder) as server, ExitStack() as held:
        found = await fitting_server(folder, held)
        assert found is not None
        assert found.pid == server.pid
        assert try_lock(folder.path) is None


def test_showing_the_schema_ends_no_server_that_a_command_uses(folder: DataFolder) -> None:
    with warm_server(folder, version="0.0.1") as server, in_use(folder.path):
        done = cairn(folder.path, "db", "current")
        assert done.returncode != 0
        assert f"is in use, and it is Cairn 0.0.1, this is {__version__}." in done.stderr
        assert "cairn stop" in done.stderr
        assert server.poll() is None


async def test_no_server_is_started_while_the_schema_is_shown(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_DATA_DIR", str(folder.path))
    with warm_server(folder):
        async with db._url(settings.load()) as url:
            assert url is None  # the server has upgraded it
            with (folder.path / local_server.LOCK_NAME).open("a") as lock:
                assert not local_server._locked(lock)


async def test_a_server_started_by_hand_says_that_it_waits_for_commands(folder: DataFolder) -> None:
    told: list[str] = []
    with warm_server(folder) as server:
        with in_use(folder.path):
            taking = asyncio.create_task(take_over(folder, told.append))
            async with patience():
                while not told:
                    await asyncio.sleep(0.01)
            assert "waiting up to 60 s for the commands that use it: " in told[0]
            assert "`cairn stop` ends it now" in told[0]
            assert (server.poll(), taking.done()) == (None, False)
        async with patience():
            (await taking).close()
        assert server.wait() != 0
    assert [each.partition(" (")[0] for each in told[1:]] == ["cairn: stopping the background server"]


USER = """
import fcntl, sys, time
held = open(sys.argv[2], "r+")
fcntl.flock(held, fcntl.LOCK_SH)
print("held", flush=True)
time.sleep(600)
"""


async def test_the_wait_for_commands_ends_and_names_them_without_what_they_were_asked(folder: DataFolder) -> None:
    told: list[str] = []
    with warm_server(folder) as server, in_use(folder.path):
        lock = folder.path / announcement.USE_LOCK
        words = [sys.executable, "-c", USER, "cairn", str(lock), "a secret question"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as user:
            try:
                assert user.stdout is not None
                assert user.stdout.readline() == "held\n"
                with pytest.raises(Unreachable, match=r"still used after 0.2 s, by .*process") as raised:
                    await take_over(folder, told.append, seconds=0.2)
            finally:
                user.kill()
        assert server.poll() is None, "it goes on for the commands that use it"
        with (folder.path / local_server.LOCK_NAME).open("a") as starting:
            assert local_server._locked(starting), "another command may start a server"
    assert f"(process {user.pid})" in raised.value.message
    assert f"(process {user.pid})" in told[0]
    assert "cairn stop" in raised.value.message
    assert "secret" not in raised.value.message + told[0]


async def test_a_server_that_is_stopped_meanwhile_is_waited_for_no_longer(folder: DataFolder) -> None:
    told: list[str] = []
    with warm_server(folder) as server, in_use(folder.path):
        taking = asyncio.create_task(take_over(folder, told.append))
        async with patience():
            while not told:
                await asyncio.sleep(0.01)
        server.terminate()
        server.wait()
        async with patience():
            (await taking).close()
    assert len(told) == 1


def test_a_server_that_a_command_started_is_not_watched_for(folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_DATA_DIR", str(folder.path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("app.cli.watch.watcher.Watcher.run", lambda _: None)  # it would follow for ever
    with warm_server(folder), pytest.raises(Unreachable, match="start one with `cairn serve`"):
        watch([tmp_path], yes=True, history=False)
