"""The embedded index on the disk: `<n>/` is generation n, `current` names the live one; beside them the sockets.

Knows no engine. Every method touches the disk: call it in a thread.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationError
from app.storage.folder import socket_folder


@dataclass(frozen=True, slots=True)
class Place:
    """`live` is where the live engine listens, `staging` where the one that is being built does."""

    folder: Path
    live: Path
    staging: Path

    @classmethod
    def at(cls, folder: Path) -> Place:
        """The same for every process that asks with the same path. ConfigurationError where the sockets wouldn't be private."""
        folder = folder.expanduser().resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sockets = socket_folder(folder, "staging.sock")
        # The fallback among temporary files has a name that others can guess: whoever made it first could read every text.
        if sockets.is_symlink() or sockets.lstat().st_uid != os.geteuid():
            raise ConfigurationError(f"{sockets} belongs to someone else; remove it, or set CAIRN_DATA_DIR to a shorter path.")
        sockets.chmod(0o700)
        return cls(folder, sockets / "live.sock", sockets / "staging.sock")

    def generation(self, number: int) -> Path:
        return self.folder / str(number)

    def socket(self, number: int) -> Path:
        """Where this generation's engine listens. The pointer decides, so a restarted engine comes back in the right place."""
        return self.live if number == self.current() else self.staging

    def current(self) -> int:
        pointer = self.folder / "current"
        return int(pointer.read_text()) if pointer.exists() else 0

    def tidy(self) -> int:
        """Remove what a crash left behind; the live generation's number. Only the folder's owner may ask."""
        current = self.current()
        if current == 0:
            current = 1
            self._point_to(current)
        for entry in self.folder.iterdir():
            if entry.name.isdigit() and int(entry.name) != current:
                shutil.rmtree(entry, ignore_errors=True)
        self.live.unlink(missing_ok=True)
        self.staging.unlink(missing_ok=True)
        return current

    def prepare(self, number: int) -> None:
        """Make room for a generation."""
        self.remove(number)
        self.staging.unlink(missing_ok=True)

    def promote(self, number: int) -> None:
        """Make a generation the live one, durably, and its socket too, atomically: a connection reaches one or the other."""
        before = self.current()
        self._point_to(number)
        try:
            self.staging.rename(self.live)
        except OSError:
            self._point_to(before)
            raise

    def remove(self, number: int) -> None:
        """Never the live one, whatever went wrong on the way here."""
        if number != self.current():
            shutil.rmtree(self.generation(number), ignore_errors=True)

    def _point_to(self, number: int) -> None:
        """Written beside, flushed, renamed, the folder flushed: after a power cut the pointer is the old one or the new one."""
        made = self.folder / "current.new"
        with made.open("w") as out:
            out.write(str(number))
            out.flush()
            os.fsync(out.fileno())
        made.rename(self.folder / "current")
        entry = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
