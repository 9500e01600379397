"""The `cairn` command: it talks HTTP to the running server. Imports nothing heavy before a command really runs."""

from __future__ import annotations


def main() -> None:
    from app.cli.commands import cli

    cli(prog_name="cairn")
