"""Steps: what repeats compares equal though ids and times differ; what differs doesn't."""

from __future__ import annotations

import pytest

from app.sessions.event import Event, Outcome, ToolUse
from app.trajectory.events.steps import SessionStep, step_of


def call(name: str, given: str, output: str = "", outcome: Outcome | None = "ok", exit_code: int | None = None) -> SessionStep:
    return step_of(1, Event("e1", "tool", "tool", "", "L1", tool=ToolUse(name, given, output, exit_code), outcome=outcome))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"query": "find the retry loop", "request_id": "a"}', '{"request_id": "b", "query": "the retry loop find"}'),
        ("cat /tmp/a1b2c3/out.log", "cat /tmp/zz99/out.log"),
        ("curl -s  host/health", "curl -s host/health"),
    ],
)
def test_calls_that_differ_only_by_themselves_are_one(one: str, other: str) -> None:
    assert call("Bash", one).call == call("Bash", other).call


@pytest.mark.parametrize(
    ("one", "other"), [('{"path": "a.py"}', '{"path": "b.py"}'), ("pytest -k till", "pytest -k depot"), ("[1, 2]", "[2, 1]")]
)
def test_calls_with_other_arguments_differ(one: str, other: str) -> None:
    assert call("Read", one).call != call("Read", other).call


def test_results_that_differ_by_times_and_ids_are_one() -> None:
    ran = [call("Bash", "make", f"2026-03-0{day}T10:00:00Z \x1b[31mFAILED\x1b[0m in {day}.2s, run {day}f3a9c1e7b") for day in (1, 2)]
    assert ran[0].output == ran[1].output
    assert ran[0].output != call("Bash", "make", "1 passed").output


@pytest.mark.parametrize(
    ("name", "given", "phase"),
    [
        ("Bash", "rg -n retry src | head", "explore"),
        ("Bash", "cd api && pytest -q", "test"),
        ("Bash", "npx tsc --noEmit", "test"),
        ("Bash", "git add -A && git commit -m 'x'", "commit"),
        ("Bash", "docker compose up -d", "run"),
        ("Edit", "a.py\n- x\n+ y", "edit"),
        ("Grep", '{"pattern": "x"}', "explore"),
        ("TodoWrite", "{}", "plan"),
    ],
)
def test_a_call_has_its_phase(name: str, given: str, phase: str) -> None:
    assert call(name, given).phase == phase


@pytest.mark.parametrize(
    "line",
    [
        "mix test 2>&1 | tail -5",
        "mix credo --strict",
        "cd api; ./mvnw -q verify",
        "mise run fmt && mise run lint",
        "dotnet test Shop.sln",
        "bundle exec rake spec",
        "python3 -m unittest discover",
        "just check",
        "pnpm typecheck",
        "poetry run nox -s tests",
    ],
)
def test_runners_of_tests_and_checks_are_known(line: str) -> None:
    assert call("Bash", line).checks


@pytest.mark.parametrize(
    "line", ["mix deps.get", "just deploy", "make install", "bundle install", "dotnet restore", "cat Makefile | grep test"]
)
def test_what_runs_no_check_is_none(line: str) -> None:
    assert not call("Bash", line).checks


@pytest.mark.parametrize(
    ("output", "outcome", "exit_code", "result"),
    [
        ("all good", "ok", None, "ok"),
        ("Error: no such file", "failed", None, "failed"),
        ("HTTP 429 Too Many Requests", "failed", None, "unavailable"),
        ("read ECONNRESET", None, 1, "unavailable"),
        ("The user doesn't want this", "rejected", None, "rejected"),
        ("", None, None, "unknown"),
    ],
)
def test_a_result_has_its_class(output: str, outcome: Outcome | None, exit_code: int | None, result: str) -> None:
    assert call("Bash", "x", output, outcome, exit_code).result == result


def test_a_failure_says_its_line() -> None:
    assert call("Bash", "x", "compiling\nsrc/a.go:3: undefined: tenant\nexit 1", "failed").error == "src/a.go:3: undefined: tenant"


FAILING = "FAILED tests/test_till.py::test_sum - assert 2 == 1\n1 failed, 12 passed in 0.31s"


@pytest.mark.parametrize("line", ["pytest -q | tail -5", "cd api && pytest 2>&1 | tail", "pytest || true", "pytest; git status"])
def test_tests_that_say_that_they_failed_have_failed_though_a_pipe_hides_it(line: str) -> None:
    step = call("Bash", line, FAILING, exit_code=0)
    assert (step.result, "assert 2 == 1" in step.error) == ("failed", True)


@pytest.mark.parametrize("outcome", ["ok", None])
def test_tests_that_say_that_they_failed_have_failed_where_no_exit_code_is_known(outcome: Outcome | None) -> None:
    assert call("Bash", "pytest -q", FAILING, outcome).result == "failed"
    assert call("Bash", "pytest -q", "12 passed", outcome).result != "failed"


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("pytest -q", FAILING),
        ("pytest -q | tail -5", "12 passed in 0.31s"),
        ("cat report.txt | tail -5", FAILING),
        ("python load.py | tail", FAILING),
    ],
)
def test_what_is_no_check_or_has_its_own_exit_code_ends_as_the_shell_says(line: str, output: str) -> None:
    assert call("Bash", line, output, exit_code=0).result == "ok"
