"""`cairn index rebuild`: rebuilds the vector index from PostgreSQL."""

from __future__ import annotations

import typer

from app.cli.output import AsJson

index = typer.Typer(help="Rebuild the vector index.", no_args_is_help=True)


@index.callback()
def _group() -> None:
    """Keep `rebuild` a subcommand although it is the only one."""


@index.command()
def rebuild(as_json: AsJson = False) -> None:
    """Rebuild the vector index from PostgreSQL. Queries use the old one meanwhile."""
    import asyncio

    from app.cli.output import out, print_json

    points = asyncio.run(_rebuild())
    if as_json:
        print_json({"points": points})
    else:
        out.print(f"The index holds {points:,} items and passages.")


async def _rebuild() -> int:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from app.cli.client import error_of
    from app.cli.exits import Unreachable
    from app.cli.output import err
    from app.cli.reach import open_client

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with open_client() as client:
        with Progress(*columns, console=err, transient=True) as bars:
            bar = bars.add_task("Rebuilding", total=None)
            async for line in client.lines("/v1/index/rebuild"):
                if "error" in line:
                    raise error_of(line, status=500)
                if "points" in line:
                    return int(line["points"])
                bars.update(bar, completed=line["done"], total=line["total"] or None)
    raise Unreachable(
        "The connection to the server ended before the rebuild did; the old index stays. Check that the server runs (`cairn doctor`),"
        " then try again."
    )
