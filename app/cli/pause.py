"""`cairn pause`: stops capture on this machine, for a while or until it is ended."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from app.cli.pauses import Pause, write_pause
from app.errors import InvalidInput


def pause(
    minutes: Annotated[
        float | None, typer.Option("--minutes", "-m", help="Length of the pause in minutes. Default: until `cairn pause --off`.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="End the pause.")] = False,
) -> None:
    """Pause capture on this machine. Hooks and `cairn watch` send nothing; sessions written during the pause aren't sent later either."""
    if off and minutes is not None:
        raise InvalidInput("--off ends a pause and --minutes starts one: give only one of them.", param="off")
    if minutes is not None and not 0 < minutes <= 60 * 24 * 366:
        raise InvalidInput(
            "--minutes must be above 0 and at most a year. Without it the pause lasts until `cairn pause --off`.", param="minutes"
        )
    if off:
        write_pause(None)
        typer.echo("Capture goes on.")
        return
    now = time.time()
    until = None if minutes is None else now + minutes * 60
    write_pause(Pause(now, until))
    end = "`cairn pause --off`" if until is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(until))
    typer.echo(f"Capture is paused on this machine until {end}.")
    typer.echo("Sessions that run during the pause are never sent automatically. To send one anyway: `cairn ingest FILE`.")
