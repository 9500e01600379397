"""What an IDE works in: the folders that it names, and the one in which it starts a program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.cli.workspace import NAMING, named_folders, read_workspace


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for folder in ("home", "shop", "till, old"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ".cairn.toml").write_text(f'project = "{folder}"\n')
    monkeypatch.chdir(tmp_path / "home")


@pytest.mark.parametrize("name", NAMING)
def test_the_folder_that_the_ide_names_counts_before_the_programs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert read_workspace()[0].project == "home"
    monkeypatch.setenv(name, str(tmp_path / "shop"))
    assert read_workspace()[0].project == "shop"


@pytest.mark.parametrize("private", ["home", "shop", "till, old"])
def test_one_private_folder_makes_all_private_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: str) -> None:
    monkeypatch.setenv("CURSOR_PROJECT_DIR", str(tmp_path / "shop"))
    monkeypatch.setenv("WORKSPACE_FOLDER_PATHS", str(tmp_path / "till, old"))
    assert read_workspace()[0].private is None
    (tmp_path / private / ".cairn.toml").write_text("private = true\n")
    assert read_workspace()[0].private is not None


@pytest.mark.parametrize("between", [",", ", ", os.pathsep, "\n"])
def test_several_folders_in_one_variable_are_each_read(tmp_path: Path, between: str) -> None:
    shop, home = tmp_path / "shop", tmp_path / "home"
    assert list(named_folders({"WORKSPACE_FOLDER_PATHS": f"{shop}{between}{home}"})) == [shop, home]


@pytest.mark.parametrize("text", ["", " ", "${workspaceFolder}", "relative"])
def test_what_names_no_place_is_passed_over(text: str) -> None:
    assert list(named_folders({"WORKSPACE_FOLDER_PATHS": text})) == []


def test_a_folder_that_is_gone_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "can't be read" in (read_workspace()[0].private or "")
