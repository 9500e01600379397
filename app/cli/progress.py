"""Shows on standard error what a command is doing: moving on a terminal, else as a plain line now and then; nothing with --quiet.

Standard output has nothing but the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
LINE_SECONDS = 10.0
"""Seconds between two lines where no terminal shows a bar."""
MAX_NAME, PART = 40, 1000
SOON_SECONDS = 1.0
"""Tasks that take less are not told where no terminal shows them."""


_spinning: list[str] = []


@contextmanager
def working(words: str, *, piped: bool = True) -> Iterator[None]:
    """Show that something of unknown length is under way. `piped`: say so where no terminal shows it, too."""
    from app.cli.output import err, moves, plain

    if not moves():
        if piped:
            say(f"{words} …")
        yield
    elif _spinning:  # a part of what is shown already
        yield
    else:
        _spinning.append(words)
        try:
            with err.status(plain(f"{words} …")):
                yield
        finally:
            _spinning.remove(words)


def say(words: str) -> None:
    """Print a plain line about the progress."""
    typer.echo(f"cairn: {words}", err=True)


class Steps:
    """The progress of one task of known or unknown length: a bar on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, words: str, total: int | None, *, bars: Progress | None, quiet: bool) -> None:
        self._words, self._total, self._bars, self._quiet = words, total, bars, quiet
        self._done = 0.0
        self._told_at = time.monotonic() - LINE_SECONDS + SOON_SECONDS
        self._bar: TaskID | None = None if bars is None else bars.add_task(words, total=total)

    @contextmanager
    def part(self, name: str) -> Iterator[Callable[[float], None]]:
        """Show a part of a step beneath the whole; yield what takes its share (0 to 1) done."""
        bars = self._bars
        if bars is None:
            yield lambda _: None
            return
        bar = bars.add_task(f"  {name[:MAX_NAME]}", total=PART)
        try:
            yield lambda share: bars.update(bar, completed=int(share * PART))
        finally:
            bars.remove_task(bar)

    def advance(self) -> None:
        self.update(self._done + 1, self._total)

    def update(self, done: float, total: int | None = None) -> None:
        self._done, self._total = done, total or self._total
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, completed=done, total=self._total)
        elif not self._quiet and time.monotonic() - self._told_at >= LINE_SECONDS:
            self._told_at = time.monotonic()
            of = f" of {self._total:,}" if self._total else ""
            say(f"{self._words}: {done:,.0f}{of}")


@contextmanager
def steps(words: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Steps]:
    """Show the progress of a task: `total` steps, or as many as `update` says."""
    from app.cli.output import err, moves

    if quiet or not moves():
        yield Steps(words, total, bars=None, quiet=quiet)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        yield Steps(words, total, bars=bars, quiet=quiet)
