"""`cairn developers remove` and `export`: a developer goes, and with them, if so wished, what they sent."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.arguments import Developer
from app.cli.export_file import check_new, write_records
from app.cli.output import AsJson
from app.cli.progress import steps
from app.cli.requests import path_segment, print_result, send_request
from app.errors import CairnError, Conflict, InvalidInput

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

Fate = Literal["keep", "erase"]
READ_SECONDS, PAUSE_SECONDS = 300.0, 1.0
"""For how long a removal waits until what was sent is read, and between two questions for it."""
NOT_READ = "Uploaded transcripts that are not processed yet: {}. The export would lack them."


def remove(
    developer: Developer,
    *,
    sessions: Annotated[
        Fate,
        typer.Option(help="erase: purge their sessions, and knowledge found only in these. keep: keep their sessions.", show_default=False),
    ],
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="First write their sessions to this new file.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a developer for good: their keys and sign-ins are refused. What they spent stays in the ledger."""
    if export is not None:
        check_new(export)
    _confirm(developer, sessions, asks=not yes)

    async def work(client: ServerClient) -> Json:
        path = f"/v1/developers/{path_segment(developer)}"
        exported: Json = {}
        if export is not None:
            await client.patch(path, {"disabled": True})  # else what comes after the export might be erased without being in it
            try:
                await _until_read(client, path, developer)
                exported = {"exported": await _write(client, path, export, whole=True)}
            except CairnError as error:
                said = f"{error.message} {developer} is not removed, but disabled. Undo: cairn developers enable {developer}"
                raise CairnError(said, code=error.code) from error
        return await client.delete(f"{path}?sessions={sessions}") | exported

    done = send_request(work)
    fate = "being erased, in the background" if sessions == "erase" else "kept"
    told = f" Exported to {export}: {done['exported']['sessions']} sessions." if export is not None else ""
    words = f"{developer} is removed, and shown in the ledger as {done['name']}.{told} {done['sessions']} sessions are {fate}."
    print_result(done, as_json, words)


def export(
    developer: Developer,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; one JSON object per line.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Export all of a developer's sessions to a file. Secrets are redacted, as in the database."""
    check_new(file)
    done = send_request(lambda client: _write(client, f"/v1/developers/{path_segment(developer)}", file))
    print_result(done, as_json, f"{file}: {done['sessions']} sessions with {done['events']} events of {developer}.")


def _confirm(developer: str, sessions: Fate, *, asks: bool) -> None:
    if not asks:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(f"Removing {developer} can't be undone, and there is no terminal to ask on: add --yes.")
    what = "and ERASE all their sessions, and knowledge found only in these" if sessions == "erase" else "and keep their sessions"
    typer.confirm(f"Remove {developer} for good, {what}?", abort=True, err=True)


async def _until_read(client: ServerClient, path: str, developer: str) -> None:
    """Wait until what the developer sent is read, so that the export has it: erasing would delete what waits. Conflict after a while."""
    import asyncio

    until, most = time.monotonic() + READ_SECONDS, 0
    with steps(f"Transcripts of {developer} read") as progress:
        while waiting := await _waiting(client, path):
            most = max(most, waiting)
            progress.update(most - waiting, most)
            if time.monotonic() >= until:
                raise Conflict(f"{NOT_READ.format(waiting)} Check that a worker runs (`cairn doctor`), and try again later.")
            await asyncio.sleep(PAUSE_SECONDS)


async def _waiting(client: ServerClient, path: str) -> int:
    async with aclosing(_records(client, path)) as records:
        async for record in records:
            return int(record["waiting"])
    return 0


async def _write(client: ServerClient, path: str, file: Path, *, whole: bool = False) -> Json:
    """Write an export to a new file; returns its numbers. `whole`: Conflict where it lacks what is not read yet."""

    async def records() -> AsyncGenerator[Json]:
        async for record in _records(client, path):
            if whole and record.get("waiting"):
                raise Conflict(f"{NOT_READ.format(record['waiting'])} Try again.")
            yield record

    end = await write_records(records(), file, mark="record")
    return {"file": str(file), "sessions": end["sessions"], "events": end["events"]}


async def _records(client: ServerClient, path: str) -> AsyncGenerator[Json]:
    async for record in client.lines(f"{path}/export", method="GET"):
        yield record
