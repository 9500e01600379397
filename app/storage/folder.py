"""The data folder of one machine: the place of each embedded part, exclusive ownership, and private socket folders."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.errors import ConfigurationError
from app.storage.aside import ensure_file_slot


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths of the embedded parts below the data folder."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> DataFolder:
        """Create the folder if absent. Raises ConfigurationError if it can't be created or written."""
        path = path.expanduser().resolve()
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {path} can't be written: {error.strerror}. Set CAIRN_DATA_DIR to a folder of yours."
            ) from error
        return cls(path)

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def vectors(self) -> Path:
        return self.path / "vectors"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def announcement(self) -> Path:
        """The file in which `cairn serve` records how to reach it: {"url", "pid"}."""
        return self.path / "server.json"

    @property
    def worker_alive(self) -> Path:
        """The liveness file that `cairn worker` touches every few seconds."""
        return self.path / "worker.alive"


MAX_SOCKET_PATH_BYTES = 100
"""Bytes of a Unix socket's path; the systems allow 107 (Linux) and 103 (macOS)."""


def lock_folder(folder: Path) -> IO[str]:
    """Lock a part's folder exclusively until the returned file is closed or the process ends.

    Raises ConfigurationError, naming the process that owns it already, or if the lock file can't be opened.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock_file(folder.parent / f"{folder.name}.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        written = lock.read(20).strip()
        owner = written if written.isdigit() else "unknown"
        lock.close()
        raise ConfigurationError(
            f"Another Cairn (process {owner}) already uses {folder.parent}. "
            "Talk to that one, stop it, or set CAIRN_DATA_DIR to another folder."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _lock_file(path: Path) -> IO[str]:
    """Open the lock file. A regular file is never moved, since another process may hold the lock; anything else is set aside."""
    try:
        ensure_file_slot(path, part="files")
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            path.chmod(0o600)
        return path.open("a+", encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigurationError(
            f"The lock {path} can't be opened: {error.strerror}. It must belong to the user who runs Cairn: "
            "with no Cairn running on this folder it may be deleted."
        ) from error


def socket_folder(beside: Path, longest_name: str) -> Path:
    """Return a private folder (0700) for sockets: `beside`, or one under the temporary folder if a socket's path would be too long.

    Every process that passes the same path gets the same folder. The caller checks who owns it.
    """
    place = beside
    if len(os.fsencode(place / longest_name)) > MAX_SOCKET_PATH_BYTES:
        digest = hashlib.sha256(os.fsencode(beside)).hexdigest()[:12]
        place = Path(tempfile.gettempdir()) / f"cairn-{os.getuid()}-{digest}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place
