# Written from cairn/client/_async/sources.py by `python -m tests.sync_client`: change that one.
"""Reads what is uploaded, piece by piece: a file by its path, an open one, or bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from cairn.client._sync.runtime import run_blocking
from cairn.client.transfer import CHUNK_BYTES

Source = str | os.PathLike[str] | bytes | BinaryIO


@dataclass(frozen=True, slots=True)
class Content:
    """The content of an upload. `once`: it can be read one time only. `name`, `modified_at`: those of a file."""

    chunks: Callable[[], Iterator[bytes]]
    once: bool = False
    name: str | None = None
    modified_at: datetime | None = None


def content_of(source: Source) -> Content:
    """Return what a source holds. Raises OSError for a file that isn't there."""
    if isinstance(source, bytes):
        return Content(lambda: _pieces(source))
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        modified = (run_blocking(path.stat)).st_mtime
        run_blocking(_check, path)
        return Content(lambda: _file(path), name=path.name, modified_at=datetime.fromtimestamp(modified, UTC))
    name = getattr(source, "name", None)
    start = run_blocking(_position, source)
    return Content(lambda: _opened(source, start), once=start is None, name=Path(name).name if isinstance(name, str) else None)


def _check(path: Path) -> None:
    with path.open("rb"):
        pass


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]


def _file(path: Path) -> Iterator[bytes]:
    with run_blocking(path.open, "rb") as file:
        while chunk := run_blocking(file.read, CHUNK_BYTES):
            yield chunk


def _position(file: BinaryIO) -> int | None:
    """Return where an open file stands, to read it from there again; None: it can be read one time only, as a pipe."""
    try:
        return file.tell() if file.seekable() else None
    except (OSError, AttributeError):  # a file that says so late, or an object that has no more than `read`
        return None


def _opened(file: BinaryIO, start: int | None) -> Iterator[bytes]:
    if start is not None:
        run_blocking(file.seek, start)
    while chunk := run_blocking(file.read, CHUNK_BYTES):
        yield chunk
