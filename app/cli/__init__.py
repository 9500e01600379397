"""The `cairn` command, an HTTP client of the running server. Imports nothing heavy before a command runs."""

from __future__ import annotations

import sys

HELP = frozenset({"-h", "--help"})


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["hook"] and not HELP.intersection(arguments):
        from app.cli.ide import hook  # an IDE waits for it: without the tree of commands and what that imports

        hook.main(arguments[1:])
    if arguments[:1] == ["mcp"] and not HELP.intersection(arguments):
        from app.cli import mcp_bridge

        mcp_bridge.main(arguments[1:])
        return
    from app.cli.commands import run

    run(arguments)
