"""The place of `cairn mcp` in the tree of commands, for its help. app.cli.main answers an IDE before the tree is imported."""

from __future__ import annotations

from typing import Annotated

import typer


def mcp(
    project: Annotated[
        str | None, typer.Option("--project", "-p", help="The session's project. Default: the one in .cairn.toml, else the repository.")
    ] = None,
) -> None:
    """Run an MCP server for an IDE, over standard input and output. IDEs start it (see `cairn connect`). It needs a running server."""
    from app.cli.mcp_bridge import main

    main(["--project", project] if project else [])
