"""A file's history through renames, and git's log as it is parsed."""

from __future__ import annotations

import pytest

from app.freshness.git import Commit, FileChange, parse_log
from app.freshness.history import History
from app.freshness.paths import PathIndex

A, B, C = "a" * 40, "b" * 40, "c" * 40


def modified(path: str, old: str = A, new: str = B) -> FileChange:
    return FileChange("modified", path, path, old, new)


def renamed(before: str, after: str) -> FileChange:
    return FileChange("renamed", before, after, B, B)


HISTORY = History(
    {"src/new.py": C, "other.py": A},
    [
        Commit("c4", 40, [modified("src/new.py", B, C)]),
        Commit("c3", 30, [renamed("old.py", "src/new.py"), FileChange("deleted", "dead.py", "dead.py", A, None)]),
        Commit("c2", 20, [modified("old.py")]),
        Commit("c1", 10, [FileChange("added", "old.py", "old.py", None, A)]),
    ],
)


def test_a_renamed_file_is_found_under_its_old_name() -> None:
    assert HISTORY.last_path("old.py") == "src/new.py"
    assert HISTORY.last_path("other.py") == "other.py"
    assert HISTORY.last_path("dead.py") == "dead.py"
    assert HISTORY.last_path("never.py") == "never.py"
    assert sorted(HISTORY.former_paths) == ["dead.py", "old.py"]


def test_changes_are_followed_through_renames_down_to_a_time() -> None:
    assert [each.commit for each in HISTORY.changes("src/new.py", after=0)] == ["c4", "c3", "c2", "c1"]
    assert [each.commit for each in HISTORY.changes("src/new.py", after=20)] == ["c4", "c3"]


def test_two_files_that_swap_their_names_end() -> None:
    history = History({"a.py": A, "b.py": B}, [Commit("c1", 10, [renamed("a.py", "b.py"), renamed("b.py", "a.py")])])
    assert history.last_path("a.py") == "a.py"
    assert history.changes("a.py", after=0)


def test_the_log_is_parsed_with_renames_submodules_and_links_aside() -> None:
    zero = "0" * 40
    log = (
        f"{C} 30 30\0\n:100644 100644 {A} {B} M\0src/a b.py\0:100644 100644 {A} {A} R100\0old.py\0new.py\0{B} 20 25\0"
        f"{A} 10 10\0\n:000000 100755 {zero} {A} A\0run.sh\0:000000 160000 {zero} {B} A\0vendor/lib\0:000000 120000 {zero} {B} A\0link\0"
    )
    assert parse_log(log, now=99) == [
        Commit(C, 30, [modified("src/a b.py"), FileChange("renamed", "old.py", "new.py", A, A)]),
        Commit(B, 20, []),
        Commit(A, 10, [FileChange("added", "run.sh", "run.sh", None, A)]),
    ]


def raw(path: str, letter: str = "M") -> str:
    return f":100644 100644 {A} {B} {letter}\0{path}\0"


@pytest.mark.parametrize("name", ["\x01a.py", f"{C} 1 1", ":100644 100644 x y M", "\n", " ", "R100"])
def test_no_name_of_a_file_is_taken_for_a_commit(name: str) -> None:
    log = f"{C} 30 30\0\n{raw(name)}{raw('b.py')}{B} 20 20\0\n{raw('c.py')}"
    assert parse_log(log, now=99) == [Commit(C, 30, [modified(name), modified("b.py")]), Commit(B, 20, [modified("c.py")])]


@pytest.mark.parametrize(
    ("times", "at"),
    [("30 40", 30), ("50 40", 40), ("99999999999999 30", 30), ("88 99", 77), (" 30", 30), ("30 ", 30), (" ", 0)],
    ids=["rebased", "author's clock ahead", "past the year 9999", "in the future", "no author's", "no committer's", "none"],
)
def test_a_commit_counts_from_its_earliest_time_and_one_without_a_time_never(times: str, at: int) -> None:
    (commit,) = parse_log(f"{C} {times}\0\n{raw('a.py')}", now=77)
    assert (commit.at, len(commit.changes)) == (at, 1)


@pytest.mark.parametrize("name", ["src/\udcff.py", "a/" * 600 + "b.py"])
def test_a_file_whose_name_no_mark_can_hold_is_left_out(name: str) -> None:
    log = f"{C} 30 30\0\n{raw(name)}:100644 100644 {A} {A} R100\0{name}\0new.py\0{raw('b.py')}"
    assert parse_log(log, now=99) == [Commit(C, 30, [modified("b.py")])]


def test_a_path_is_found_by_its_end_or_as_an_absolute_one() -> None:
    index = PathIndex(["src/db/pool.py", "src/web/pool.py", "main.py", "src/a.py"], ["src/db/gone.py"])
    assert index.find("db/pool.py") == ["src/db/pool.py"]
    assert index.find("/home/eve/shop/src/db/pool.py") == ["src/db/pool.py"]
    assert index.find("pool.py") == ["src/db/pool.py", "src/web/pool.py"]
    assert index.find("/home/eve/shop/main.py") == ["main.py"]
    assert index.find("lib/main.py") == []
    assert index.find("gone.py") == ["src/db/gone.py"]
    assert (index.folder("src/db/"), index.folder("lib")) == ("src/db", None)
