"""`cairn stop`: ends the server that an earlier command started and left running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from app.cli.exits import FAILED
from app.cli.output import AsJson
from app.cli.requests import print_result

if TYPE_CHECKING:
    from app.cli.announcement import Announcement


def stop(as_json: AsJson = False) -> None:
    """Stop the background server that a command started. A server that you started with `cairn serve` keeps running."""
    import asyncio

    found = asyncio.run(_stop())
    if found is None:
        print_result({"stopped": None}, as_json, "No server runs on this data folder.")
    elif found.warm_minutes is None:
        typer.echo(
            f"cairn: the server at {found.url} was started with `cairn serve`, not by a command."
            f" End it where it runs, with Ctrl-C, or with: kill {found.pid}",
            err=True,
        )
        raise typer.Exit(FAILED)
    else:
        print_result({"stopped": found.pid}, as_json, f"The server at {found.url} (process {found.pid}) has ended.")


async def _stop() -> Announcement | None:
    """End the folder's server if a command started it; return what it announced, None where none runs."""
    from app import settings as config
    from app.cli.local_server import end_server, running_server
    from app.cli.progress import working
    from app.storage.folder import DataFolder

    folder = DataFolder.open(config.load().data_dir)
    found = await running_server(folder)
    if found is not None and found.warm_minutes is not None:
        with working(f"Ending the server at {found.url}"):
            await end_server(folder, found)
    return found
