"""Prints the commands' output: data on standard output, everything else on standard error.

On a terminal it is wrapped, aligned and coloured; elsewhere a line stays whole, and tabs separate the columns of a table.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    out: Console
    err: Console

AsJson = Annotated[bool, typer.Option("--json", help="Print the data as JSON, and nothing else.")]
PIPED_WIDTH = 100_000
"""Columns of what is no terminal: nothing is wrapped there."""


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
INDENT = "   "
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_SPACES = re.compile(r"\s+")


def __getattr__(name: str) -> Console:
    """Make `out` and `err` when they are first used: a command that prints JSON doesn't wait for rich to be imported."""
    if name not in {"out", "err"}:
        raise AttributeError(name)
    from rich.console import Console

    class PipedConsole(Console):
        """A console that lets the caller end, where nobody reads its output any more."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    stream = sys.stderr if name == "err" else sys.stdout
    made = globals()[name] = PipedConsole(stderr=name == "err", highlight=False, width=None if stream.isatty() else PIPED_WIDTH)
    return made


def moves() -> bool:
    """Tell whether what moves (a bar, a spinner) can be shown on standard error."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}


def print_json(data: object) -> None:
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def printable(text: str) -> str:
    """Make text from a transcript or server printable: no control characters that could steer the terminal."""
    return _CONTROL.sub("", text.encode("utf-8", "replace").decode())


def plain(text: str, style: str = "") -> Text:
    """Make such text a part of the output: no markup either."""
    from rich.text import Text

    return Text(printable(text), style=style)


class PlainTable:
    """A table for programs: a row a line, cells separated by tabs, the headings first."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for row in self._rows:
            yield Segment("\t".join(_SPACES.sub(" ", cell).strip() for cell in row) + "\n")


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> Table | PlainTable:
    """Build a table. `columns`: field → heading."""
    cells = [[printable(_cell(row[name])) for name in columns] for row in rows]
    if not sys.stdout.isatty():
        return PlainTable([list(columns.values()), *cells])
    from rich.table import Table
    from rich.text import Text

    made = Table(*columns.values(), box=None, pad_edge=False, header_style="bold")
    for row in cells:
        made.add_row(*(Text(cell) for cell in row))
    return made


def _cell(value: object) -> str:
    """Write a value for people: nothing for none, a moment to the minute, of which UTC is the zone."""
    if value is None:
        return ""
    text = str(value)
    return text[:16].replace("T", " ") if _MOMENT.fullmatch(text) else text


def indented(text: str, style: str = "") -> Padding | Text:
    """Indent a text under its title."""
    if not sys.stdout.isatty():
        return plain("\n".join(f"{INDENT}{line.rstrip()}".rstrip() for line in text.strip().splitlines()), style)
    from rich.padding import Padding

    return Padding(plain(text.strip(), style), (0, 0, 0, len(INDENT)), expand=False)


def dollars(amount: float | None) -> str:
    """Write an amount of US dollars to the cent, a smaller one to its last digit of six; None: no limit."""
    if amount is None:
        return "no limit"
    return f"${amount:.6f}".rstrip("0") if 0.000001 <= abs(amount) < 0.01 else f"${amount:,.2f}"


def shortened(text: str, max_chars: int) -> str:
    """Cut a text at the end of a word."""
    text = text.strip()
    if len(text) <= max_chars:
        return text
    head = text[:max_chars]
    last = max(head.rfind(" "), head.rfind("\n"))
    return (head[:last] if last > max_chars // 2 else head).rstrip(" ,;:.-–—\n") + " …"
