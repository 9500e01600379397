"""`cairn hook` as an IDE runs it: a process with JSON on its standard input, a server that records, and one that is away."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli.ide.stamps import HookStamp
from app.cli.machine import HookWaits
from app.settings import HooksSettings
from tests.fakes.hook_server import HookServer, hook_server

KEY = "a-developers-key"
PROMPT = {"hook_event_name": "UserPromptSubmit", "session_id": "s-1", "prompt": "why NATS?"}
KNOWN = {"hookSpecificOutput": {"hookEventName": "UserPromptSubmit", "additionalContext": "NATS: no JVM."}}
SITE = Path(__file__).resolve().parents[4]


class Machine:
    """A developer's machine: a home, a repository to work in, the environment of the IDE."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "shop"
        (self.work / ".git").mkdir(parents=True)
        (self.work / ".git" / "HEAD").write_text("ref: refs/heads/übung\n")
        (self.work / ".git" / "config").write_text('[remote "origin"]\nurl = https://u:pw@git.example.org/acme/shop.git\n')
        self.home = folder / "home"
        self.home.mkdir()
        self.env = {"HOME": str(self.home), "PATH": os.environ["PATH"], "PYTHONPATH": str(SITE)}

    def hook(self, payload: object, *arguments: str, **env: str) -> Any:
        """Run a hook in the repository; return what it answered. It ended with status 0, and said nothing else."""
        given = payload if isinstance(payload, bytes) else json.dumps({"cwd": str(self.work), **payload}).encode()  # type: ignore[dict-item]
        command = [sys.executable, "-m", "app.cli", "hook", *(arguments or ("user-prompt-submit",))]
        done = subprocess.run(command, input=given, capture_output=True, cwd=self.work, env=self.env | env, check=False, timeout=240)
        assert (done.returncode, done.stderr) == (0, b"")
        return json.loads(done.stdout)

    def told(self, ide: str = "claude-code", which: str = "") -> HookStamp:
        return HookStamp(**json.loads((self.home / ".local" / "state" / "cairn" / "hooks" / f"{ide}{which}.json").read_text()))

    def set(self, text: str) -> None:
        folder = self.home / ".config" / "cairn"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "client.toml").write_text(text)


PATIENT = "[hook]\nconnect_ms = 10000\nanswer_ms = 10000\nreceipt_ms = 10000\n"
"""A busy machine is no absent server."""


@pytest.fixture
def server() -> Iterator[HookServer]:
    with hook_server() as made:
        made.answer = json.dumps(KNOWN).encode()
        yield made


@pytest.fixture
def machine(tmp_path: Path, server: HookServer) -> Machine:
    made = Machine(tmp_path)
    made.set(PATIENT)
    made.env |= {"CAIRN_URL": server.url, "CAIRN_KEY": KEY}
    return made


def test_a_hook_sends_the_payload_and_what_the_client_knows(machine: Machine, server: HookServer) -> None:
    (machine.work / ".cairn.toml").write_text('project = "Läden"\n')
    assert machine.hook(PROMPT) == KNOWN
    ((path, headers, body),) = server.asked
    assert path == "/v1/hooks/claude-code"
    assert json.loads(body) == {"cwd": str(machine.work), **PROMPT}
    sent = {name: headers[name] for name in headers if name.startswith("x-cairn") or name == "authorization"}
    assert sent == {
        "authorization": f"Bearer {KEY}",
        "x-cairn-project": "L%C3%A4den",
        "x-cairn-repository": "https://git.example.org/acme/shop.git",
        "x-cairn-branch": "%C3%BCbung",
        "x-cairn-directory-name": "shop",
    }
    assert (machine.told().outcome, machine.told(which=".sent").event) == ("sent", "user-prompt-submit")


def test_server_and_key_may_stand_in_the_users_file(machine: Machine, server: HookServer) -> None:
    del machine.env["CAIRN_URL"], machine.env["CAIRN_KEY"]
    machine.set(f'url = "{server.url}"\nkey = "from-the-file"\n{PATIENT}')
    assert machine.hook(PROMPT, "user-prompt-submit", "--ide", "codex") == KNOWN
    ((path, headers, _),) = server.asked
    assert (path, headers["authorization"]) == ("/v1/hooks/codex", "Bearer from-the-file")


@pytest.mark.parametrize(
    ("rules", "client", "env", "outcome"),
    [
        ("private = true\n", "", {}, "private"),
        ("privat = true\n", "", {}, "private"),
        ("", '[private]\nprojects = ["acme/*"]\n', {}, "private"),
        ("", '[private]\nfolders = ["{work}"]\n', {}, "private"),
        ("", "[private\n", {}, "private"),
        ("", "", {"CAIRN_PRIVATE": "1"}, "private"),
        ("[capture]\nenabled = false\n", "", {}, "off"),
    ],
)
def test_nothing_leaves_a_private_place(
    machine: Machine, server: HookServer, rules: str, client: str, env: dict[str, str], outcome: str
) -> None:
    (machine.work / ".cairn.toml").write_text(rules)
    machine.set(client.format(work=machine.work))
    assert machine.hook(PROMPT, **env) == {}
    assert server.asked == []
    assert machine.told().outcome == outcome


def test_a_session_that_left_a_private_folder_stays_private(machine: Machine, server: HookServer, tmp_path: Path) -> None:
    (machine.work / ".cairn.toml").write_text("private = true\n")
    assert machine.hook(PROMPT | {"cwd": str(tmp_path)}, CLAUDE_PROJECT_DIR=str(machine.work)) == {}
    assert server.asked == []


def test_without_injection_the_answer_is_not_passed_on(machine: Machine, server: HookServer) -> None:
    (machine.work / ".cairn.toml").write_text("[inject]\nenabled = false\n")
    assert machine.hook(PROMPT) == {}
    ((_, headers, _),) = server.asked
    assert headers["x-cairn-inject"] == "off", "the server doesn't count it as given"


def test_the_server_gives_up_a_search_before_its_client_does() -> None:
    assert HooksSettings().timeout_seconds * 1000 + 200 < HookWaits().answer_ms


def test_without_capture_a_session_may_still_begin_with_what_is_known(machine: Machine, server: HookServer) -> None:
    (machine.work / ".cairn.toml").write_text("[capture]\nenabled = false\n")
    server.answer = json.dumps({"hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": "x"}}).encode()
    assert machine.hook({"hook_event_name": "SessionStart"}, "session-start") != {}
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "answer", "outcome"),
    [
        (401, b"{}", "refused"),
        (403, b"", "refused"),
        (413, b"x", "failed"),
        (500, b"<html>", "failed"),
        (302, b"", "failed"),
        (200, b"no JSON", "sent"),
    ],
)
def test_an_error_of_the_server_is_none_of_the_ides(machine: Machine, server: HookServer, status: int, answer: bytes, outcome: str) -> None:
    server.status, server.answer = status, answer
    assert machine.hook(PROMPT) == {}
    assert machine.told().outcome == outcome


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\x00\xff", b"[" * 100_000])
def test_input_that_is_no_payload_is_answered_all_the_same(machine: Machine, server: HookServer, raw: bytes) -> None:
    assert machine.hook(raw) == {}
    assert (server.asked, machine.told().outcome) == ([], "unreadable")


def test_a_payload_of_20_mb_arrives_cut(machine: Machine, server: HookServer) -> None:
    assert machine.hook(PROMPT | {"prompt": "x" * 20_000_000}) == KNOWN
    assert "were cut" in machine.told().detail
    assert server.bodies()[0]["prompt"].startswith("xxx")


def test_a_server_that_is_away_is_noted(machine: Machine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        machine.env["CAIRN_URL"] = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert machine.hook(PROMPT) == {}
    assert machine.told().outcome == "away"


def test_a_server_that_hangs_costs_its_bound_once(machine: Machine, server: HookServer) -> None:
    machine.set("[hook]\nconnect_ms = 10000\n")
    server.pause = 30
    assert machine.hook({"hook_event_name": "PostToolUse"}, "post-tool-use") == {}
    assert machine.told().outcome == "away"
    assert machine.hook({"hook_event_name": "PostToolUse"}, "post-tool-use") == {}
    assert len(server.asked) == 1
    assert "a moment ago" in machine.told().detail


def test_an_address_that_leads_nowhere_is_left_in_time(machine: Machine) -> None:
    machine.set("")
    with socket.socket() as full:  # listens, but nobody accepts, and its queue is full: a connection waits
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        machine.env["CAIRN_URL"] = f"http://127.0.0.1:{full.getsockname()[1]}"
        started = time.monotonic()
        assert machine.hook(PROMPT) == {}
        assert time.monotonic() - started < 30
        for each in waiting:
            each.close()
    assert "no connection within 100 ms" in machine.told().detail


def test_a_state_folder_that_cannot_be_written_stops_nothing(machine: Machine, server: HookServer) -> None:
    (machine.home / ".local").write_text("a file")
    assert machine.hook(PROMPT) == KNOWN


@pytest.mark.parametrize(("given", "arguments"), [(b"{}", ["stop"]), (b"no JSON", ["stop"]), (b"", [])])
def test_a_user_without_a_home_is_answered_all_the_same(machine: Machine, server: HookServer, given: bytes, arguments: list[str]) -> None:
    program = (
        "import pwd, sys; sys.argv = ['cairn', 'hook', *sys.argv[1:]]\n"
        "def nobody(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = nobody\n"
        "import app.cli; app.cli.main()"
    )
    command = [sys.executable, "-c", program, *arguments]
    env = {name: value for name, value in machine.env.items() if name != "HOME"}
    done = subprocess.run(command, input=given, capture_output=True, env=env, cwd=machine.work, check=False, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"{}\n", b"")
    assert server.asked == []


def test_an_answer_that_cannot_be_printed_is_no_error_of_the_ide(machine: Machine) -> None:
    program = "import sys; sys.argv = ['cairn', 'hook', 'stop']; sys.stdout = None\nimport app.cli; app.cli.main()"
    done = subprocess.run([sys.executable, "-c", program], input=b"{}", capture_output=True, env=machine.env, cwd=machine.work, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_hook_imports_nothing_heavy(machine: Machine) -> None:
    program = (
        "import sys, os; sys.argv = ['cairn', 'hook', 'stop']\n"
        "os._exit = lambda status: print(','.join(sorted(m.partition('.')[0] for m in sys.modules)), file=sys.stderr)\n"
        "import app.cli; app.cli.hook_only = True; app.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], input=b"{}", capture_output=True, env=machine.env, cwd=machine.work, check=False)
    loaded = set(done.stderr.decode().splitlines()[0].split(","))
    assert not loaded & {"typer", "rich", "pydantic", "aiohttp", "asyncio", "http", "ssl", "structlog", "tomlkit", "numpy", "subprocess"}
