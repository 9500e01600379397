"""The server that a command starts and leaves running: one for all commands, ended when nobody needs it, never in anybody's way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.cli.announcement import in_use
from tests.fakes.models import models_folder
from tests.integration.cli.test_cli import cairn
from tests.running import ROOT, start
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.long
WARM = {"CAIRN_CLI__WARM_MINUTES": "10"}


@pytest.fixture
def folder(short_folder: Path) -> Iterator[Path]:
    made = short_folder / f"warm-{time.monotonic_ns()}"
    made.mkdir()
    models_folder().mkdir(exist_ok=True)
    (made / "models").symlink_to(models_folder())
    yield made
    if made.exists():
        cairn(made, "stop")
        assert not servers(made)


def servers(folder: Path) -> list[psutil.Process]:
    """List the servers that run on a data folder."""
    found = []
    for each in psutil.process_iter():
        try:
            if "serve" in each.cmdline() and each.environ().get("CAIRN_DATA_DIR") == str(folder) and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        except psutil.Error:
            continue
    return found


def announced(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "server.json").read_text())
    assert isinstance(found, dict)
    return found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.05)


def ask(folder: Path, **env: str) -> str:
    """Ask something; return what was said beside the answer."""
    done = cairn(folder, "query", "anything", env={**WARM, **env})
    assert done.returncode == 0, done.stderr
    *told, nothing = done.stderr.splitlines()
    assert "There are no sessions yet" in nothing
    return "\n".join(told)


def test_a_command_starts_a_server_and_the_next_ones_use_it_until_it_is_stopped(folder: Path) -> None:
    assert "Starting Cairn" in ask(folder)
    first = announced(folder)
    assert ask(folder) == ""
    assert announced(folder)["pid"] == first["pid"]
    assert (folder / "server.json").stat().st_mode & 0o777 == 0o600
    checks = {each["name"]: each["detail"] for each in json.loads(cairn(folder, "doctor", "--json", env=WARM).stdout)["checks"]}
    assert "it ends after 10 idle minutes, or with `cairn stop`" in checks["server"]
    connected = cairn(folder, "connect", "claude-code", "--dry-run", "--json", env={**WARM, "HOME": str(folder)})
    assert first["url"] not in connected.stdout  # its address is another the next time
    said = cairn(folder, "stop", "--json")
    assert json.loads(said.stdout) == {"stopped": first["pid"]}
    assert servers(folder) == []
    assert cairn(folder, "stop").stdout == "No server runs on this data folder.\n"


def test_two_commands_at_once_start_one_server(folder: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: ask(folder), range(2)))
    assert len(servers(folder)) == 1


def test_after_kill_9_the_next_command_starts_another(folder: Path) -> None:
    ask(folder)
    killed = announced(folder)["pid"]
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: killed not in {each.pid for each in servers(folder)}, "the end of the server")
    assert "Starting Cairn" in ask(folder)
    assert announced(folder)["pid"] != killed


def test_an_idle_server_ends_by_itself(folder: Path) -> None:
    ask(folder, CAIRN_CLI__WARM_MINUTES="0.02")
    wait_for(lambda: not servers(folder), "the end of an idle server")
    assert not (folder / "server.json").exists()


def test_a_server_whose_data_folder_is_deleted_ends(folder: Path) -> None:
    ask(folder)
    (started,) = servers(folder)
    shutil.rmtree(folder)
    wait_for(lambda: not started.is_running() or started.status() == psutil.STATUS_ZOMBIE, "the end of a server without a folder")


def test_another_version_or_other_settings_restart_it_unless_it_is_in_use(folder: Path) -> None:
    ask(folder)
    found = announced(folder)
    (folder / "server.json").write_text(json.dumps({**found, "version": "0.0.1"}))
    assert "it is Cairn 0.0.1, this is" in ask(folder)
    second = announced(folder)["pid"]
    assert second != found["pid"]
    with in_use(folder):
        assert "in use, and keeps running although CAIRN_LOG__LEVEL has a different value now. To stop it: cairn stop" in ask(
            folder, CAIRN_LOG__LEVEL="debug"
        )
    assert announced(folder)["pid"] == second
    assert "Restarting the background server: CAIRN_LOG__LEVEL" in ask(folder, CAIRN_LOG__LEVEL="debug")
    assert announced(folder)["pid"] != second


def test_a_server_started_by_hand_takes_over_and_no_command_ends_it(folder: Path) -> None:
    ask(folder)
    warm = announced(folder)["pid"]
    started = start(folder)
    try:
        assert warm not in {each.pid for each in servers(folder)}
        assert ask(folder, CAIRN_LOG__LEVEL="debug") == ""
        refused = cairn(folder, "stop")
        assert (refused.returncode, f"kill {started.process.pid}" in refused.stderr) == (1, True)
        assert started.process.poll() is None
    finally:
        started.stop()


@contextmanager
def heeding_ctrl_c() -> Iterator[None]:
    """Let children heed Ctrl-C, as a terminal's processes do: what a shell starts in the background ignores it, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_it_starts_leaves_no_server(folder: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")} | WARM | {"CAIRN_DATA_DIR": str(folder)}
    words = [sys.executable, "-m", "app.cli", "query", "x"]
    with heeding_ctrl_c(), subprocess.Popen(words, env=env, cwd=ROOT, stderr=subprocess.PIPE) as command:
        wait_for(lambda: bool(servers(folder)), "the start of a server")
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=PATIENCE_SECONDS) == 130
    assert servers(folder) == []


def test_a_hook_and_an_mcp_bridge_start_no_server(folder: Path) -> None:
    for words in (("hook", "session-start"), ("mcp",)):
        assert cairn(folder, *words, env=WARM).returncode == 0
    assert servers(folder) == []
