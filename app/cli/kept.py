"""Knows the sessions that stay on this machine: those of CAIRN_PRIVATE, and those at work during a pause. Standard library only.

A hook, or `cairn watch` where there is none, notes them in the state folder, as hashes of the session's id and of its transcript's path;
`cairn watch` and `cairn ingest` ask.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from app.cli.machine import state_folder, write_private

FOLDER = "kept"
IDS = ("session_id", "conversation_id")
_TOLD = re.compile(rb'"(?:session_?[iI]d|conversation_?[iI]d)"\s*:\s*"([^"\\]{1,200})"')
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def keep_session(body: bytes) -> None:
    """Note the session of a hook's JSON. Where the state folder can't be written, nothing is noted."""
    with suppress(OSError, ValueError, RecursionError, AttributeError):
        found = json.loads(body)
        names = [found.get(name) for name in IDS]
        if isinstance(path := found.get("transcript_path"), str):
            names.append(os.path.realpath(path))
        _keep(name for name in names if isinstance(name, str) and name)


def keep_file(path: str) -> bool:
    """Note the session of a transcript, by its path and by the id in its name; tell whether it wasn't noted before."""
    with suppress(OSError):
        return _keep([os.path.realpath(path), *_UUID.findall(Path(path).name)])
    return False


def count_kept() -> int:
    """Count the sessions that are noted."""
    with suppress(OSError):
        return sum(note.stat().st_size > 0 for note in (state_folder() / FOLDER).iterdir())
    return 0


def _keep(names: Iterable[str]) -> bool:
    """Note a session by all its names. The note of the first has a content if none was noted before: it is counted."""
    notes = [_note(name) for name in names]
    known = any(note.exists() for note in notes)
    for place, note in enumerate(notes):
        if not note.exists():
            write_private(note, "" if known or place else "session\n")
    return not known


def is_kept(path: str, data: bytes = b"") -> bool:
    """Tell whether a transcript is of such a session, by its path or the sessions that its content names."""
    return any(_note(name).exists() for name in dict.fromkeys(_names(path, data)))


def _names(path: str, data: bytes) -> Iterator[str]:
    yield os.path.realpath(path)
    yield Path(path).stem
    yield from _UUID.findall(path)
    for name in set(_TOLD.findall(data)):
        yield name.decode("utf-8", "replace")


def _note(name: str) -> Path:
    return state_folder() / FOLDER / sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
