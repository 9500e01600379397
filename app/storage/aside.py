"""Sets aside damaged files that can be rebuilt: renames them with a time stamp beside the original, and prunes old ones.

Never used for PostgreSQL's folder or the keys, which are the truth (docs/reference/data-folder.md). Every function does disk I/O:
call it in a thread.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from app import clock
from app.telemetry import metrics

log = structlog.get_logger()

MAX_KEPT = 2
"""Kept per name and folder: the newest show what went wrong, and a vector index may take hundreds of megabytes."""
MAX_AGE = timedelta(days=14)
MIN_FREE_BYTES = 2 * 2**30
"""With less free space nothing is kept: PostgreSQL and the rebuild need it more."""
_MARK = ".damaged-"
_STAMP = "%Y%m%dT%H%M%S%f"
_NAMED = re.compile(rf"(?P<stem>.+){re.escape(_MARK)}(?P<stamp>\d{{8}}T\d{{12}})")


def set_aside(path: Path, *, part: str, reason: str, stem: str | None = None) -> Path:
    """Rename `path` to `<stem>.damaged-<time>` in the same folder; return the new path. `stem`: default the file's own name.

    Raises OSError, leaving it in place, if it can't be renamed. Prunes older ones of this stem beyond MAX_KEPT and MAX_AGE.
    """
    stem = stem or path.name
    moment = clock.now().astimezone(UTC)
    while os.path.lexists(kept := path.with_name(f"{stem}{_MARK}{moment:{_STAMP}}")):
        moment += timedelta(microseconds=1)
    path.rename(kept)
    metrics.set_aside(part)
    log.error("part.set_aside", part=part, path=str(path), kept_as=kept.name, reason=reason[:500])
    prune(path.parent, stem)
    return kept


def list_set_aside(folder: Path, stem: str) -> list[Path]:
    """List what was set aside under this name, newest first."""
    found = [(match["stamp"], entry) for entry in folder.iterdir() if (match := _NAMED.fullmatch(entry.name)) and match["stem"] == stem]
    return [entry for _, entry in sorted(found, reverse=True)]


def prune(folder: Path, stem: str) -> None:
    """Delete what is too old and all but the newest MAX_KEPT; everything if the disk is nearly full. Errors are ignored."""
    oldest = clock.now().astimezone(UTC) - MAX_AGE
    with suppress(OSError):
        found = list_set_aside(folder, stem)
        if found and shutil.disk_usage(folder).free < MIN_FREE_BYTES:
            log.warning("part.kept_no_longer", names=[each.name for each in found], reason="the disk is nearly full")
            oldest = datetime.max.replace(tzinfo=UTC)
        for place, entry in enumerate(found):
            if place >= MAX_KEPT or _set_aside_at(entry) < oldest:
                _delete(entry)


def make_folder(path: Path, *, part: str, mode: int = 0o700) -> None:
    """Create the folder or gain access to it, setting aside a file in its place. Raises OSError if neither helps."""
    if (path.exists() or path.is_symlink()) and not path.is_dir():
        set_aside(path, part=part, reason="a file stands where a folder should be")
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        path.chmod(path.stat().st_mode | stat.S_IRWXU)


def ensure_file_slot(path: Path, *, part: str) -> Path:
    """Set aside anything but a plain file at `path`, which is about to be written. Returns `path`. Raises OSError if it can't be moved."""
    if (path.exists() or path.is_symlink()) and not path.is_file():
        set_aside(path, part=part, reason="something that is no file stands where a file should be")
    return path


def _set_aside_at(entry: Path) -> datetime:
    match = _NAMED.fullmatch(entry.name)
    assert match is not None
    return datetime.strptime(match["stamp"], _STAMP).replace(tzinfo=UTC)


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)
