"""The place of `cairn mcp` in the tree of commands, for its help. app.cli.main answers an IDE before the tree is imported."""

from __future__ import annotations

from typing import Annotated

import typer


def mcp(
    project: Annotated[
        str | None, typer.Option("--project", "-p", help="The session's project. Default: that of .cairn.toml, else of the repository.")
    ] = None,
) -> None:
    """Speak MCP over standard input and output, for an IDE: it starts nothing, and asks the server. IDEs start it: `cairn connect`."""
    from app.cli.mcp_bridge import main

    main(["--project", project] if project else [])
