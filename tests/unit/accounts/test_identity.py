"""Which project a session belongs to, by its repository or its folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.identity import identify, of_folder, of_repository


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:Acme/shop.git",
        "https://github.com/acme/shop",
        "https://github.com/acme/shop.git/",
        "ssh://git@github.com:22/acme/shop.git",
        "https://ada:ghp_aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5@github.com/acme/shop.git",
        "git://github.com/acme/shop",
        "github.com:acme/shop.git",
    ],
)
def test_every_spelling_of_a_url_is_one_repository(url: str) -> None:
    found = of_repository(url)
    assert found is not None
    assert (found.key, found.name, (found.owner or "").casefold()) == ("repository:github.com/acme/shop", "shop", "acme")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://gitlab.example.org/group/sub/tool.git", "repository:gitlab.example.org/group/sub/tool"),
        ("https://dev.azure.com/org/project/_git/repo", "repository:dev.azure.com/org/project/repo"),
        ("git@example.org:payroll.git", "repository:example.org/payroll"),
    ],
)
def test_repositories_in_groups_and_without_an_owner(url: str, key: str) -> None:
    found = of_repository(url)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize(
    "url", ["", " ", "/srv/git/shop.git", "file:///srv/git/shop.git", "../shop", "C:/work/shop", "https://", "https://[", "x"]
)
def test_what_is_no_remote_repository_is_none(url: str) -> None:
    assert of_repository(url) is None


@pytest.mark.parametrize(
    ("directory", "key"),
    [
        ("/home/ada/shop", "folder:shop"),
        ("/Users/bob/code/shop", "folder:shop"),
        ("C:\\Users\\bob\\source\\repos\\shop\\", "folder:shop"),
        ("/mnt/c/Users/bob/shop", "folder:shop"),
        ("C:\\work\\till\\", "folder:till"),
        ("/workspace/shop", "folder:shop"),
        ("/root/shop", "folder:shop"),
        ("/home/dev/acme/backend", "folder:acme/backend"),
        ("/home/dev/work/globex/backend", "folder:globex/backend"),
        ("/srv/clients/initech/backend", "folder:initech/backend"),
    ],
)
def test_a_folder_counts_with_what_stands_above_it_unless_that_says_nothing(directory: str, key: str) -> None:
    found = of_folder(directory)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize(
    "directory",
    [
        "/home/dev/shop/.worktrees/2",
        "/home/dev/shop/worktrees/fix-login/web",
        "/home/dev/shop/.claude/worktrees/fix-login/web",
        "/home/dev/shop/.git/worktrees/fix",
        "/home/dev/shop.worktrees/fix-login",
        "/home/dev/shop-worktrees/fix-login/web",
        "/home/dev/shop_worktree/x",
        "/home/dev/.cursor/worktrees/shop/2Xq9z",
        "/home/dev/.cursor/worktrees/shop",
        "/home/dev/worktrees/shop/fix-login",
    ],
)
def test_a_worktree_is_its_repository(directory: str) -> None:
    found = of_folder(directory)
    assert found is not None
    assert found.key == "folder:shop"


@pytest.mark.parametrize(
    ("directory", "id"),
    [
        ("/Users/dev/.codex/worktrees/1d2f/shop", "1d2f"),
        ("/Users/dev/.codex/worktrees/1d2f/shop/packages/web", "1d2f"),
        ("C:\\Users\\dev\\.codex\\worktrees\\9a77\\shop", "9a77"),
        ("/home/dev/.codex/worktrees/brave-owl/shop", "brave-owl"),
        ("/home/dev/.other/worktrees/9a77/shop", "9a77"),
        ("/home/dev/worktrees/0f3c/shop/web", "0f3c"),
    ],
)
def test_a_worktree_below_a_generated_id_is_told_from_anothers_of_its_name_by_the_id(directory: str, id: str) -> None:
    found = of_folder(directory)
    assert found is not None
    assert (found.key, found.name, found.owner) == (f"folder:{id}/shop", "shop", id)


@pytest.mark.parametrize(
    ("directory", "key"), [("/home/dev/git-worktree", "folder:git-worktree"), ("/w/x/my_worktrees", "folder:x/my_worktrees")]
)
def test_a_folder_that_is_only_called_so_is_no_worktree(directory: str, key: str) -> None:
    found = of_folder(directory)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize("directory", [None, "", "/", "   ", "\\", "/home/ada", "/root", "\u200b"])
def test_a_folder_that_says_nothing_is_no_project(directory: str | None) -> None:
    assert of_folder(directory) is None


def test_the_repository_goes_before_the_folder() -> None:
    found = identify("git@example.org:acme/payroll.git", "/Users/dev/.codex/worktrees/9a77/other")
    assert found is not None
    assert found.name == "payroll"
    fallback = identify("../payroll", "/home/dev/other")
    assert fallback is not None
    assert fallback.key == "folder:other"


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_a_project_that_can_be_shown_or_none(repository: str, directory: str) -> None:
    found = identify(repository, directory)
    assert found is None or (0 < len(found.name) <= 100 and found.name.isprintable())
