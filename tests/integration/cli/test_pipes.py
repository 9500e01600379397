"""Output that pipes, what a command imports, and completions: as a shell sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.test_cli import EXAMPLES, cairn
from tests.running import ROOT, Running, running
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.long
HEAVY = ("pydantic", "aiohttp", "fastapi", "sqlalchemy", "psutil", "numpy", "structlog")


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "pipes") as started:
        assert cairn(started.folder, "ingest", str(EXAMPLES), "--project", "examples").returncode == 0
        yield started


def environment(server: Running, **more: str) -> dict[str, str]:
    return {**os.environ, "CAIRN_DATA_DIR": str(server.folder), "PYTHONPATH": str(ROOT), **more}


def test_a_reader_that_ends_early_ends_the_command_without_a_word(server: Running) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", "query", "charge", "--limit", "50"],
        env=environment(server),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        said = command.stderr.read()
        assert (command.wait(timeout=300), said) == (141, b"")


def test_piped_lines_are_whole_and_columns_are_tabs(server: Running) -> None:
    lines = cairn(server.folder, "sessions", "list").stdout.splitlines()
    assert lines[0] == "Latest (UTC)\tAgent\tProject\tDeveloper\tTitle\tEvents\tId"
    assert len(lines) == 1 + len(list(EXAMPLES.iterdir()))
    assert {line.count("\t") for line in lines} == {6}
    asked = cairn(server.folder, "query", "why was the card charged twice?").stdout
    assert max(len(line) for line in asked.splitlines()) > 100
    assert not any(line.endswith(" ") for line in asked.splitlines())
    assert "\x1b" not in asked


def test_only_the_result_is_on_standard_output_and_progress_can_be_silenced(server: Running, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"id": "1", "role": "user", "text": "hello"}\n')
    done = cairn(server.folder, "ingest", str(tmp_path), "--quiet", "--json")
    assert (json.loads(done.stdout)["totals"]["files"], done.stderr) == (1, "")
    rebuilt = cairn(server.folder, "index", "rebuild", "--quiet")
    assert ("items and passages" in rebuilt.stdout, rebuilt.stderr) == (True, "")


def test_a_query_of_a_running_server_imports_nothing_heavy(server: Running) -> None:
    script = f"""
import sys
sys.argv = ["cairn", "query", "charge", "--json"]
from app.cli import main
try:
    main()
except SystemExit:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment(server), cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["results"]


def completions(server: Running, words: str) -> list[str]:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_CAIRN_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli"], env=environment(server, **asked), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


def names(server: Running, words: str) -> list[str]:
    """Ask until there are any: a shell waits a third of a second for a server's names, which a busy machine may miss."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not (found := completions(server, words)) and time.monotonic() < ends:
        pass
    return found


def test_commands_options_and_names_are_completed(server: Running) -> None:
    server.post("/v1/developers", {"name": "ada"})
    server.post("/v1/developers/ada/keys", {"name": "laptop"})
    assert names(server, "cairn keys revoke l") == ["laptop"]
    assert completions(server, "cairn qu") == ["query"]
    assert names(server, "cairn budget show a") == ["ada"]
    assert names(server, "cairn query x --project ex") == ["examples"]
    assert "codex" in completions(server, "cairn ingest --format ")
    assert completions(server, "cairn developers add x --role l") == ["lead"]


def test_without_a_server_no_name_is_completed_and_none_is_started(server: Running, tmp_path: Path) -> None:
    asked = {"COMP_WORDS": "cairn query x --project ", "COMP_CWORD": "4", "_CAIRN_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli"],
        env=environment(server, **asked, CAIRN_DATA_DIR=str(tmp_path)), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_shown(server: Running, shell: str) -> None:
    done = cairn(server.folder, "--show-completion", shell, env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert "_CAIRN_COMPLETE" in done.stdout
