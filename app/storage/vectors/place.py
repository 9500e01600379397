"""The embedded index on the disk: `<n>/` is generation n, `current` names the live one; beside them the sockets.

A generation that can't be used is set aside, as `index.damaged-<time>`, and an empty one put in its place, marked `unfilled` until a
rebuild replaces it. Knows no engine. Every method touches the disk: call it in a thread.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationError
from app.storage.aside import make_folder, make_way, prune, set_aside
from app.storage.folder import socket_folder

PART, STEM = "vectors", "index"
LAST = 10**9
"""No generation has such a number: a pointer that says so is damaged."""
UNFILLED = "unfilled"
"""A file in a generation's folder: it was made empty in place of a lost one, so it lacks what PostgreSQL holds."""


@dataclass(frozen=True, slots=True)
class Place:
    """`live` is where the live engine listens, `staging` where the one that is being built does."""

    folder: Path
    live: Path
    staging: Path

    @classmethod
    def at(cls, folder: Path) -> Place:
        """The same for every process that asks with the same path. ConfigurationError where the sockets wouldn't be private.

        A disk that doesn't let us make the folder is no error yet: its owner tries again (`tidy`), and says so.
        """
        folder = folder.expanduser().resolve()
        try:
            if not (folder.exists() and not folder.is_dir()):  # what stands there is set aside by the owner
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sockets = socket_folder(folder, "staging.sock")
            # The fallback among temporary files has a name that others can guess: whoever made it first could read every text.
            if sockets.is_symlink() or sockets.lstat().st_uid != os.geteuid():
                raise ConfigurationError(f"{sockets} belongs to someone else; remove it, or set CAIRN_DATA_DIR to a shorter path.")
            sockets.chmod(0o700)
        except OSError:
            sockets = folder
        return cls(folder, sockets / "live.sock", sockets / "staging.sock")

    def generation(self, number: int) -> Path:
        return self.folder / str(number)

    def current(self) -> int:
        """The live generation's number; 0: there is none yet. ValueError or OSError where the pointer can't be read."""
        pointer = self.folder / "current"
        if not pointer.exists():
            return 0
        number = int(pointer.read_text())
        if not 1 <= number < LAST - 1:
            raise ValueError(f"it names generation {number}")
        return number

    def tidy(self) -> int:
        """Remove what a crash left behind, set aside what can't be used; the live generation's number. Only the folder's owner may ask.

        OSError when the disk doesn't let us.
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
        """Before an engine starts on the live generation: an earlier one's socket goes; where the folder is gone, so is what was in it."""
        self._remove_socket(self.live)
        if not os.path.lexists(self.generation(number)):
            self._make_unfilled(number)

    def served(self) -> bool:
        """Whether the engine that started last came as far as to listen: it does so once it has opened its index."""
        return self.live.is_socket()

    def renew(self, number: int, reason: str) -> None:
        """Set the live generation aside and put an empty one in its place. OSError when the disk doesn't let us."""
        if os.path.lexists(self.generation(number)):
            set_aside(self.generation(number), part=PART, reason=reason, stem=STEM)
        self._make_unfilled(number)

    def prepare(self, number: int) -> None:
        """Make room for a generation: nothing of one that was begun before may be taken for a part of it."""
        self.remove(number)
        if os.path.lexists(self.generation(number)):
            set_aside(self.generation(number), part=PART, reason="the rest of an earlier rebuild could not be removed", stem=STEM)
        self.staging.unlink(missing_ok=True)

    def promote(self, number: int) -> None:
        """Make a generation the live one, durably, and its socket too, atomically: a connection reaches one or the other."""
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
        """Never the live one, whatever went wrong on the way here; nor any, where the pointer can't be read."""
        with suppress(OSError, ValueError):
            if number != self.current():
                shutil.rmtree(self.generation(number), ignore_errors=True)

    def _remove_socket(self, socket: Path) -> None:
        if socket.is_dir():
            make_way(socket, part=PART)
        else:
            socket.unlink(missing_ok=True)

    def _pointed(self) -> int:
        """The generation that the pointer names. Where it can't be read, or what it names is gone, a new and unfilled one."""
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
        """Which of the generations was the live one is not known any more: the newest is kept for whoever wants to look."""
        if numbers:
            set_aside(self.generation(numbers[-1]), part=PART, reason="which index is the live one is not known", stem=STEM)
        self._make_unfilled(current)
        self._point_to(current)
        return current

    def _make_unfilled(self, number: int) -> None:
        self.generation(number).mkdir(mode=0o700, exist_ok=True)
        (self.generation(number) / UNFILLED).touch()

    def _point_to(self, number: int) -> None:
        """Written beside, flushed, renamed, the folder flushed: after a power cut the pointer is the old one or the new one."""
        make_way(self.folder / "current", part=PART)
        made = make_way(self.folder / "current.new", part=PART)
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
