"""The embedded index on disk: `<n>/` is generation n, `current` names the live one; the sockets are beside them.

An unusable generation is set aside as `index.damaged-<time>` and replaced by an empty one, marked `unfilled` until a rebuild. Knows no
engine. Every method does disk I/O: call it in a thread.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationError
from app.storage.aside import ensure_file_slot, make_folder, prune, set_aside
from app.storage.folder import socket_folder

PART, STEM = "vectors", "index"
LAST = 10**9
"""Bound on generation numbers: a pointer to this or a higher one is damaged."""
UNFILLED = "unfilled"
"""Marker file in a generation's folder: it was created empty in place of a lost one and lacks PostgreSQL's points."""


@dataclass(frozen=True, slots=True)
class IndexFolder:
    """Paths of an embedded index: its folder, and the sockets of the live engine and of the one being built."""

    folder: Path
    live: Path
    staging: Path

    @classmethod
    def at(cls, folder: Path) -> IndexFolder:
        """Locate the index; every process gets the same sockets for a path. Raises ConfigurationError if they wouldn't be private.

        A disk error is not raised here: the owner retries in `tidy` and reports it.
        """
        folder = folder.expanduser().resolve()
        try:
            if not (folder.exists() and not folder.is_dir()):  # a file in its place is set aside by the owner
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sockets = socket_folder(folder, "staging.sock")
            # The fallback in the temporary folder has a guessable name: another user who made it first could read every text.
            if sockets.is_symlink() or sockets.lstat().st_uid != os.geteuid():
                raise ConfigurationError(f"{sockets} belongs to someone else; remove it, or set CAIRN_DATA_DIR to a shorter path.")
            sockets.chmod(0o700)
        except OSError:
            sockets = folder
        return cls(folder, sockets / "live.sock", sockets / "staging.sock")

    def generation(self, number: int) -> Path:
        return self.folder / str(number)

    def current(self) -> int:
        """Return the live generation's number; 0: none yet. Raises ValueError or OSError if the pointer can't be read."""
        pointer = self.folder / "current"
        if not pointer.exists():
            return 0
        number = int(pointer.read_text())
        if not 1 <= number < LAST - 1:
            raise ValueError(f"it names generation {number}")
        return number

    def tidy(self) -> int:
        """Clean up after a crash, set aside what is unusable, and return the live generation's number. For the folder's owner only.

        Raises OSError if the disk refuses.
        """
        make_folder(self.folder, part=PART)
        for socket in (self.live, self.staging):
            self._remove_socket(socket)
        current = self._pointed()
        for number in self._numbers():
            if number != current:
                shutil.rmtree(self.generation(number), ignore_errors=True)
        prune(self.folder, STEM)
        return current

    def ready(self, number: int) -> None:
        """Prepare the live generation for a start: remove a stale socket; create an unfilled generation if its folder is gone."""
        self._remove_socket(self.live)
        if not os.path.lexists(self.generation(number)):
            self._make_unfilled(number)

    def served(self) -> bool:
        """Tell whether the last engine came to listen, which it does once it has opened its index."""
        return self.live.is_socket()

    def renew(self, number: int, reason: str) -> None:
        """Set the live generation aside and put an empty one in its place. Raises OSError if the disk refuses."""
        if os.path.lexists(self.generation(number)):
            set_aside(self.generation(number), part=PART, reason=reason, stem=STEM)
        self._make_unfilled(number)

    def prepare(self, number: int) -> None:
        """Make room for a generation, removing any remains of an earlier attempt."""
        self.remove(number)
        if os.path.lexists(self.generation(number)):
            set_aside(self.generation(number), part=PART, reason="the rest of an earlier rebuild could not be removed", stem=STEM)
        self.staging.unlink(missing_ok=True)

    def promote(self, number: int) -> None:
        """Make a generation and its socket live, durably and atomically: a connection reaches either the old or the new one."""
        try:
            before = self.current()
        except (OSError, ValueError):  # the pointer is written anew anyway
            before = number - 1
        self._point_to(number)
        try:
            self.staging.rename(self.live)
        except OSError:
            self._point_to(before)
            raise

    def remove(self, number: int) -> None:
        """Delete a generation unless it is live, or the pointer can't be read."""
        with suppress(OSError, ValueError):
            if number != self.current():
                shutil.rmtree(self.generation(number), ignore_errors=True)

    def _remove_socket(self, socket: Path) -> None:
        if socket.is_dir():
            ensure_file_slot(socket, part=PART)
        else:
            socket.unlink(missing_ok=True)

    def _pointed(self) -> int:
        """Return the generation that the pointer names; a new, unfilled one if that is unreadable or gone."""
        numbers = self._numbers()
        try:
            current = self.current()
        except (OSError, ValueError) as error:
            set_aside(self.folder / "current", part=PART, reason=f"the pointer to the live index can't be read: {error}")
            return self._start_over(numbers, max([0, *numbers]) + 1)
        if current == 0 and len(numbers) <= 1:  # a first start; or one that was cut off
            current = numbers[0] if numbers else 1
            self.generation(current).mkdir(mode=0o700, exist_ok=True)
            self._point_to(current)
        elif current not in numbers:
            return self._start_over(numbers, max([current, *numbers]) + 1)
        return current

    def _numbers(self) -> list[int]:
        names = (entry.name for entry in self.folder.iterdir())
        return sorted(int(name) for name in names if name.isascii() and name.isdecimal() and name[0] != "0" and int(name) < LAST)

    def _start_over(self, numbers: list[int], current: int) -> int:
        """Begin an unfilled generation when the live one is unknown; the newest old one is set aside for inspection."""
        if numbers:
            set_aside(self.generation(numbers[-1]), part=PART, reason="which index is the live one is not known", stem=STEM)
        self._make_unfilled(current)
        self._point_to(current)
        return current

    def _make_unfilled(self, number: int) -> None:
        self.generation(number).mkdir(mode=0o700, exist_ok=True)
        (self.generation(number) / UNFILLED).touch()

    def _point_to(self, number: int) -> None:
        """Write the pointer by write, fsync, rename and fsync of the folder: after a power cut it is the old or the new one."""
        ensure_file_slot(self.folder / "current", part=PART)
        made = ensure_file_slot(self.folder / "current.new", part=PART)
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
