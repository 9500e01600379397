"""Writes the team's items into a folder: new ones and changed ones, and nothing over what a person has edited."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.knowledge.comparing import PresentItem
from app.cli.knowledge.documents import ItemDocument, digest, write
from app.cli.knowledge.folder import MarkdownFile, find_files, is_unchanged, new_path, replace_file
from app.errors import Conflict

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

NOT_IMPORTED = "has edits that are not imported yet, so it was not written over. Import them first: cairn knowledge import {}"
GONE_EDITED = (
    "was edited by hand, and its item is gone (deleted, judged wrong, retired, or closed to you): it was not removed. Delete it, or remove"
    " its line `id` and import it as a new item"
)


@dataclass(slots=True)
class ExportOutcome:
    """The files by what became of them. `problems`: those that were left as they are, with the reason."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of an item. `edited`: its words, where a person has edited it; None: it is as it was written."""

    path: Path
    name: str
    digest: bytes
    edited: ItemDocument | None


class FolderExport:
    """Brings a folder up to date with the items that come. `project`: only its items come, and only files that name it may be removed.

    Where none of these files' items comes, they are another team's or server's: then none is removed, and no new one put between them.
    """

    def __init__(self, folder: Path, *, shown_as: str, project: str | None = None) -> None:
        self._folder = folder
        self._shown_as = shown_as
        self.project = project
        self.outcome = ExportOutcome()
        self._known: dict[str, ExportedFile] = {}
        self._doubled: set[str] = set()
        self._removable: set[str] = set()
        self._came: set[str] = set()
        self._held: list[Json] | None = []

    def read(self) -> None:
        """Learn which items have a file in the folder already."""
        for each in find_files(self._folder):
            if each.problem is not None:
                self.outcome.problems[each.name] = each.problem
            elif each.document is not None and each.document.id is not None:
                self._learn(each, each.document, each.document.id)

    def _learn(self, found: MarkdownFile, document: ItemDocument, item_id: str) -> None:
        if self.project in {None, document.project}:
            self._removable.add(item_id)
        first = self._known.pop(item_id, None)
        if first is not None or item_id in self._doubled:
            self._doubled.add(item_id)
            for name in [found.name, *([first.name] if first else [])]:
                self.outcome.problems[name] = f"another file has the same id {item_id}: delete one of them, and export again"
            return
        edited = None if document.is_as_written else document
        self._known[item_id] = ExportedFile(found.path, found.name, found.digest, edited)

    def put(self, item: Json) -> None:
        """Write an item's file, where it is not as it should be."""
        item_id = str(item["id"])
        self._came.add(item_id)
        if item_id in self._removable:
            self._add_held()
        if item_id in self._doubled:
            return
        known, content = self._known.get(item_id), write(item)
        if known is None:
            self._add(item)
        elif digest(content) == known.digest:
            self.outcome.unchanged += 1
        elif (known.edited is not None and PresentItem.of(item).changes(known.edited)) or not is_unchanged(known.path, known.digest):
            self.outcome.problems[known.name] = NOT_IMPORTED.format(self._shown_as)
        else:
            replace_file(known.path, content)
            self.outcome.changed += 1

    def _add(self, item: Json) -> None:
        """Write a new file, or hold its item back until it is known whose folder this is."""
        if self._held is not None and self._removable:
            self._held.append(item)
            return
        replace_file(new_path(self._folder, item["title"], str(item["id"])), write(item))
        self.outcome.new += 1

    def _add_held(self) -> None:
        held, self._held = self._held, None
        for item in held or ():
            self._add(item)

    def finish(self) -> None:
        """Remove the files whose items didn't come, if nobody has edited them. Conflict if they are another team's or server's."""
        gone = [each for key, each in self._known.items() if key in self._removable - self._came]
        if gone and not self._removable & self._came:
            of = "" if self.project is None else f" of the project {self.project!r}"
            raise Conflict(
                f"None of the {len(self._removable):,} items{of} in {self._shown_as} came from this server: is it the folder of another"
                " team or server? Nothing was removed, and no file added. Export into a new folder, or delete these files."
            )
        self._add_held()
        for each in gone:
            if each.edited is not None or not is_unchanged(each.path, each.digest):
                self.outcome.problems[each.name] = GONE_EDITED
                continue
            with suppress(FileNotFoundError):
                each.path.unlink()
            self.outcome.removed += 1


async def export_items(client: ServerClient, export: FolderExport, *, told: Callable[[int, int], None]) -> None:
    """Write the items, as they come, then remove what is gone. `told`: called with how many of how many came. Conflict if it is cut off."""
    export.read()
    expected, came, ended = 0, 0, False
    async for record in client.lines("/v1/knowledge/export", method="GET", project=export.project):
        match record["kind"]:
            case "export":
                expected = int(record["items"])
            case "item":
                export.put(record)
                came += 1
                told(came, expected)
            case "end":
                ended = True
            case _:  # of a newer server
                pass
    if not ended:
        raise Conflict("The export was cut off: the server ended it early. No file was removed; try again.")
    export.finish()
