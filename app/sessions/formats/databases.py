"""A SQLite file that somebody uploaded, read without trusting it: read-only, known tables alone, with bounds on work and memory."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.sessions.formats.lines import loads
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.values import mapping

MAGIC = b"SQLite format 3\x00"
_STEPS_AT_ONCE = 10_000
_MIN_STEPS, _STEPS_PER_BYTE = 20_000_000, 4
"""Steps of SQLite's machine that reading may take: an honest file's rows are found by their index, in few steps for each byte."""


def is_database(first: bytes) -> bool:
    return first.startswith(MAGIC)


class UploadedDatabase:
    """An uploaded database, spooled to a private temporary file; a context manager, which deletes it."""

    def __init__(self, chunks: Iterable[bytes], tally: ParseTally, *, tables: tuple[str, ...], max_bytes: int) -> None:
        self._tally = tally
        self._max_bytes = max_bytes
        self._left = 0
        self._folder = tempfile.TemporaryDirectory(prefix="cairn-upload-")
        try:
            path = Path(self._folder.name, "upload.db")
            with path.open("wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                size = file.tell()
            self._connection = self._opened(path, size, tables)
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> UploadedDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        self._folder.cleanup()

    def _opened(self, path: Path, size: int, tables: tuple[str, ...]) -> sqlite3.Connection | None:
        """Open the file. None, and counted, if it can't be read or one of the tables is none."""
        # immutable: no journal is replayed and nothing locked. The views and triggers of a file are code that it brings.
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        try:
            connection.text_factory = lambda value: value.decode("utf-8", "replace")
            for setting in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
                connection.execute(f"PRAGMA {setting}")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(self._max_bytes, 2**20))
            found = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        except (sqlite3.Error, ValueError):
            connection.close()
            self._tally.skip("the database can't be read: close the program that uses it, and send it again", "database")
            return None
        with suppress(OSError):  # Windows keeps an open file's name
            path.unlink()  # open, it needs no name: a worker that is killed leaves nothing of it
        if missing := [table for table in tables if table not in found]:
            connection.close()
            self._tally.skip(f"the database has no table {missing[0]}", "database")
            return None
        self._left = _MIN_STEPS + _STEPS_PER_BYTE * size
        connection.set_progress_handler(self._work, _STEPS_AT_ONCE)
        connection.set_authorizer(lambda action, table, *_: _allowed(action, table, tables))
        return connection

    def rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Yield a query's rows. Damage is counted, and ends them."""
        if self._connection is None or self._left < 0:
            return
        try:
            yield from self._connection.execute(query, values)
        except (sqlite3.Error, OverflowError, ValueError):
            why = "the database takes too long to read: the rest is not read" if self._left < 0 else "the database is damaged here"
            self._tally.skip(why, "database")

    def json(self, value: object, locator: str) -> dict[str, object]:
        """Return the JSON object in a value, a text or its bytes; an empty one, and counted, if there is none."""
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        try:
            return mapping(loads(text)) if isinstance(text, str) else {}
        except (ValueError, RecursionError):
            self._tally.skip("not JSON", locator)
            return {}

    def _work(self) -> int:
        self._left -= _STEPS_AT_ONCE
        return self._left < 0


def _allowed(action: int, table: str | None, tables: tuple[str, ...]) -> int:
    reads = action == sqlite3.SQLITE_SELECT or (action == sqlite3.SQLITE_READ and table in tables)
    return sqlite3.SQLITE_OK if reads else sqlite3.SQLITE_DENY
