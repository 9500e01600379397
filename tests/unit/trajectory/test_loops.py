"""Loops are found by the rung that they show; what only looks like one is not told; a streak is told once."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from app.sessions.event import Event
from app.trajectory.analyzers.analyzer import SessionFinding
from app.trajectory.analyzers.loops import MAX_QUIET, LoopAnalyzer
from app.trajectory.events.steps import steps_of
from tests.loop_cases import LOOK_ALIKES, LOOPS, Act, LoopCase, ask, bash, call, edit, say
from tests.loop_cases_held_out import HELD_OUT

LONG = "nine hundred rows of output that say more than that the command is done, and always the same in every run of it"


def told(events: Iterable[Event]) -> list[SessionFinding]:
    analyzer = LoopAnalyzer()
    return [each for step in steps_of(enumerate(events, 1)) for each in analyzer.add(step)]


def told_of(*acts: Act) -> list[SessionFinding]:
    return told(LoopCase("", None, acts).events)


def by_name(case: LoopCase) -> str:
    return case.name


@pytest.mark.parametrize("case", [each for each in (*LOOPS, *HELD_OUT) if each.rung], ids=by_name)
def test_a_loop_is_found(case: LoopCase) -> None:
    assert told(case.events)


@pytest.mark.parametrize("rung", ["exact", "error", "period", "stagnation", "histogram", "drift", "monologue"])
def test_each_rung_finds_its_own(rung: str) -> None:
    assert rung in {each.name for case in LOOPS if case.rung == rung for each in told(case.events)}


@pytest.mark.parametrize("case", [*LOOK_ALIKES, *(each for each in HELD_OUT if each.rung is None)], ids=by_name)
def test_a_look_alike_is_not_told(case: LoopCase) -> None:
    assert not told(case.events)


def test_a_streak_is_one_finding_that_grows() -> None:
    found = told_of(*[bash("./report", LONG)] * 9)
    assert {(each.name, each.first) for each in found} == {("exact", 1)}
    assert "ninth time" in found[-1].because
    assert (found[-1].last, found[-1].open) == (9, True)


def test_while_one_loop_lasts_no_other_rung_is_told() -> None:
    found = told_of(*[bash("./report", LONG)] * 4, *[bash(command, LONG) for _ in range(4) for command in ("./report", "./other")])
    assert {each.name for each in found} == {"exact"}


@pytest.mark.parametrize(
    "progress",
    [ask("try the other host"), edit("a.py", "x", "y"), bash("pytest -q", "12 passed"), bash("git commit -m 'Fix'", "[main 1] Fix")],
    ids=["a person's word", "a new edit", "a passing test", "a commit"],
)
def test_progress_ends_a_loop(progress: Act) -> None:
    found = told_of(*[bash("./report", LONG)] * 4, progress, *[bash("./report", LONG)] * 2)
    assert not found[-1].open


def test_a_loop_that_does_not_go_on_is_over() -> None:
    found = told_of(*[bash("./report", LONG)] * 4, *[bash(f"cat f{n}", f"{n} {LONG}") for n in range(MAX_QUIET)])
    assert not found[-1].open


def test_an_edit_that_was_made_before_is_no_progress() -> None:
    flips = [(edit("a.py", "x", "y"), bash("make", f"{LONG} error: y", 2), edit("a.py", "y", "x"), bash("make", f"{LONG} error: x", 2))] * 3
    assert told_of(*(act for turn in flips for act in turn))


def test_a_poll_between_does_not_break_a_streak() -> None:
    found = told_of(*[act for _ in range(4) for act in (bash("./report", LONG), bash("sleep 5", ""))])
    assert [each.name for each in found] == ["exact"]


def test_a_failure_that_edits_do_not_change_says_how_many() -> None:
    acts = [
        act for n in range(3) for act in (edit("a.c", f"x{n}", f"y{n}"), bash("cc a.c", "a.c:9: error: expected expression before int", 1))
    ]
    assert "2 edits in between" in told_of(*acts)[-1].because


def test_a_failure_that_changes_elsewhere_gets_one_try_more() -> None:
    def tries(count: int) -> list[Act]:
        return [
            act
            for n in range(count)
            for act in (edit("a.c", f"x{n}", f"y{n}"), bash("cc a.c", f"a.c:9: error: expected expression before int\n{9 - n} errors", 1))
        ]

    assert not told_of(*tries(3))
    assert told_of(*tries(4))


def test_different_files_that_are_missing_are_no_loop() -> None:
    assert not told_of(*[call("Read", f"/app/{name}.py", "Error: File does not exist.", "failed") for name in "abcdef"])


def test_a_subagents_calls_are_watched_apart() -> None:
    analyzer = LoopAnalyzer()
    events = LoopCase("", None, tuple([bash("./report", LONG)] * 6)).events
    sides = [
        Event(**{field: getattr(each, field) for field in each.__slots__} | {"sidechain": n % 2 == 1}) for n, each in enumerate(events)
    ]
    assert not [found for step in steps_of(enumerate(sides, 1)) for found in analyzer.add(step)]


def test_words_in_another_script_are_compared_too() -> None:
    assert [each.name for each in told_of(*[say("我现在来修改这个函数的返回值，然后运行测试。")] * 3)] == ["monologue"]


@pytest.mark.parametrize("line", ["pytest -q | tail -3", "go test ./... 2>&1 | grep -A3 FAIL", "npm test || true"])
def test_failing_tests_behind_a_pipe_are_the_same_error_and_no_progress(line: str) -> None:
    assert {each.name for each in told_of(*[bash(line, "FAIL till: expected 2, got 1\n1 failed, 12 passed")] * 4)} == {"error"}
    assert not told_of(*[bash(line, "12 passed")] * 4)
