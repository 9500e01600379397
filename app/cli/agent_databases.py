"""Agents' databases, of which only the sessions are sent: the same files hold the program's state and its access tokens too."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.cli.watch.capture import CaptureRules

WAIT_SECONDS = 5
"""Time that reading waits for a program that is writing."""


@dataclass(frozen=True, slots=True)
class SentTable:
    """A table that is sent: how it is made, and which of its columns and rows are copied."""

    declaration: str
    columns: str
    rows: str = ""

    @property
    def name(self) -> str:
        return self.declaration.split("(", 1)[0].strip()


STORES: tuple[tuple[re.Pattern[str], tuple[SentTable, ...]], ...] = (
    (
        re.compile(r"state\.vscdb"),
        (
            SentTable(
                "cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)",
                "key, value",
                "WHERE (key >= 'composerData:' AND key < 'composerData;') OR (key >= 'bubbleId:' AND key < 'bubbleId;')",
            ),
        ),
    ),
    (
        re.compile(r"opencode[\w.-]*\.db"),
        (
            SentTable(
                "session (id TEXT PRIMARY KEY, parent_id, directory, title, version, time_created)",
                "id, parent_id, directory, title, version, time_created",
            ),
            SentTable("message (id TEXT PRIMARY KEY, session_id, time_created, data)", "id, session_id, time_created, data"),
            SentTable("part (id TEXT PRIMARY KEY, message_id, data)", "id, message_id, data"),
        ),
    ),
)
"""Store's file name → its tables that are sent."""
INDICES = {
    "message": "CREATE INDEX by_session ON message (session_id, time_created, id)",
    "part": "CREATE INDEX by_message ON part (message_id, id)",
}
"""Indices by which the server finds a table's rows."""


def is_store(path: Path) -> bool:
    """Tell whether a file is an agent's database, by its name."""
    return any(name.fullmatch(path.name) for name, _ in STORES)


def sessions_of(path: Path) -> IO[bytes]:
    """Return a temporary database with the sessions alone, without those of private folders.

    Raises OSError if there are none, or the database can't be read.
    """
    tables = next(tables for name, tables in STORES if name.fullmatch(path.name))
    with tempfile.TemporaryDirectory(prefix="cairn-store-") as folder:
        copy = Path(folder, "sessions.db")
        try:
            # Read with its journal, which a running program keeps beside it; nothing is written to it.
            source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=WAIT_SECONDS)
            with closing(source), closing(sqlite3.connect(copy)) as target, target:
                for table in tables:
                    target.execute(f"CREATE TABLE {table.declaration}")
                    rows = source.execute(f"SELECT {table.columns} FROM {table.name} {table.rows}")  # noqa: S608 - constants
                    places = ", ".join("?" for _ in table.columns.split(","))
                    target.executemany(f"INSERT INTO {table.name} VALUES ({places})", rows)  # noqa: S608 - constants
                    if table.name in INDICES:
                        target.execute(INDICES[table.name])
                if any(table.name == "session" for table in tables):
                    _leave_out_private(target)
        except sqlite3.Error as error:
            raise OSError(0, f"no sessions can be read from it ({error})") from error
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        with copy.open("rb") as made:
            while chunk := made.read(2**20):
                file.write(chunk)
        file.seek(0)
        return file


def _leave_out_private(target: sqlite3.Connection) -> None:
    """Delete the sessions of folders that are private, to the last byte."""
    rules = CaptureRules()
    target.execute("PRAGMA secure_delete = ON")
    for (directory,) in target.execute("SELECT DISTINCT directory FROM session").fetchall():
        verdict = rules.judge([str(directory)]) if directory else None
        if verdict is None or verdict.private is None or verdict.unsure:
            continue
        target.execute(
            "DELETE FROM part WHERE message_id IN"
            " (SELECT message.id FROM message JOIN session ON session.id = message.session_id WHERE directory = ?)",
            (directory,),
        )
        target.execute("DELETE FROM message WHERE session_id IN (SELECT id FROM session WHERE directory = ?)", (directory,))
        target.execute("DELETE FROM session WHERE directory = ?", (directory,))
