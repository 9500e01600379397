"""Prints the commands' output: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print the data as JSON, and nothing else.")]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def print_json(data: object) -> None:
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def plain(text: str, style: str = "") -> Text:
    """Make text from a transcript or server printable: no markup, and no control characters that could steer the terminal."""
    return Text(_CONTROL.sub("", text.encode("utf-8", "replace").decode()), style=style)


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> Table:
    """Build a table. `columns`: field → heading."""
    made = Table(*columns.values(), box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*(plain(str(row[name])) for name in columns))
    return made
