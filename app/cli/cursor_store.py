"""Cursor's `state.vscdb`, of which only the sessions are sent: the same file holds the editor's state and its access tokens."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import IO

NAME = "state.vscdb"
WANTED = (("composerData:", "composerData;"), ("bubbleId:", "bubbleId;"))
"""Ranges of the keys that are sent."""
WAIT_SECONDS = 5


def is_store(path: Path) -> bool:
    return path.name == NAME


def sessions_of(path: Path) -> IO[bytes]:
    """Return a temporary database with the sessions alone. Raises OSError if there are none, or the database can't be read."""
    with tempfile.TemporaryDirectory(prefix="cairn-cursor-") as folder:
        copy = Path(folder, NAME)
        try:
            # Read with its journal, which a running Cursor keeps beside it; nothing is written to it.
            source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=WAIT_SECONDS)
            with closing(source), closing(sqlite3.connect(copy)) as target, target:
                target.execute("CREATE TABLE cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
                for wanted in WANTED:
                    rows = source.execute("SELECT key, value FROM cursorDiskKV WHERE key >= ? AND key < ?", wanted)
                    target.executemany("INSERT INTO cursorDiskKV VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise OSError(0, f"it holds no sessions of Cursor ({error})") from error
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        with copy.open("rb") as made:
            while chunk := made.read(2**20):
                file.write(chunk)
        file.seek(0)
        return file
