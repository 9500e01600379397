"""OpenCode's storage of one small file for each session, message and part: a session's files as the one that `opencode export` writes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

MAX_FILES = 10_000
"""Files of a folder that are read; the rest is left."""


def is_session(path: Path) -> bool:
    """Tell whether a file is a session in OpenCode's storage, by its place."""
    return path.suffix == ".json" and path.parts[-4:-2] == ("storage", "session") and (path.parents[2] / "message").is_dir()


def directory_of(path: Path) -> str | None:
    """Return the folder that a session worked in. Raises OSError if the session can't be read."""
    found = _object(path.read_text("utf-8", "replace")).get("directory")
    return found if isinstance(found, str) and found else None


def exported(path: Path) -> IO[bytes]:
    """Return a temporary file with the session's export. Raises OSError if the session can't be read; other damaged files are left out."""
    storage = path.parents[2]
    info = path.read_text("utf-8", "replace")
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        file.write(f'{{"info": {info},\n"messages": ['.encode())
        name, old = str(_object(info).get("id") or path.stem), _old_parts(storage / "part")
        for number, (message, text) in enumerate(_objects(storage / "message" / name)):
            own = str(message.get("id"))
            parts = ", ".join([*(part for _, part in _objects(storage / "part" / own)), *old.get(own, [])])
            file.write(b",\n" if number else b"")
            file.write(f'{{"info": {text}, "parts": [{parts}]}}'.encode())
        file.write(b"]}\n")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _old_parts(folder: Path) -> dict[str, list[str]]:
    """Return the parts that old versions keep all in one folder, by their message."""
    found: dict[str, list[str]] = {}
    for part, text in _objects(folder):
        found.setdefault(str(part.get("messageID")), []).append(text)
    return found


def _objects(folder: Path) -> Iterator[tuple[dict[str, object], str]]:
    """Yield the folder's JSON objects with their text, in the order of their names, which begin with the time."""
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.json"))[:MAX_FILES]:
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
        if found := _object(text):
            yield found, text


def _object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
