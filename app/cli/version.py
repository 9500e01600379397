"""`cairn version`: prints Cairn's version."""

from __future__ import annotations

import typer


def version() -> None:
    """Print Cairn's version."""
    from app import __version__

    typer.echo(__version__)
