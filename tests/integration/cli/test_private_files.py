"""Files below a private folder of a repository: marked in the work tree, in the commit, or in the user's list."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.machine import ClientSettings
from app.cli.private_files import PrivateFiles, find_private_files
from app.freshness.checking import check_items
from app.freshness.git import Repository
from tests.integration.freshness.conftest import Repo

POOL = "def acquire_slot():\n    return 1\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    folder = tmp_path / "shop"
    folder.mkdir()
    repo = Repo(folder)
    repo.git("init", "--quiet", "--initial-branch", "main")
    repo.commit({"src/a.py": POOL, "lab/b.py": "x = 1\n", "lab/deep/c.py": "def deep_thing():\n    pass\n"})
    return repo


def private(repo: Repo, ref: str = "HEAD", *listed: Path) -> PrivateFiles:
    return find_private_files(Repository.open(repo.folder), ref, ClientSettings(private_folders=tuple(map(str, listed))))


def below(found: PrivateFiles) -> list[str]:
    return [path for path in ("src/a.py", "lab/b.py", "lab/deep/c.py", "lab/gone/d.py", "labs/e.py", "top.py") if path in found]


def test_without_a_private_folder_none_is(repo: Repo) -> None:
    (repo.folder / "lab" / ".cairn.toml").write_text('project = "lab"\n')
    assert below(private(repo)) == []


@pytest.mark.parametrize("content", [b"private = true\n", b"private = \n", b"\xff", b'private = "yes"\n'])
def test_a_folder_is_private_with_all_below_it_and_so_is_one_that_can_not_be_read(repo: Repo, content: bytes) -> None:
    (repo.folder / "lab" / ".cairn.toml").write_bytes(content)
    assert below(private(repo)) == ["lab/b.py", "lab/deep/c.py", "lab/gone/d.py"]


def test_a_folder_below_a_private_one_can_not_open_itself(repo: Repo) -> None:
    (repo.folder / "lab" / ".cairn.toml").write_text("private = true\n")
    (repo.folder / "lab" / "deep" / ".cairn.toml").write_text("private = false\n")
    assert "lab/deep/c.py" in private(repo)


def test_what_only_the_commit_marks_is_private_in_a_bare_repository_and_on_another_branch(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "-b", "next")
    repo.commit({"lab/deep/.cairn.toml": "private = true\n"})
    repo.git("checkout", "--quiet", "main")
    assert below(private(repo, "next")) == ["lab/deep/c.py"]
    assert below(private(repo)) == []
    repo.git("clone", "--quiet", "--bare", "--branch", "next", str(repo.folder), str(repo.folder.parent / "bare"))
    assert below(private(Repo(repo.folder.parent / "bare"))) == ["lab/deep/c.py"]
    assert not private(repo, "next").whole


def test_a_repository_whose_commit_says_so_is_private_as_a_whole(repo: Repo) -> None:
    repo.commit({".cairn.toml": "private = true\n"})
    found = private(repo)
    assert found.whole
    assert "top.py" in found


def test_a_folder_of_the_users_list_is_private(repo: Repo) -> None:
    assert below(private(repo, "HEAD", repo.folder / "lab" / "deep")) == ["lab/deep/c.py"]


def test_nothing_of_a_private_folder_is_found(repo: Repo) -> None:
    (repo.folder / "lab" / ".cairn.toml").write_text("private = true\n")
    named, alone, other = repo.said("see lab/b.py"), repo.said("`deep_thing` does it"), repo.said("`acquire_slot` gives one")
    repo.git("mv", "src/a.py", "lab/a.py")
    repo.commit({"lab/b.py": "x = 2\n"})
    found = check_items(Repository.open(repo.folder), [named, alone, other], private=private(repo)).findings
    assert [(finding.verdict, finding.path) for _, finding in found] == [("unverifiable", None)] * 3
