"""`cairn export`: all that the team has, as far as your key reads it, in one file of JSON Lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.cli.progress import Quiet, steps
from app.cli.requests import print_result, send_request

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient


def export(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A new file; one JSON object per line. Compressed if it ends in .zst.", show_default=False),
    ],
    *,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Export all that the team has: people, projects, sessions, items, budgets, calls. Without secrets; to an admin all of it."""
    from app.cli.export_file import check_new, write_records

    check_new(file)

    async def work(client: ServerClient) -> Json:
        with steps("Records exported", quiet=quiet) as progress:

            async def records() -> AsyncIterator[Json]:
                async for record in client.lines("/v1/export", method="GET"):
                    progress.advance()
                    yield record

            return await write_records(records(), file, mark="kind")

    counts: dict[str, int] = send_request(work)["records"]
    told = ", ".join(f"{kind} {count:,}" for kind, count in counts.items()) or "nothing"
    print_result({"file": str(file), "records": counts}, as_json, f"{file}: {told}.")
