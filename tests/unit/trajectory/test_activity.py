"""A stretch's activity follows from what is called, on which files, and from what is said."""

from __future__ import annotations

import pytest

from app.trajectory.analyzers.activity import MAX_STRETCH, ActivityAnalyzer, shares_of, verdict_of
from app.trajectory.analyzers.cues import activities_in
from app.trajectory.events.steps import steps_of
from tests.loop_cases import Act, LoopCase, ask, bash, call, edit, say


def activity(*acts: Act) -> str | None:
    found = verdict_of([(step.seq, shares_of(step)) for step in steps_of(enumerate(LoopCase("", None, acts).events, 1))])
    return found.activity if found is not None else None


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        ((ask("where is the rate limit set?"), *[call("Read", f"src/{n}.go", f"package m{n}") for n in range(4)]), "exploring"),
        ((ask("add a --json flag to the command"), *[edit(f"src/{n}.go", "a", "b") for n in range(3)]), "implementing"),
        (
            (
                ask("the login fails with an error, fix the bug"),
                bash("./run", "error: no session", 1),
                edit("src/a.go", "a", "b"),
                bash("./run", "error: no session yet", 1),
            ),
            "debugging",
        ),
        ((ask("write unit tests for the parser"), edit("tests/test_parser.py", "a", "b"), bash("pytest -q", "3 passed")), "testing"),
        ((ask("document the settings in the readme"), edit("docs/settings.md", "a", "b"), edit("README.md", "a", "b")), "documenting"),
        (
            (ask("refactor: extract the retry loop, rename the class"), say("I move it and simplify."), edit("src/a.py", "a", "b")),
            "refactoring",
        ),
        (
            (
                ask("review the pull request"),
                bash("git diff main...", "diff"),
                bash("gh pr view 7 --comments", "text"),
                say("Findings of my review:"),
            ),
            "reviewing",
        ),
        ((ask("plan the migration: which options and what approach?"), say("A plan in three steps; the options are:")), "planning"),
        ((ask("bitte die Tests schreiben"), bash("pytest", "1 passed"), bash("pytest", "2 passed")), "testing"),
        ((ask("hm"),), None),
        ((), None),
    ],
)
def test_a_stretch_has_its_activity(acts: tuple[Act, ...], expected: str | None) -> None:
    assert activity(*acts) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("find the root cause of the crash", {"debugging"}),
        ("how does it look at the tests", {"exploring", "testing"}),
        ("", set()),
        ("x" * 600, set()),
    ],
)
def test_words_speak_for_activities(text: str, expected: set[str]) -> None:
    assert activities_in(text) == expected


def test_a_stretch_ends_where_another_activity_has_clearly_more() -> None:
    acts = (*[call("Read", f"src/{n}.go", "x") for n in range(8)], *[edit(f"src/{n}.go", "a", "b") for n in range(MAX_STRETCH)])
    analyzer = ActivityAnalyzer()
    found = [each for step in steps_of(enumerate(LoopCase("", None, acts).events, 1)) for each in analyzer.add(step)]
    assert [(each.name, each.open) for each in found] == [("exploring", True), ("exploring", False), ("implementing", True)]
    assert found[1].last < found[2].first <= found[1].last + 1


def test_a_verdict_says_how_clear_it_is() -> None:
    found = verdict_of([(1, (0, 0, 30, 10, 0, 0, 0, 0))])
    assert found is not None
    assert (found.activity, found.confidence, found.evidence) == ("implementing", 0.75, (1,))
