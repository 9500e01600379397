"""Which findings are stored in place of known marks, and which repositories are newer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

from app.freshness.checking import CheckResult
from app.freshness.git import Repository
from app.freshness.marking import CONFIRMED_AFTER, ChosenFindings, KnownMark, choose_findings, kept_file, told_by
from app.freshness.verdicts import CodeFinding
from tests.integration.freshness.conftest import BEGIN, Repo

ITEM = uuid4()
CHANGED, FRESH = CodeFinding("changed", "a.py", commit="c" * 40), CodeFinding("fresh", "a.py")
LATER = BEGIN + timedelta(days=365)


def chosen(repo: Repo, mark: KnownMark | None, finding: CodeFinding = FRESH, *, ref: str = "HEAD", at: datetime = LATER) -> ChosenFindings:
    repository = Repository.open(repo.folder)
    result = CheckResult(repository.commit_id(ref), [(ITEM, finding)])
    return choose_findings(repository, result, {} if mark is None else {ITEM: mark}, at=at)


STORED, KEPT, OLDER = ChosenFindings(frozenset({ITEM}), 0), ChosenFindings(frozenset(), 0), ChosenFindings(frozenset(), 1)


def test_what_is_new_or_different_is_stored(repo: Repo) -> None:
    head = repo.commit({"a.py": "x = 1\n"})
    assert chosen(repo, None) == STORED
    assert chosen(repo, KnownMark(told_by(CHANGED), head, LATER)) == STORED
    assert chosen(repo, KnownMark(told_by(FRESH), head, LATER)) == KEPT


def test_what_nobody_confirmed_for_long_is_stored_again(repo: Repo) -> None:
    head = repo.commit({"a.py": "x = 1\n"})
    mark = KnownMark(told_by(FRESH), head, LATER)
    assert chosen(repo, mark, at=LATER + CONFIRMED_AFTER - timedelta(seconds=1)) == KEPT
    assert chosen(repo, mark, at=LATER + CONFIRMED_AFTER) == STORED


def test_a_mark_of_a_descendant_stays_and_one_of_an_ancestor_or_of_another_branch_goes(repo: Repo) -> None:
    first = repo.commit({"a.py": "x = 1\n"})
    repo.git("branch", "old")
    second = repo.commit({"a.py": "x = 2\n"})
    repo.git("checkout", "--quiet", "-b", "side", first)
    side = repo.commit({"a.py": "x = 3\n"})
    marks = [KnownMark(told_by(CHANGED), head, LATER) for head in (first, second, side)]
    assert [chosen(repo, each, ref="old") for each in marks] == [STORED, OLDER, OLDER]
    assert [chosen(repo, each, ref="main") for each in marks] == [STORED, STORED, STORED]


def test_a_mark_of_a_commit_that_the_clone_lacks_stays_until_there_is_a_commit_after_its_check(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    unknown = "e" * 40
    after = BEGIN + timedelta(days=repo.day, hours=1)
    assert chosen(repo, KnownMark(told_by(CHANGED), unknown, after)) == OLDER
    assert chosen(repo, KnownMark(told_by(CHANGED), unknown, after - timedelta(hours=2))) == STORED
    repo.commit({"a.py": "x = 2\n"})
    assert chosen(repo, KnownMark(told_by(CHANGED), unknown, after)) == STORED


def test_work_trees_of_one_repository_share_the_kept_file(repo: Repo, make_repo: Callable[[str], Repo]) -> None:
    repo.commit({"a.py": "x = 1\n"})
    other = make_repo("other")
    repo.git("worktree", "add", "--quiet", str(repo.folder.parent / "tree"), "-b", "tree")
    files = [kept_file(repo.folder, Repository.open(each)) for each in (repo.folder, repo.folder.parent / "tree", other.folder)]
    assert files[0] == files[1] != files[2]


def test_the_default_branch_is_told_by_its_whole_name(repo: Repo) -> None:
    head = repo.commit({"a.py": "x = 1\n"})
    repo.git("tag", "main")
    repo.git("branch", "feature/main", head)
    repo.git("update-ref", "refs/remotes/origin/feature/main", head)
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/feature/main")
    repository = Repository.open(repo.folder)
    assert (repository.branch(), repository.default_branch()) == ("main", "feature/main")
    repo.git("checkout", "--quiet", "--detach")
    assert repository.branch() is None


def test_a_mark_that_was_checked_by_another_clocks_zone_is_compared_by_its_moment(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    east = (BEGIN + timedelta(days=repo.day, hours=1)).astimezone(timezone(timedelta(hours=9)))
    assert chosen(repo, KnownMark(told_by(CHANGED), "e" * 40, east), at=datetime.now(UTC)) == OLDER
