"""A folder is brought up to date with the items: only what changed is written, and nothing over what a person has edited."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.cli.knowledge.exporting import ExportOutcome, FolderExport, export_items
from app.errors import Conflict
from tests.unit.cli.knowledge.items import item


class Lines:
    """A server whose export has these items; `ended` False: it is cut off."""

    def __init__(self, items: Sequence[dict[str, Any]], *, ended: bool = True) -> None:
        self._items, self._ended = items, ended

    async def lines(self, path: str, *, method: str, project: str | None) -> AsyncIterator[dict[str, Any]]:
        assert (method, path) == ("GET", "/v1/knowledge/export")
        yield {"kind": "export", "items": len(self._items)}
        for each in self._items:
            if project in {None, each["project"]}:
                yield each
        yield {"kind": "news of a newer server"}
        if self._ended:
            yield {"kind": "end", "items": len(self._items)}


async def exported(folder: Path, *items: dict[str, Any], project: str | None = None, ended: bool = True) -> ExportOutcome:
    export = FolderExport(folder, shown_as="the folder", project=project)
    await export_items(Lines(items, ended=ended), export, told=lambda done, of: None)  # type: ignore[arg-type]
    return export.outcome


def counts(outcome: ExportOutcome) -> tuple[int, int, int, int]:
    return outcome.new, outcome.changed, outcome.unchanged, outcome.removed


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


async def test_exporting_twice_changes_nothing(tmp_path: Path) -> None:
    items = [item(title=f"Title {number}") for number in range(3)]
    assert counts(await exported(tmp_path, *items)) == (3, 0, 0, 0)
    before = {each: each.stat().st_mtime_ns for each in tmp_path.iterdir()}
    assert counts(await exported(tmp_path, *items)) == (0, 0, 3, 0)
    assert {each: each.stat().st_mtime_ns for each in tmp_path.iterdir()} == before


async def test_a_changed_item_keeps_its_file_whatever_its_title_and_wherever_it_was_moved(tmp_path: Path) -> None:
    one = item()
    await exported(tmp_path, one)
    (first,) = tmp_path.iterdir()
    (tmp_path / "deep").mkdir()
    moved = first.rename(tmp_path / "deep" / "my name.md")
    outcome = await exported(tmp_path, item(id=one["id"], title="Another title"))
    assert counts(outcome) == (0, 1, 0, 0)
    assert b"Another title" in moved.read_bytes()


async def test_what_a_person_has_edited_is_not_written_over(tmp_path: Path) -> None:
    one = item()
    await exported(tmp_path, one)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b"gone at three", b"gone at four"))
    mine = path.read_bytes()
    outcome = await exported(tmp_path, item(id=one["id"], text="Newer words."))
    assert (counts(outcome), path.read_bytes()) == ((0, 0, 0, 0), mine)
    assert "Import them first: cairn knowledge import the folder" in outcome.problems[path.name]
    assert counts(await exported(tmp_path, item(id=one["id"], text=one["text"].replace("three", "four")))) == (0, 1, 0, 0), (
        "it was imported"
    )


async def test_a_file_that_only_leaves_lines_out_has_no_edits_and_is_written_whole_again(tmp_path: Path) -> None:
    one = item()
    await exported(tmp_path, one)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(re.sub(rb"title: .*\n", b"", whole).rstrip())
    assert counts(await exported(tmp_path, one)) == (0, 1, 0, 0)
    assert path.read_bytes() == whole


async def test_the_file_of_an_item_that_is_gone_is_removed_unless_somebody_edited_it(tmp_path: Path) -> None:
    stays, gone, edited = (item(title=title) for title in ("stays", "gone", "edited"))
    await exported(tmp_path, stays, gone, edited)
    (path,) = tmp_path.glob("edited-*.md")
    path.write_bytes(path.read_bytes() + b"more words\n")
    (tmp_path / "README.md").write_text("ours\n")
    outcome = await exported(tmp_path, stays)
    assert counts(outcome) == (0, 0, 1, 1)
    assert {each.name.partition("-")[0] for each in tmp_path.iterdir()} == {"stays", "edited", "README.md"}
    assert "its item is gone" in outcome.problems[path.name]


async def test_an_export_of_one_project_leaves_the_files_of_others(tmp_path: Path) -> None:
    shop, gone, till = item(), item(), item(project="till")
    await exported(tmp_path, shop, gone, till)
    assert counts(await exported(tmp_path, shop, project="shop")) == (0, 0, 1, 1)
    assert len(contents(tmp_path)) == 2


async def test_the_folder_of_another_team_is_not_emptied(tmp_path: Path) -> None:
    await exported(tmp_path, item(), item())
    before = contents(tmp_path)
    theirs = [item(title=f"Theirs {number}") for number in range(3)]
    for _ in range(2):
        with pytest.raises(Conflict, match=r"None of the 2 items in the folder came from this server.*Nothing was removed, and no file"):
            await exported(tmp_path, *theirs)
        assert contents(tmp_path) == before


@pytest.mark.parametrize("theirs", [[], [item(title="theirs")]])
async def test_files_of_a_project_of_which_none_came_are_not_removed(tmp_path: Path, theirs: list[dict[str, Any]]) -> None:
    await exported(tmp_path, item(), item(), item(project="till"))
    before = contents(tmp_path)
    for _ in range(2):
        with pytest.raises(Conflict, match="None of the 2 items of the project 'shop'"):
            await exported(tmp_path, *theirs, project="shop")
        assert contents(tmp_path) == before


@pytest.mark.parametrize("project", [None, "shop"])
async def test_two_files_of_one_item_do_not_make_another_teams_folder_ours(tmp_path: Path, project: str | None) -> None:
    await exported(tmp_path, item(title="one"), item(title="other"))
    (path,) = tmp_path.glob("one-*.md")
    (tmp_path / "copy.md").write_bytes(path.read_bytes())
    before = contents(tmp_path)
    with pytest.raises(Conflict, match="None of the 2 items"):
        await exported(tmp_path, project=project)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("project", [None, "shop"])
async def test_one_item_that_came_makes_the_folder_ours_be_it_of_two_files_and_after_new_ones(tmp_path: Path, project: str | None) -> None:
    one, gone, new = item(title="one"), item(title="gone"), item(title="new")
    await exported(tmp_path, one, gone)
    (path,) = tmp_path.glob("one-*.md")
    (tmp_path / "copy.md").write_bytes(path.read_bytes())
    assert counts(await exported(tmp_path, new, one, project=project)) == (1, 0, 0, 1)
    assert {each.name.partition("-")[0] for each in tmp_path.iterdir()} == {"one", "new", "copy.md"}


async def test_new_items_of_a_project_that_has_no_file_yet_are_added(tmp_path: Path) -> None:
    await exported(tmp_path, item(project="till"))
    assert counts(await exported(tmp_path, item(), project="shop")) == (1, 0, 0, 0)


async def test_an_export_that_is_cut_off_removes_nothing(tmp_path: Path) -> None:
    one, other = item(), item()
    await exported(tmp_path, one, other)
    with pytest.raises(Conflict, match="cut off"):
        await exported(tmp_path, one, ended=False)
    assert len(contents(tmp_path)) == 2


async def test_two_files_of_one_item_are_both_named_and_left(tmp_path: Path) -> None:
    one, other = item(title="one"), item(title="other")
    await exported(tmp_path, one, other)
    (path,) = tmp_path.glob("one-*.md")
    for name in ("copy.md", "copy of a copy.md"):
        (tmp_path / name).write_bytes(path.read_bytes())
    before = contents(tmp_path)
    outcome = await exported(tmp_path, item(id=one["id"], text="Newer words."), other)
    assert (counts(outcome), contents(tmp_path)) == ((0, 0, 1, 0), before)
    assert set(outcome.problems) == {path.name, "copy.md", "copy of a copy.md"}


async def test_a_file_that_can_not_be_read_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "bad.md").write_text("---\nid: x\n---\n")
    outcome = await exported(tmp_path, item())
    assert counts(outcome) == (1, 0, 0, 0)
    assert "no item's id" in outcome.problems["bad.md"]
