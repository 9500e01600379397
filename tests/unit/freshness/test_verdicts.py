"""The verdict on one file or symbol, and on an item that speaks of several."""

from __future__ import annotations

import pytest

from app.freshness.git import FileChange
from app.freshness.history import DatedChange
from app.freshness.verdicts import UNKNOWN, Alteration, CodeFinding, CodeVerdict, alterations, combine, judge
from app.freshness.wording import describe


def altered(*states: tuple[str | None, str | None]) -> list[Alteration]:
    """Alterations, the newest first, of commits c9, c8 …"""
    return [Alteration(f"c{9 - place}", 9 - place, before, after) for place, (before, after) in enumerate(states)]


@pytest.mark.parametrize(
    ("now", "since", "verdict", "commit"),
    [
        ("a", [], "fresh", None),
        ("b", [("a", "b")], "changed", "c9"),
        ("c", [("b", "c"), ("a", "b")], "changed", "c9"),
        ("a", [("b", "a"), ("a", "b")], "fresh", None),
        (None, [("a", None)], "gone", "c9"),
        (None, [("b", None), ("a", "b")], "gone", "c9"),
        ("a", [(None, "a")], "fresh", None),
        ("b", [("a", "b"), (None, "a")], "changed", "c9"),
        (None, [("a", None), (None, "a")], "gone", "c9"),
        (None, [], "unverifiable", None),
        ("a", [(None, "a"), ("a", None)], "fresh", None),
    ],
    ids=["untouched", "changed", "changed twice", "changed back", "removed", "changed, then removed", "introduced", "introduced, then changed", "introduced, then removed", "never there", "removed, and there again"],
)  # fmt: skip
def test_a_state_is_judged_by_its_changes(
    now: str | None, since: list[tuple[str | None, str | None]], verdict: CodeVerdict, commit: str | None
) -> None:
    found = judge(now, altered(*since))
    assert (found.verdict, found.commit) == (verdict, commit)


@pytest.mark.parametrize(
    ("now", "since"),
    [
        (UNKNOWN, []),
        (UNKNOWN, [("a", UNKNOWN)]),
        (None, [(UNKNOWN, None)]),
        ("a", [(UNKNOWN, "a"), ("a", UNKNOWN)]),
        ("a", [(UNKNOWN, UNKNOWN)]),
    ],
)
def test_a_state_that_was_unknown_meanwhile_is_unverifiable(now: str | None, since: list[tuple[str | None, str | None]]) -> None:
    found = judge(now, altered(*since))
    assert (found.verdict, found.reason) == ("unverifiable", "unreadable")


def test_a_change_between_two_unknown_states_may_be_one() -> None:
    change = DatedChange("c", 1, 0, FileChange("modified", "a.py", "a.py", "old", "new"))
    assert len(alterations([change], lambda _, __: UNKNOWN)) == 1
    assert alterations([change], lambda _, __: None) == []


def test_each_commit_is_compared_with_its_own_parent() -> None:
    """A change on a branch, merged later, isn't taken for one of the commits that were made beside it."""
    changes = [
        DatedChange("main", 2, 0, FileChange("modified", "a.py", "a.py", "main-old", "main-new")),
        DatedChange("branch", 1, 1, FileChange("modified", "a.py", "a.py", "branch-old", "branch-new")),
    ]
    states = {"main-old": "x", "main-new": "x", "branch-old": "x", "branch-new": "y"}
    assert [each.commit for each in alterations(changes, lambda _, blob: states.get(blob or ""))] == ["branch"]


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (["fresh", "fresh"], "fresh"),
        (["fresh", "unverifiable"], "fresh"),
        (["fresh", "changed", "unverifiable"], "changed"),
        (["gone", "fresh"], "changed"),
        (["gone", "changed"], "changed"),
        (["gone", "gone", "unverifiable"], "gone"),
        (["unverifiable"], "unverifiable"),
        ([], "unverifiable"),
    ],
)
def test_an_item_is_gone_only_if_all_that_it_speaks_of_is(verdicts: list[CodeVerdict], whole: CodeVerdict) -> None:
    assert combine([CodeFinding(each) for each in verdicts]).verdict == whole


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (
            CodeFinding("changed", "src/a.py", "Pool.acquire", "0123456789abcdef", 1_790_000_000),
            "Pool.acquire in src/a.py changed with commit 0123456789 on 2026-09-21",
        ),
        (CodeFinding("gone", "src/a.py", None, "0123456789abcdef"), "src/a.py is gone with commit 0123456789"),
        (CodeFinding("fresh", "src/b.py", former_path="src/a.py"), "src/b.py is as it was: moved from src/a.py"),
        (CodeFinding("unverifiable", reason="names_nothing"), "It names no file or symbol"),
        (
            CodeFinding("unverifiable", symbol="x_y", reason="history_missing"),
            "The clone lacks the history since it was said: run git fetch --unshallow",
        ),
    ],
)
def test_a_finding_is_told_in_a_sentence(finding: CodeFinding, words: str) -> None:
    assert describe(finding) == words
