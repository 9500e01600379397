"""What a directory is to the client: repository, branch, project, and what makes it private."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app.cli.git_files import read_checkout, without_credentials
from app.cli.machine import ClientSettings
from app.cli.place import WorkPlace, read_place

NOTHING = ClientSettings()


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=trunk")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    git(folder, "remote", "add", "other", "https://example.org/x/y.git")
    git(folder, "remote", "add", "origin", "https://ada:pw-1@git.example.org/acme/shop.git")
    return folder


def read(directory: Path, settings: ClientSettings = NOTHING) -> WorkPlace:
    return read_place(directory, settings)


def test_a_repository_is_read_from_its_files_without_credentials(repository: Path) -> None:
    below = repository / "src" / "deep"
    below.mkdir(parents=True)
    place = read(below)
    assert (place.repository, place.branch, place.name) == ("https://git.example.org/acme/shop.git", "trunk", "shop")


def test_a_worktree_is_its_repository_on_its_own_branch(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "feature/ä#1", str(tmp_path / "elsewhere" / "wt"))
    place = read(tmp_path / "elsewhere" / "wt")
    assert (place.name, place.branch, place.repository) == ("shop", "feature/ä#1", "https://git.example.org/acme/shop.git")
    assert place.main == repository
    (tmp_path / "elsewhere" / "wt" / "web").mkdir()
    assert read(tmp_path / "elsewhere" / "wt" / "web").main == repository / "web"
    assert read(repository).main is None


def test_rules_of_the_repository_count_in_its_worktrees(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "elsewhere" / "wt"))
    (repository / ".cairn.toml").write_text("private = true\n")
    assert "private = true" in (read(tmp_path / "elsewhere" / "wt").private or "")


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert read(repository).branch is None


@pytest.mark.parametrize(
    ("config", "remote"),
    [
        ('[remote "origin"]\n\turl = git@h.org:a/b.git # mine\n', "git@h.org:a/b.git"),
        ('[REMOTE "origin"]\n\tURL="https://h.org/a b.git"\n', "https://h.org/a b.git"),
        (
            '[remote "up"]\n url = https://h.org/1\n[remote "two"]\n url = https://h.org/2\n[branch "main"]\n remote = two\n',
            "https://h.org/2",
        ),
        ('[remote "up"] url = https://h.org/1\n', "https://h.org/1"),
        ('[remote "origin"]\n\turl = https://h.org/\\\nlong\n', "https://h.org/long"),
        ("[core]\n\tbare = false\n", None),
        ("\x00\xff nonsense [[[", None),
    ],
)
def test_a_remote_is_found_as_git_finds_it(tmp_path: Path, config: str, remote: str | None) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git" / "config").write_text(config)
    found = read_checkout(tmp_path)
    assert found is not None
    assert (found.remote, found.branch) == (remote, "main")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:pw@h.org/a@b.git", "https://h.org/a@b.git"),
        ("https://token@h.org/a", "https://h.org/a"),
        ("ssh://git@h.org:22/a", "ssh://h.org:22/a"),
        ("git@h.org:a/b.git", "git@h.org:a/b.git"),
    ],
)
def test_credentials_are_taken_out_of_an_address(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_the_nearest_file_counts_setting_by_setting(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / ".cairn.toml").write_text('project = "outer"\n[inject]\nenabled = false\n')
    (inner / ".cairn.toml").write_text('project = "inner"\n[capture]\nenabled = true\n')
    place = read(inner)
    assert (place.project, place.capture, place.inject, place.private) == ("inner", True, False, None)


def test_a_private_folder_is_private_with_all_below_it(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / ".cairn.toml").write_text("private = true\n")
    (inner / ".cairn.toml").write_text('private = false\nproject = "x"\n')
    assert read(inner).private is not None


@pytest.mark.parametrize(
    "text", ["project = ", "privat = true", 'private = "yes"', "[capture]\nenabled = 1", "[inject]\non = true", "project = ''"]
)
def test_a_file_that_cannot_be_understood_makes_a_folder_private(tmp_path: Path, text: str) -> None:
    (tmp_path / ".cairn.toml").write_text(text)
    assert "correct the file" in (read(tmp_path).private or "")


def test_a_binary_file_makes_a_folder_private(tmp_path: Path) -> None:
    (tmp_path / ".cairn.toml").write_bytes(b"\xff\xfe\x00")
    assert read(tmp_path).private is not None


@pytest.mark.parametrize("listed", ["{tmp}/clients", "{tmp}/clients/acme", "{tmp}/link"])
def test_a_listed_folder_is_private_also_through_a_link(tmp_path: Path, listed: str) -> None:
    (tmp_path / "clients" / "acme" / "src").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "clients")
    settings = ClientSettings(private_folders=(listed.format(tmp=tmp_path),))
    assert read(tmp_path / "clients" / "acme" / "src", settings).private is not None
    assert read(tmp_path / "link" / "acme", settings).private is not None
    assert read(tmp_path, settings).private is None


def test_a_listed_folder_of_a_user_whom_nobody_knows_makes_private(tmp_path: Path) -> None:
    found = read(tmp_path, ClientSettings(private_folders=("~no-such-user-here/clients",)))
    assert "full path" in (found.private or "")


@pytest.mark.parametrize(
    ("listed", "private"),
    [
        ("shop", True),
        ("SHOP", True),
        ("acme/*", True),
        ("git.example.org/acme/shop", True),
        ("git.example.org/*", True),
        ("other", False),
        ("shop2", False),
    ],
)
def test_a_listed_project_is_private_by_any_of_its_names(repository: Path, listed: str, private: bool) -> None:
    place = read(repository, ClientSettings(private_projects=(listed,)))
    assert (place.private is not None) is private


def test_a_directory_that_is_gone_is_read_all_the_same(tmp_path: Path) -> None:
    place = read(tmp_path / "gone" / "deep")
    assert (place.name, place.repository) == ("deep", None)


@pytest.mark.parametrize("gone", ["gone", "gone/below", "file", "file/below"])
def test_a_directory_that_is_not_there_is_private(tmp_path: Path, gone: str) -> None:
    (tmp_path / "file").touch()
    assert "is not a folder" in (read(tmp_path / gone).private or "")
    assert read(tmp_path).private is None
