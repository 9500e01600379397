"""The command line knows the types without importing the room of knowledge."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.remember import Type, project_here
from app.errors import InvalidInput
from app.knowledge.item import KNOWLEDGE_TYPES


def test_the_types_are_those_of_knowledge() -> None:
    assert tuple(Type) == KNOWLEDGE_TYPES


@pytest.mark.parametrize("marker", ["folder", "file"])
def test_the_project_is_the_repository_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    inner = tmp_path / "shop" / "src" / "deep"
    inner.mkdir(parents=True)
    git = tmp_path / "shop" / ".git"
    git.mkdir() if marker == "folder" else git.write_text("gitdir: elsewhere")  # a worktree has a file
    monkeypatch.chdir(inner)
    assert project_here() == "shop"


def test_outside_of_a_repository_a_project_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="--project"):
        project_here()


def test_the_project_is_the_remotes_and_first_of_all_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkout" / ".git").mkdir(parents=True)
    (tmp_path / "checkout" / ".git" / "config").write_text('[remote "origin"]\n\turl = git@example.com:acme/shop.git\n')
    monkeypatch.chdir(tmp_path / "checkout")
    assert project_here() == "shop"
    (tmp_path / "checkout" / ".cairn.toml").write_text('project = "till"\n')
    assert project_here() == "till"
