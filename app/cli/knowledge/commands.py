"""`cairn knowledge export` and `cairn knowledge import`: items as Markdown files in a folder, for a repository, an editor or a wiki."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.exits import FAILED
from app.cli.output import AsJson
from app.cli.progress import Quiet, steps
from app.cli.remember import project_here
from app.cli.requests import print_result, send_request

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient
    from app.cli.knowledge.importing import ImportOutcome

knowledge = typer.Typer(help="Export items of knowledge to a folder of Markdown files, and import edits.", no_args_is_help=True)

EMPTY = "There are no items{} yet. Items come from sessions (cairn ingest) and from people (cairn remember)."
NO_FILES = "{} has no Markdown files with items. Write some: cairn knowledge export {}"


@knowledge.command("export")
def export_folder(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write; created if it is missing.", show_default=False)],
    *,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only this project's items.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write each item to a Markdown file. Only changed files are written, and none that you edited and didn't import."""
    from app.cli.knowledge.exporting import FolderExport, export_items
    from app.cli.knowledge.folder import open_folder

    export = FolderExport(open_folder(folder, create=True), shown_as=str(folder), project=project)

    async def work(client: ServerClient) -> Json:
        with steps("Items exported", quiet=quiet) as progress:
            await export_items(client, export, told=progress.update)
        return {}

    send_request(work)
    done = export.outcome
    counts = {"new": done.new, "changed": done.changed, "unchanged": done.unchanged, "removed": done.removed}
    if not any(counts.values()) and not done.problems:
        typer.echo(EMPTY.format(f" in the project {project!r}" if project else ""), err=True)
    words = f"{folder}: {done.new:,} new, {done.changed:,} changed, {done.unchanged:,} unchanged, {done.removed:,} removed."
    _end({"folder": str(folder), **counts, "problems": done.problems}, as_json, words, done.problems)


@knowledge.command("import")
def import_folder(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that was exported, or of new files.", show_default=False)],
    *,
    project: Annotated[
        str | None, typer.Option("--project", "-p", help="Project of new items whose file names none. Default: the current repository.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Import edits of exported files as your corrections, and files without an id as new items. Deleting a file deletes no item."""
    from app.cli.knowledge.folder import open_folder
    from app.cli.knowledge.importing import FolderImport

    place = open_folder(folder)
    named: Callable[[], str] = project_here if project is None else lambda: project
    found: list[ImportOutcome] = []

    async def work(client: ServerClient) -> Json:
        with steps("Files imported", quiet=quiet) as progress:
            imported = FolderImport(client, place, project=named, dry_run=dry_run)
            found.append(imported.outcome)
            await imported.run(progress.update)
        return {}

    send_request(work)
    done = found[0]
    counts = {"recorded": sorted(done.recorded), "corrected": sorted(done.corrected)}
    files = {**counts, "unchanged": done.unchanged, "outdated": done.outdated, "ignored": done.ignored}
    if not any(files.values()) and not done.problems:
        typer.echo(NO_FILES.format(folder, folder), err=True)
    words = _told(counts, done, dry_run=dry_run)
    _end({"folder": str(folder), "dry_run": dry_run, **files, "problems": done.problems}, as_json, words, done.problems)


def _told(counts: Mapping[str, Sequence[str]], done: ImportOutcome, *, dry_run: bool) -> str:
    """Say in words what was done with the files."""
    would = "would be " if dry_run else ""
    lines = [f"{would}{what}: {name}" for what, names in counts.items() for name in names]
    lines += [f"ignored, since it has no front matter: {name}" for name in done.ignored]
    sums = [f"{len(names):,} {would}{what}" for what, names in counts.items()] + [f"{done.unchanged:,} unchanged"]
    if done.outdated:
        sums.append(f"{done.outdated:,} older than their items (cairn knowledge export brings the present words)")
    return "\n".join([*lines, f"{', '.join(sums)}."])


def _end(data: Json, as_json: bool, words: str, problems: Mapping[str, str]) -> None:
    """Print the outcome, then each file that was left as it is; exit 1 if there is one."""
    from app.cli.output import printable

    print_result(data, as_json, words)
    for name, said in sorted(problems.items()):
        typer.echo(f"cairn: {printable(name)}: {printable(said).rstrip('.')}.", err=True)
    if problems:
        raise typer.Exit(FAILED)
