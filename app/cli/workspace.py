"""Tells what an IDE works in: the folders that it names to a program it starts, and that program's own. Standard library only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from app.cli.machine import ClientSettings
from app.cli.place import WorkPlace, read_place_or_private

NAMING = ("CLAUDE_PROJECT_DIR", "CURSOR_PROJECT_DIR", "WORKSPACE_FOLDER_PATHS")
"""Variables by which Claude Code and Cursor name folders; the last (Cursor's) may hold several. Cursor starts its servers in the home."""


def read_workspace() -> tuple[WorkPlace, ClientSettings]:
    """Read the first folder, as it is now, with the user's settings. It is private where any of the folders is."""
    try:
        here = Path.cwd()
    except OSError as error:
        return WorkPlace(Path(), "", private=f"the current folder can't be read: {error}"), ClientSettings()
    read = [read_place_or_private(folder) for folder in (*named_folders(os.environ), here)]
    place, settings = read[0]
    return replace(place, private=next((each.private for each, _ in read if each.private is not None), None)), settings


def named_folders(env: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders that an IDE names. A text that is no folder as a whole is a list of such."""
    for name in NAMING:
        if (text := env.get(name, "").strip()) and os.path.isabs(text):  # noqa: PTH117 - a text, perhaps of several paths
            several = [Path(text)] if os.path.isdir(text) else [Path(each) for each in _split(text)]  # noqa: PTH112
            yield from several


def _split(text: str) -> list[str]:
    return [each.strip() for each in re.split(f"[,{re.escape(os.pathsep)}\n]", text) if each.strip()]
