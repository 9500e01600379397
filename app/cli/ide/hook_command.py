"""The place of `cairn hook` in the tree of commands, for its help. app.cli.main answers a hook before the tree is imported."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Ide(StrEnum):
    """IDEs whose hooks `cairn hook` understands."""

    claude_code = "claude-code"
    codex = "codex"
    cursor = "cursor"


def hook(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The hook's event, such as session-start.", show_default=False)],
    ide: Annotated[Ide, typer.Option("--ide", help="The IDE that calls.")] = Ide.claude_code,
) -> None:
    """Answer a hook of an IDE. IDEs call it (see `cairn connect`): JSON on standard input and output, always exit code 0."""
    from app.cli.ide.hook import main

    main([event, "--ide", ide.value])
