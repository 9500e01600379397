"""A session's health: on track unless steps show trouble, and on track again when it is dealt with."""

from __future__ import annotations

import pytest

from app.trajectory.analyzers.analyzer import SessionFinding
from app.trajectory.analyzers.health import MAX_AGE, HealthAnalyzer
from app.trajectory.events.steps import steps_of
from tests.loop_cases import Act, LoopCase, aider, ask, bash, call, edit, say

REFUSED = call("Bash", "rm -rf build", "The user doesn't want to proceed with this tool use.", "rejected")
OVERLOADED = aider("Unexpected error: litellm.InternalServerError: Overloaded")
NOT_APPLIED = aider("The LLM did not conform to the edit format.\n# 1 SEARCH/REPLACE block failed to match!")


def watched(*acts: Act) -> tuple[HealthAnalyzer, list[SessionFinding]]:
    analyzer = HealthAnalyzer()
    found = [each for step in steps_of(enumerate(LoopCase("", None, acts).events, 1)) for each in analyzer.add(step)]
    return analyzer, found


def health(*acts: Act) -> str:
    return watched(*acts)[0].verdict().health


WORK = (ask("add a flag"), say("I add it."), edit("a.py", "x", "y"), bash("pytest -q", "3 passed"))


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        (WORK, "on_track"),
        ((*WORK, ask("no, it should be an option")), "off_track"),
        ((*WORK, ask("不对，还是报错")), "off_track"),
        ((*WORK, Act("notice", "/undo")), "off_track"),
        ((*WORK, Act("notice", "[Request interrupted by user]")), "off_track"),
        (
            (ask("add it"), say("I misread the listing; my apologies."), bash("rm docs/blue.md"), say("I misunderstood the task.")),
            "off_track",
        ),
        ((ask("clean up"), REFUSED), "blocked"),
        ((ask("clean up"), REFUSED, ask("use make clean, please")), "on_track"),
        ((ask("hi"), OVERLOADED, ask("hi"), OVERLOADED), "blocked"),
        ((ask("hi"), OVERLOADED, ask("hi"), OVERLOADED, say("Hello.")), "on_track"),
        ((ask("find it"), *[bash(f"rg {word}", "bash: rg: command not found", 127) for word in "ab"]), "blocked"),
        (
            (ask("find it"), bash("rg a", "bash: rg: command not found", 127), say("I can't search: you need to install ripgrep.")),
            "blocked",
        ),
        ((ask("find it"), say("I can't search the web from here, so I look into the code.")), "on_track"),
        ((ask("add it"), say("Here."), NOT_APPLIED, say("I apologize for the confusion. Here again."), NOT_APPLIED), "stuck"),
        ((ask("fix it"), *[act for n in range(3) for act in (say(f"Try {n}."), ask("still broken"))]), "stuck"),
        ((ask("list it"), *[bash("ls -la", "a long listing of files " * 5) for _ in range(4)]), "stuck"),
    ],
)
def test_the_signs_of_each_state(acts: tuple[Act, ...], expected: str) -> None:
    assert health(*acts) == expected


def test_the_first_prompt_of_a_session_corrects_nothing() -> None:
    assert health(ask("the build still fails with TypeError: x is not a function")) == "on_track"


def test_approval_ends_trouble() -> None:
    analyzer, found = watched(*WORK, ask("no, that's wrong"), edit("a.py", "y", "z"), ask("perfect, thanks"))
    assert analyzer.verdict().health == "on_track"
    assert not found[-1].open


def test_old_signs_count_no_more() -> None:
    assert health(*WORK, ask("no, that's wrong"), *[bash(f"./step{n}", f"row {n}") for n in range(MAX_AGE + 1)]) == "on_track"


def test_a_service_that_answers_in_the_end_blocks_nothing() -> None:
    retries = [bash("curl -sf host/a", "HTTP/2 429 Too Many Requests", 22) for _ in range(3)]
    assert health(ask("fetch it"), *retries) == "blocked"
    assert health(ask("fetch it"), *retries, bash("curl -sf host/a", '{"items": 3}')) == "on_track"


def test_a_verdict_names_its_steps_and_says_why() -> None:
    _, found = watched(*WORK, ask("no, it should be an option"))
    assert (found[-1].kind, found[-1].name, found[-1].evidence) == ("health", "off_track", (5,))
    assert "it should be an option" in found[-1].because


def test_loops_are_passed_on() -> None:
    _, found = watched(ask("list it"), *[bash("ls -la", "a long listing of files " * 5) for _ in range(4)])
    assert {(each.kind, each.name) for each in found} == {("loop", "exact"), ("health", "stuck")}
