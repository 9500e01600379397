"""Brings a folder's hand-made edits back: corrections of items, and new ones. Whatever can't be taken is said, and the rest goes on.

First all files are read and compared with the items as they are; only then is anything sent. A correction goes with the revision that its
file was written with, so that nobody's later words are lost; the file is then written anew, with the item as it is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.cli.exits import ServerRefused
from app.cli.knowledge.comparing import NEW_TYPE, PresentItem, check_new, compare, differences
from app.cli.knowledge.documents import ItemDocument, write
from app.cli.knowledge.folder import MarkdownFile, find_files, is_unchanged, replace_file
from app.cli.wording import without_routes
from app.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

AT_ONCE: Final = 4
"""Items sent at once: the server writes two at a time."""
NOT_AUTHENTICATED, NOT_FOUND, CHANGED_MEANWHILE = 401, 404, 412
AGAIN: Final = frozenset({429, 503})
PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before a refused item is sent again: a key's rate is counted by the minute."""
NO_ITEM = (
    "there is no item {} that you can see: it was deleted, its project is closed to you, or it is another team's. Remove the line `id` to"
    " record it as a new item, or delete the file"
)
MEANWHILE = "others changed the item at this moment, and the file stays as it is: import again, to see how"
RECORDED_BEFORE = (
    "its text is recorded already, as item {id}, which differs in: {fields}. Nothing was changed, and the file stays. To correct that item,"
    " write `id: {id}` and `revision: {revision}` into the front matter and import again; else write another text, or delete the file"
)
TWICE = "another file has the same id {}: delete one of them, and import again"


@dataclass(slots=True)
class ImportOutcome:
    """The files by what became of them, or would become without `dry_run`. `ignored`: without front matter; `problems`: with the reason."""

    recorded: list[str] = field(default_factory=list)
    corrected: list[str] = field(default_factory=list)
    unchanged: int = 0
    outdated: int = 0
    ignored: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """A file to send. `present` None: it is a new item."""

    file: MarkdownFile
    document: ItemDocument
    present: PresentItem | None


class FolderImport:
    """Imports the files of a folder. `project`: asked for that of new items whose file names none."""

    def __init__(self, client: ServerClient, folder: Path, *, project: Callable[[], str], dry_run: bool) -> None:
        self._client = client
        self._folder = folder
        self._project = project
        self._dry_run = dry_run
        self.outcome = ImportOutcome()
        self._items: dict[str, MarkdownFile] = {}
        self._tasks: list[Task] = []

    async def run(self, told: Callable[[int, int], None]) -> None:
        """Read the folder and the items, then send what differs. `told`: called with how many of how many files are done."""
        self._read()
        if self._items:
            await self._compare()
        total = len(self._items) + sum(task.present is None for task in self._tasks)
        done = total - len(self._tasks)
        told(done, total)
        waiting = iter(self._tasks)

        async def work() -> None:
            nonlocal done
            for task in waiting:
                await self._send(task)
                done += 1
                told(done, total)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(work())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed  # one is enough: the server is unreachable for all, or the key is refused

    def _read(self) -> None:
        doubled: dict[str, list[str]] = {}
        for each in find_files(self._folder):
            if each.problem is not None:
                self.outcome.problems[each.name] = each.problem
            elif each.document is None:
                self.outcome.ignored.append(each.name)
            elif each.document.id is None:
                self._add_new(each, each.document)
            elif (first := self._items.setdefault(each.document.id, each)) is not each:
                doubled.setdefault(each.document.id, [first.name]).append(each.name)
        for item_id, names in doubled.items():
            del self._items[item_id]
            self.outcome.problems |= dict.fromkeys(names, TWICE.format(item_id))

    def _add_new(self, file: MarkdownFile, document: ItemDocument) -> None:
        try:
            check_new(document)
        except InvalidInput as error:
            self.outcome.problems[file.name] = error.message
        else:
            self._tasks.append(Task(file, document, None))

    async def _compare(self) -> None:
        """Compare the files with the items as they are now: one request for all, and one for each that a list doesn't show."""
        missing = dict(self._items)
        ended = False
        async for record in self._client.lines("/v1/knowledge/export", method="GET"):
            ended = record["kind"] == "end"
            if record["kind"] == "item" and (file := missing.pop(str(record["id"]), None)) is not None:
                self._sort(file, record)
        if not ended:
            raise Conflict("The server ended its list of items early, so nothing was sent. Try again.")
        for item_id, file in missing.items():
            try:
                self._sort(file, await self._client.get(f"/v1/knowledge/{item_id}"))
            except ServerRefused as error:
                if error.status != NOT_FOUND:
                    raise
                self.outcome.problems[file.name] = NO_ITEM.format(item_id)

    def _sort(self, file: MarkdownFile, item: Json) -> None:
        """Decide what is to be done with the file of an item."""
        assert file.document is not None
        try:
            present = PresentItem.of(item)
            verdict = compare(file.document, present)
        except InvalidInput as error:
            self.outcome.problems[file.name] = error.message
            return
        match verdict:
            case "unchanged":
                self.outcome.unchanged += 1
            case "outdated":
                self.outcome.outdated += 1
            case "edited":
                self._tasks.append(Task(file, file.document, present))

    async def _send(self, task: Task) -> None:
        try:
            await self._recorded(task) if task.present is None else await self._corrected(task, task.present)
        except InvalidInput as error:
            self.outcome.problems[task.file.name] = error.message
        except ServerRefused as error:
            if error.status in {NOT_AUTHENTICATED, *AGAIN}:
                raise  # of every file: run again, it goes on from here
            self.outcome.problems[task.file.name] = MEANWHILE if error.status == CHANGED_MEANWHILE else without_routes(error.message)

    async def _corrected(self, task: Task, present: PresentItem) -> None:
        if not self._dry_run:
            path, headers = f"/v1/knowledge/{task.document.id}", {"if-match": f'"{present.revision}"'}
            body = present.changes(task.document)
            self._written(task, await _patiently(lambda: self._client.patch(path, body, headers=headers)))
        self.outcome.corrected.append(task.file.name)

    async def _recorded(self, task: Task) -> None:
        document = task.document
        project = document.project or self._project()
        if not self._dry_run:
            given = {"type": document.type or NEW_TYPE, "title": document.title or None, "text": document.text.strip(), "project": project}
            body = {name: value for name, value in given.items() if value is not None} | {"paths": list(document.paths or ())}
            item = await _patiently(lambda: self._client.post("/v1/knowledge", body))
            if (other := self._items.get(str(item["id"]))) is not None:
                self.outcome.problems[task.file.name] = f"its text is recorded already, as the item of {other.name}: delete one of them"
                return
            if fields := differences(document, item):
                said = RECORDED_BEFORE.format(id=item["id"], revision=item["revision"], fields=", ".join(fields))
                self.outcome.problems[task.file.name] = said
                return
            self._items[str(item["id"])] = task.file
            self._written(task, item)
        self.outcome.recorded.append(task.file.name)

    def _written(self, task: Task, item: Mapping[str, object]) -> None:
        """Write the item as it is stored into its file, so that the next edit begins from there; not over what was saved meanwhile."""
        if not is_unchanged(task.file.path, task.file.digest):
            self.outcome.problems[task.file.name] = (
                f"it was saved while it was imported. What it said before is stored, as item {item['id']} at revision {item['revision']}:"
                " write these two into its front matter, and import again"
            )
            return
        replace_file(task.file.path, write(dict(item)))


async def _patiently(send: Callable[[], Awaitable[Json]]) -> Json:
    """Send, and again after a while where the server says that it is too much at once."""
    for seconds in PAUSES:
        try:
            return await send()
        except ServerRefused as error:
            if error.status not in AGAIN:
                raise
            await asyncio.sleep(seconds)
    return await send()
