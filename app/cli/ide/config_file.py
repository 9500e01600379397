"""Reads and writes an IDE's own configuration files: shows the change, keeps a backup, writes atomically, follows links."""

from __future__ import annotations

import difflib
import os
import stat
import sys
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli.ide.json_edits import read_at, remove_at
from app.cli.ide.json_tree import InvalidJson, parse_json
from app.cli.ide.member_changes import member_changes
from app.errors import ConfigurationError

BACKUP = ".before-cairn"
BOM = "\ufeff"
PRIVATE_MODE = 0o600


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A file before and after; None: it isn't there. `private`: others may read neither it nor its backup, from now on."""

    path: Path
    before: str | None
    after: str | None
    private: bool = False

    @property
    def changes(self) -> bool:
        return self.before != self.after or self.closes

    @property
    def closes(self) -> bool:
        """Tell whether others can read the file, or its backup, that they may not."""
        return self.private and any(map(open_to_others, (self.path, _backup_path(self.path.resolve()))))

    def diff(self) -> str:
        """Return the members that change, else, of what has none, the lines: what stands beside them may be secret."""
        read = _READERS.get(self.path.suffix)
        if read is not None:
            lines = [*member_changes(*({} if text is None else read(text.removeprefix(BOM)) for text in (self.before, self.after)))]
        else:
            lines = [*difflib.unified_diff((self.before or "").splitlines(), (self.after or "").splitlines(), "", "", "", "", 0, "")][2:]
        return "\n".join([f"--- {self.path}", f"+++ {self.path}", *lines]) if lines else ""


def _read_json(text: str) -> Any:
    return parse_json(text if text.strip() else "{}").plain()


_READERS: Mapping[str, Callable[[str], Any]] = {".json": _read_json, ".toml": tomllib.loads}


def open_to_others(path: Path) -> bool:
    """Tell whether others than a file's owner can open it. Windows' rights aren't looked at: a user's folder is their own there."""
    try:
        return sys.platform != "win32" and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False


def read_config(path: Path) -> str | None:
    """Return a file's text; None: there is no file. Raises ConfigurationError if it can't be read."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read ({error}). Nothing was changed. Correct the file, then try again.") from error


def json_change(path: Path, edit: Callable[[str], str], *, remove: bool = False) -> ConfigChange:
    """Edit a JSON file's text. Removing leaves no file behind that was made for Cairn alone. Raises ConfigurationError for a broken one."""
    before = read_config(path)
    if before is None and remove:
        return ConfigChange(path, None, None)
    mark, text = (BOM, before[1:]) if before is not None and before.startswith(BOM) else ("", before or "")
    try:
        if parse_json(text if text.strip() else "{}").kind != "object":
            raise InvalidJson("it should be an object")
        after = edit(text if text.strip() else "{}\n")
    except InvalidJson as error:
        raise ConfigurationError(
            f"{path} is not valid JSON for this IDE ({error}). Nothing was changed. Correct the file, then try again."
        ) from error
    if remove and after.strip() == "{}" and backup_of(path) is None:
        return ConfigChange(path, before, None)
    return ConfigChange(path, before, before if after == text or (not text.strip() and after.strip() == "{}") else mark + after)


def without_empty(text: str, path: tuple[str, ...], file: Path) -> str:
    """Remove an object or array that is empty now, unless it stood empty in the file before Cairn was connected."""
    earlier = backup_of(file)
    if read_at(text, path) not in ({}, []):
        return text
    with suppress(InvalidJson):
        if earlier is not None and read_at(earlier.removeprefix(BOM) or "{}", path) in ({}, []):
            return text
    return remove_at(text, path)


def backup_of(path: Path) -> str | None:
    """Return the file's text as it was before Cairn was connected; None: there is no backup."""
    with suppress(OSError, UnicodeDecodeError):
        return _backup_path(path.resolve()).read_bytes().decode()
    return None


def write_change(change: ConfigChange, *, remove: bool) -> None:
    """Write a change; make a backup first, or, removing, delete it where the file is again as it was.

    Raises ConfigurationError if the file has changed since it was read, or can't be written.
    """
    if not change.changes:
        return
    target = change.path.resolve()  # a link stays a link
    if read_config(target) != change.before:
        raise ConfigurationError(f"{change.path} was changed by another program just now. Run this again.")
    mode = stat.S_IMODE(target.stat().st_mode) if change.before is not None else 0o644
    mode = mode & PRIVATE_MODE if change.private else mode
    try:
        _keep_backup(target, change, mode, remove=remove)
        if change.after is None:
            target.unlink(missing_ok=True)
        else:
            _write(target, change.after, mode)
    except OSError as error:
        raise ConfigurationError(
            f"{change.path} can't be written ({error.strerror}). Change its owner or permissions, then try again."
        ) from error


def _keep_backup(target: Path, change: ConfigChange, mode: int, *, remove: bool) -> None:
    """Keep the file as it was before Cairn was connected; delete that where the file is so again. It is no more open than the file."""
    backup = _backup_path(target)
    if not remove and change.before != change.after and change.before is not None and backup_of(target) is None:
        _write(backup, change.before, mode)
    elif remove and backup_of(target) == change.after:
        backup.unlink(missing_ok=True)
    elif change.private and open_to_others(backup):
        backup.chmod(mode)


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        made.chmod(mode)
        made.replace(path)
    finally:
        with suppress(OSError):
            made.unlink(missing_ok=True)


def _backup_path(target: Path) -> Path:
    return target.with_name(target.name + BACKUP)
