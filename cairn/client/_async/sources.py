"""Reads what is uploaded, piece by piece: a file by its path, an open one, or bytes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from cairn.client._async.runtime import run_blocking
from cairn.client.transfer import CHUNK_BYTES

Source = str | os.PathLike[str] | bytes | BinaryIO


@dataclass(frozen=True, slots=True)
class AsyncContent:
    """The content of an upload. `once`: it can be read one time only. `name`, `modified_at`: those of a file."""

    chunks: Callable[[], AsyncIterator[bytes]]
    once: bool = False
    name: str | None = None
    modified_at: datetime | None = None


async def content_of(source: Source) -> AsyncContent:
    """Return what a source holds. Raises OSError for a file that isn't there."""
    if isinstance(source, bytes):
        return AsyncContent(lambda: _pieces(source))
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        modified = (await run_blocking(path.stat)).st_mtime
        await run_blocking(_check, path)
        return AsyncContent(lambda: _file(path), name=path.name, modified_at=datetime.fromtimestamp(modified, UTC))
    name = getattr(source, "name", None)
    start = await run_blocking(_position, source)
    return AsyncContent(lambda: _opened(source, start), once=start is None, name=Path(name).name if isinstance(name, str) else None)


def _check(path: Path) -> None:
    with path.open("rb"):
        pass


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]


async def _file(path: Path) -> AsyncIterator[bytes]:
    with await run_blocking(path.open, "rb") as file:
        while chunk := await run_blocking(file.read, CHUNK_BYTES):
            yield chunk


def _position(file: BinaryIO) -> int | None:
    """Return where an open file stands, to read it from there again; None: it can be read one time only, as a pipe."""
    try:
        return file.tell() if file.seekable() else None
    except (OSError, AttributeError):  # a file that says so late, or an object that has no more than `read`
        return None


async def _opened(file: BinaryIO, start: int | None) -> AsyncIterator[bytes]:
    if start is not None:
        await run_blocking(file.seek, start)
    while chunk := await run_blocking(file.read, CHUNK_BYTES):
        yield chunk
