"""The data folder of one machine: where each embedded part lives, who owns it, and private places for sockets."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.errors import ConfigurationError
from app.storage.aside import make_way


@dataclass(frozen=True, slots=True)
class DataFolder:
    path: Path

    @classmethod
    def open(cls, path: Path) -> DataFolder:
        """Make the folder if it is absent. ConfigurationError when it can't be made or written."""
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
        """Where `cairn serve` says how to reach it: {"url", "pid"}."""
        return self.path / "server.json"

    @property
    def worker_alive(self) -> Path:
        """Touched by `cairn worker` every few seconds."""
        return self.path / "worker.alive"


SOCKET_PATH_MOST = 100
"""Bytes of a Unix socket's path: 107 on Linux, 103 on macOS."""


def own(folder: Path) -> IO[str]:
    """Become the one owner of a part's folder, until the returned file is closed or the process ends, however it ends.

    ConfigurationError names the process that owns it already; or says that the lock's file can't be had.
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
    """A lock that is a file is never moved, whatever stands in it: another process may hold it. Nobody can hold what is none."""
    try:
        make_way(path, part="files")
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            path.chmod(0o600)
        return path.open("a+", encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigurationError(
            f"The lock {path} can't be opened: {error.strerror}. It must belong to the user who runs Cairn: "
            "with no Cairn running on this folder it may be deleted."
        ) from error


def socket_folder(beside: Path, longest_name: str) -> Path:
    """A folder (0700) for sockets: `beside`, or, where a socket's path would get too long, one of ours among temporary files.

    The same for every process that asks with the same path. ConfigurationError when someone else made it first.
    """
    place = beside
    if len(os.fsencode(place / longest_name)) > SOCKET_PATH_MOST:
        digest = hashlib.sha256(os.fsencode(beside)).hexdigest()[:12]
        place = Path(tempfile.gettempdir()) / f"cairn-{os.getuid()}-{digest}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place
