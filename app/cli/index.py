"""`cairn index rebuild`: rebuilds the vector index from PostgreSQL."""

from __future__ import annotations

import typer

from app.cli.output import AsJson
from app.cli.progress import Quiet, steps

index = typer.Typer(help="Rebuild the vector index.", no_args_is_help=True)


@index.callback()
def _group() -> None:
    """Keep `rebuild` a subcommand although it is the only one."""


@index.command()
def rebuild(quiet: Quiet = False, as_json: AsJson = False) -> None:
    """Rebuild the vector index from PostgreSQL. Queries use the old index until the new one is ready."""
    import asyncio

    from app.cli.output import out, print_json

    points = asyncio.run(_rebuild(quiet=quiet))
    if as_json:
        print_json({"points": points})
    else:
        out.print(f"The index holds {points:,} items and passages.")


async def _rebuild(*, quiet: bool) -> int:
    from app.cli.client import error_of
    from app.cli.exits import Unreachable
    from app.cli.reach import open_client

    async with open_client() as client:
        with steps("Rebuilding the index", quiet=quiet) as progress:
            async for line in client.lines("/v1/index/rebuild"):
                if "error" in line:
                    raise error_of(line, status=500)
                if "points" in line:
                    return int(line["points"])
                progress.update(line["done"], line["total"])
    raise Unreachable(
        "The connection to the server ended before the rebuild did; the old index stays. Check that the server runs (`cairn doctor`),"
        " then try again."
    )
