"""Loads SQL from files beside the code that calls it, when that code is imported."""

from __future__ import annotations

from importlib.resources import files


def load(room: str, name: str) -> str:
    """Read `sql/{name}.sql` of a room, such as "budget"."""
    return files(f"app.{room}").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
