"""Tracks which points were written since the last graph was built. Knows no vector.

The engine's own count takes points searched by brute force for indexed ones, so the ids are kept in a file beside the shard, appended
before each write: a crash leaves at most superfluous ids, which are dropped at the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from uuid import UUID

WIDTH = 16


class Ungraphed:
    """The persistent set of ids written since the last graph was built."""

    def __init__(self, path: Path, existing: Callable[[list[UUID]], Iterable[UUID]]) -> None:
        data = path.read_bytes() if path.exists() else b""
        whole = len(data) - len(data) % WIDTH
        noted = {UUID(bytes=data[place : place + WIDTH]) for place in range(0, whole, WIDTH)}
        self._path = path
        self._ids = set(existing(list(noted))) if noted else set()
        path.write_bytes(b"".join(each.bytes for each in self._ids))
        self._file = path.open("ab", buffering=0)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Iterable[UUID]) -> None:
        fresh = set(ids) - self._ids
        self._file.write(b"".join(each.bytes for each in fresh))
        self._ids |= fresh

    def discard(self, ids: Iterable[UUID]) -> None:
        self._ids.difference_update(ids)

    def clear(self) -> None:
        self._file.truncate(0)
        self._ids.clear()

    def close(self) -> None:
        self._file.close()
