"""The `cairn` command, an HTTP client of the running server. Imports nothing heavy before a command runs."""

from __future__ import annotations


def main() -> None:
    from app.cli.commands import cli

    cli(prog_name="cairn")
