"""The bounds of the git command: its time, its output, and the settings that don't bend it."""

from __future__ import annotations

import pytest

from app.errors import DeadlineExceeded, NotFound, TooLarge
from app.freshness import command
from app.freshness.command import run_git
from app.freshness.git import Repository
from tests.integration.freshness.conftest import Repo


def test_a_command_that_does_not_end_is_stopped_and_says_what_to_do(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "GIT_SECONDS", 0.1)
    with pytest.raises(DeadlineExceeded, match=r"git cat-file in .* took longer than 0\.1 seconds\. Run `git gc` there"):
        run_git(repo.folder, "cat-file", "--batch")


def test_a_command_that_prints_too_much_is_stopped_and_says_so(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit({f"src/m{n}.py": "x = 1\n" for n in range(50)})
    monkeypatch.setattr(command, "MAX_OUTPUT_BYTES", 1_000)
    with pytest.raises(TooLarge, match=r"git ls-tree in .* prints more than"):
        Repository(repo.folder).files("HEAD")


def test_a_command_that_fails_tells_what_git_said(repo: Repo) -> None:
    with pytest.raises(NotFound, match=r"git ls-tree failed in .*: fatal: .*nowhere"):
        Repository(repo.folder).files("nowhere")


def test_a_folder_of_a_repository_is_read_as_the_whole_whatever_its_settings(repo: Repo) -> None:
    repo.commit({"src/a.py": "x = 1\n", "lib/b.py": "y = 1\n"})
    repo.git("config", "diff.relative", "true")
    within = Repository.open(repo.folder / "src")
    (commit,) = within.commits(within.commit_id("HEAD"), since=repo.said("x", day=0).said_at)
    assert sorted(each.after for each in commit.changes) == sorted(within.files("HEAD")) == ["lib/b.py", "src/a.py"]
