"""Command lines are split, and what only looks is told from what does something."""

from __future__ import annotations

import pytest

from app.sessions.event import Event, ToolUse
from app.trajectory.events.shell import change_of, commands_of, hides_exit_code, only_looks
from app.trajectory.events.tools import runs_tests


def call(name: str, given: str) -> Event:
    return Event("e1", "tool", "tool", "", "L1", tool=ToolUse(name, given), outcome="ok")


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("cd api && make test; echo done", ["cd api", "make test", "echo done"]),
        ("rg 'a|b;c' src | head -3", ["rg 'a|b;c' src", "head -3"]),
        ('git commit -m "first; second" || true', ['git commit -m "first; second"', "true"]),
        ("go test ./... 2>&1\nls", ["go test ./... 2>&1", "ls"]),
        ("it's open; ls", ["it's open", "ls"]),
    ],
)
def test_a_line_is_split_outside_its_quotes(line: str, commands: list[str]) -> None:
    assert list(commands_of(line)) == commands


@pytest.mark.parametrize(
    "command", ["grep -rn x .", "sudo cat f", "git -C api log", "git commit -m 'a > b'", "sed -n 1,9p f", "ls 2>/dev/null", "# make test"]
)
def test_what_prints_or_searches_only_looks(command: str) -> None:
    assert only_looks(command)


@pytest.mark.parametrize("command", ["sed -i s/a/b/ f", "cat > f", "echo x >> .env", "make test", "lsof -i", "catalogue build"])
def test_what_writes_or_runs_does_not_only_look(command: str) -> None:
    assert not only_looks(command)


@pytest.mark.parametrize(
    ("command", "gone", "kept"),
    [
        ("sed -i s/pool_pre_ping=True// db.py", "pool_pre_ping", "db.py"),
        ("sed -i '/lazy_load_all/d' a.rb", "lazy_load_all", "a.rb"),
        ("perl -pi -e 's|old_name_here|new_name_here|g' a.go", "old_name_here", "new_name_here"),
        ("unset RETRY_BUDGET_MS", "RETRY_BUDGET_MS", ""),
        ("pip uninstall -y orjson_dumps", "orjson_dumps", ""),
        ("alembic upgrade head_of_audit", "", "head_of_audit"),
    ],
)
def test_what_a_command_takes_out_is_told_from_what_it_writes(command: str, gone: str, kept: str) -> None:
    removed, written = change_of(command)
    assert gone in removed
    assert kept in written
    assert not gone or gone not in written


@pytest.mark.parametrize("line", ["pytest -q", "cd api && go test ./... | tail -3", "FOO=1 make check", 'bash -lc "npm test"'])
def test_a_run_of_tests_is_one(line: str) -> None:
    assert runs_tests(call("Bash", line))


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("Edit", "README.md\n+ run make test here"),
        ("Write", "ci.yml\n+ run: pytest -q"),
        ("Bash", "grep -rn 'make test' docs"),
        ("Bash", "git commit -am 'let make test pass'"),
        ("Bash", "cat f; echo run npm test"),
        ("WebSearch", "pytest fixtures"),
    ],
)
def test_a_text_that_names_the_command_of_tests_is_no_run(tool: str, given: str) -> None:
    assert not runs_tests(call(tool, given))


@pytest.mark.parametrize(
    "line",
    [
        "pytest -q | tail -5",
        "cd api && go test ./... 2>&1 | grep FAIL",
        "npm test || true",
        "make check; echo $?",
        "pytest &",
        "cargo test\nls",
        "ctest |& tee log",
    ],
)
def test_a_pipe_an_alternative_or_a_list_hides_an_exit_code(line: str) -> None:
    assert hides_exit_code(line)


@pytest.mark.parametrize(
    "line", ["pytest -q", "cd api && make test", "cd api; make test", "pytest -k 'a|b;c' 2>&1", 'rg "x;y" src', "make a && make b"]
)
def test_one_command_or_a_chain_that_stops_at_a_failure_hides_none(line: str) -> None:
    assert not hides_exit_code(line)
